"""An LRU cache that is bounded in bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteCache(Generic[K, V]):
    """Keeps the values that were used last. Workers with different event loops may share it.

    Args:
        max_bytes: Largest number of bytes to keep.
        size: Returns the bytes of a value, the same each time.
    """

    def __init__(self, max_bytes: int, size: Callable[[V], int]) -> None:
        self._max_bytes = max_bytes
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    def get(self, key: K) -> V | None:
        """Return a value; None if it is not kept."""
        with self._lock:
            value = self._kept.get(key)
            if value is not None:
                self._kept.move_to_end(key)
            return value

    def keep(self, key: K, value: V) -> None:
        """Keep a value, in place of one with the same key. Drops others if there are too many bytes."""
        with self._lock:
            if (old := self._kept.pop(key, None)) is not None:
                self._bytes -= self._size(old)
            self._kept[key] = value
            self._bytes += self._size(value)
            while self._bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= self._size(dropped)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
