"""Documents of all requests, compressed together: what waits when the encoder is free goes through it in one batch."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock

from arc_encoder.core.errors import at_least
from arc_encoder.core.lru import Lru
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext, source_digest

Key = tuple[str, float | None]  # SHA-256 of the text, factor


@dataclass
class Waiting:
    """A document that is to be compressed.

    Attributes:
        text: its text.
        factor: pooling factor; None for the trained one.
        done: its vectors.
        requests: that wait for them.
    """

    text: str
    factor: float | None
    done: Future[CompressedContext] = field(default_factory=Future)
    requests: int = 0

    @property
    def key(self) -> Key:
        """What tells it apart from other documents."""
        return source_digest(self.text), self.factor


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
        self._under_way: dict[Key, Waiting] = {}
        self._lock = Lock()
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
        key = source_digest(text), factor
        kept = self.cache.get(key)
        if kept is not None:
            self.hits += 1
            return kept
        with self._lock:
            waiting = self._under_way.get(key)
            if waiting is None:
                waiting = self._under_way[key] = Waiting(text, factor)
                self._waiting.put(waiting)
            waiting.requests += 1
        self.start()  # it may have died
        try:
            return await asyncio.shield(asyncio.wrap_future(waiting.done))  # who leaves takes nothing from the others
        except asyncio.CancelledError:
            with self._lock:
                waiting.requests -= 1
                if not waiting.requests and waiting.done.cancel():
                    self._forget(key, waiting)
            raise

    def _forget(self, key: Key, waiting: Waiting) -> None:
        if self._under_way.get(key) is waiting:
            del self._under_way[key]

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
            with self._lock:
                wanted = [each for each in batch if each.done.set_running_or_notify_cancel()]
            try:
                for factor in dict.fromkeys(each.factor for each in wanted):
                    self._encode([each for each in wanted if each.factor == factor], factor)
            finally:  # where the thread ends by itself, nobody may wait for it for ever
                for each in wanted:
                    if not each.done.done():
                        self._tell(each, RuntimeError("the encoder ended while it worked"))
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
                self._tell(documents[0], error)
            return
        self.batches += 1
        self.encoded += len(documents)
        for each, context in zip(documents, contexts, strict=True):
            self.cache.put(each.key, context)
            self._tell(each, context)

    def _tell(self, waiting: Waiting, found: CompressedContext | Exception) -> None:
        with self._lock:
            self._forget(waiting.key, waiting)
        if isinstance(found, Exception):
            waiting.done.set_exception(found)
        else:
            waiting.done.set_result(found)
