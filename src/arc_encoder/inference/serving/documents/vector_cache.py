"""Vectors of documents that were compressed lately, up to so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from arc_encoder.inference.encoding.contexts import CompressedContext

Key = tuple[str, float | None]  # SHA-256 of the text, factor


class VectorCache:
    """The least recently used go first.

    Args:
        max_bytes: of the vectors together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self._kept: OrderedDict[Key, CompressedContext] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> CompressedContext | None:
        """The vectors of a text at a factor, if they are kept."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key, context: CompressedContext) -> None:
        """Keep vectors, and let others go for them."""
        size = context.vectors.nbytes
        if size > self.max_bytes:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self.bytes += size - (before.vectors.nbytes if before is not None else 0)
            self._kept[key] = context
            while self.bytes > self.max_bytes:
                _, gone = self._kept.popitem(last=False)
                self.bytes -= gone.vectors.nbytes
