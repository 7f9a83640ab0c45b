"""Beginnings of prompts that were read before, up to so many bytes: a document that is asked again is not read again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import torch

from arc_encoder.inference.encoding.contexts import CompressedContext
from arc_encoder.inference.serving.engines.embedded.kv_rows import Row
from arc_encoder.inference.serving.prompts.prompt import Run, length_of

Key = tuple[tuple[int, ...] | str, ...]


class Prefixes:
    """Keys and values of beginnings that end with a document; the least recently used go first.

    Args:
        max_bytes: of all together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self.hits = self.misses = 0
        self._kept: OrderedDict[Key, Row] = OrderedDict()

    def get(self, key: Key) -> Row | None:
        """What is remembered of a beginning."""
        found = self._kept.get(key)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
            self._kept.move_to_end(key)
        return found

    def put(self, key: Key, row: Row) -> None:
        """Remember a beginning, and let others go for it."""
        if row.bytes > self.max_bytes or key in self._kept:
            return
        self._kept[key] = row
        self.bytes += row.bytes
        while self.bytes > self.max_bytes:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= gone.bytes

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self.bytes = 0


def beginning(runs: Sequence[Run]) -> list[Run]:
    """The runs up to the last document, which others may share; nothing where no text follows or there is none."""
    last = max((place for place, run in enumerate(runs) if isinstance(run, CompressedContext)), default=-1)
    return list(runs[: last + 1]) if 0 <= last < len(runs) - 1 and length_of(runs[last + 1 :]) else []


def key_of(runs: Sequence[Run]) -> Key:
    """What tells one beginning from another: its ids, and the numbers of its vectors.

    Not what vectors say of themselves: a client may send any.
    """
    return tuple(_digest(run) if isinstance(run, CompressedContext) else tuple(run) for run in runs)


def _digest(context: CompressedContext) -> str:
    content = context.vectors.detach().cpu().contiguous().view(torch.uint8).numpy()
    about = f"{tuple(context.vectors.shape)}{context.vectors.dtype}".encode()
    return hashlib.sha256(about + content.tobytes()).hexdigest()
