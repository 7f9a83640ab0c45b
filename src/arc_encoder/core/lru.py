"""A bounded memory: what was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Keys → values; threads may share it.

    Args:
        limit: of the sizes of all values together; a value that is larger by itself is not kept.
        size: of a value, such as its bytes; without it, every value counts one.
    """

    def __init__(self, limit: float, size: Callable[[V], int] = lambda _: 1) -> None:
        self.limit, self.size, self.used = limit, size, 0
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: K) -> bool:
        return key in self._kept

    def get(self, key: K) -> V | None:
        """The value of a key, if it is kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value, and let others go for it."""
        size = self.size(value)
        if size > self.limit:
            return
        with self._lock:
            if key in self._kept:
                self.used -= self.size(self._kept.pop(key))
            self._kept[key] = value
            self.used += size
            while self.used > self.limit:
                self.used -= self.size(self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self.used = 0
