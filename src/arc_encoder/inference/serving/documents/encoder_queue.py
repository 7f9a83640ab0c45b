"""Documents of all requests, compressed together: what waits when the encoder is free goes through it in one batch."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from arc_encoder.core.errors import at_least
from arc_encoder.core.lru import Lru
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext, source_digest


@dataclass(frozen=True)
class Waiting:
    """A document that is to be compressed."""

    text: str
    factor: float | None
    done: Future[CompressedContext]


class EncoderQueue:
    """An ARC-Encoder in a thread of its own.

    Args:
        compressor: the ARC-Encoder; its decoder is not used.

    Raises:
        ConfigError: a number that cannot work.
    """

    def __init__(self, compressor: Compressor, *, max_batch: int = 16, cache_mib: float = 256) -> None:
        at_least(1, max_batch=max_batch)
        at_least(0, cache_mib=cache_mib)
        self.compressor, self.max_batch = compressor, max_batch
        # SHA-256 of a text, factor → its vectors
        self.cache: Lru[tuple[str, float | None], CompressedContext] = Lru(
            cache_mib * 2**20, lambda each: each.vectors.nbytes
        )
        self.hits = self.encoded = self.batches = 0
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work; what is called twice works once."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Finish what waits, and end."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    async def encode(self, text: str, factor: float | None) -> CompressedContext:
        """The vectors of a text that can be compressed (see `DocumentEncoder.problems`)."""
        kept = self.cache.get((source_digest(text), factor))
        if kept is not None:
            self.hits += 1
            return kept
        self.start()  # it may have died
        done: Future[CompressedContext] = Future()
        self._waiting.put(Waiting(text, factor, done))
        return await asyncio.wrap_future(done)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = [first], False
            while len(batch) < self.max_batch:
                try:
                    more = self._waiting.get_nowait()
                except Empty:
                    break
                if more is None:
                    ended = True
                    break
                batch.append(more)
            wanted = [each for each in batch if each.done.set_running_or_notify_cancel()]
            for factor in dict.fromkeys(each.factor for each in wanted):
                self._encode([each for each in wanted if each.factor == factor], factor)
            if ended:
                return

    def _encode(self, documents: list[Waiting], factor: float | None) -> None:
        try:
            contexts = self.compressor.encode([each.text for each in documents], factor=factor)
        except Exception as error:  # told to whoever waits for it
            if len(documents) > 1:  # one that fails must not take the others with it
                for each in documents:
                    self._encode([each], factor)
            else:
                documents[0].done.set_exception(error)
            return
        self.batches += 1
        self.encoded += len(documents)
        for each, context in zip(documents, contexts, strict=True):
            self.cache.put((context.origin.source, factor), context)
            each.done.set_result(context)
