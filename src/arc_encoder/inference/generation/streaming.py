"""An answer piece by piece, while another thread generates it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Queue
from threading import Event, Thread
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria
from transformers.generation.streamers import BaseStreamer

UNFINISHED = "\ufffd"  # what a tokenizer makes of a part of a character


class Pieces(BaseStreamer):
    """Collects the ids of one answer and hands on what they add to its text.

    Args:
        decode: ids → the text of an answer, cut where it ends.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self.decode = decode
        self.ids: list[int] = []
        self.shown = ""
        self.queue: Queue[str | None] = Queue()

    def put(self, value: Tensor) -> None:
        """One more id."""
        self.ids += value.reshape(-1).tolist()
        self._hand_on(self.decode(self.ids).rstrip(UNFINISHED))

    def end(self) -> None:
        """No more ids: what was held back is said."""
        self._hand_on(self.decode(self.ids))
        self.queue.put(None)

    def _hand_on(self, text: str) -> None:
        if text.startswith(self.shown) and len(text) > len(self.shown):
            self.queue.put(text[len(self.shown) :])
            self.shown = text


class Abandoned(StoppingCriteria):
    """Ends a generation that nobody reads any more."""

    def __init__(self) -> None:
        self.event = Event()

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Any:
        return torch.full((len(input_ids),), self.event.is_set(), device=input_ids.device)


def pieces_of(generate: Callable[[Pieces, Abandoned], Any], decode: Callable[[list[int]], str]) -> Iterator[str]:
    """Run `generate` in a thread and yield what it says; whoever stops reading stops it.

    Args:
        decode: ids → text.

    Raises: what `generate` raises.
    """
    pieces, abandoned, failed = Pieces(decode), Abandoned(), []

    def run() -> None:
        try:
            generate(pieces, abandoned)
        except Exception as error:  # handed over to whoever reads the pieces
            failed.append(error)
            pieces.queue.put(None)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        while (piece := pieces.queue.get()) is not None:
            yield piece
    finally:
        abandoned.event.set()
        thread.join()
    if failed:
        raise failed[0]
