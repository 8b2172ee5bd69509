"""The operations of a storage: activity types and result types."""

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import Any

from .handles import HANDLE_VERSION
from .reading import reading

WRITE_STORAGE_ACTIVITY = "write_storage"
READ_STORAGE_ACTIVITY = "read_storage"
DELETE_STORAGE_ACTIVITY = "delete_storage"
LIST_STORAGE_ACTIVITY = "list_storage"
SEARCH_STORAGE_ACTIVITY = "search_storage"

STORAGE_ACTIVITIES = frozenset(
    {
        WRITE_STORAGE_ACTIVITY,
        READ_STORAGE_ACTIVITY,
        DELETE_STORAGE_ACTIVITY,
        LIST_STORAGE_ACTIVITY,
        SEARCH_STORAGE_ACTIVITY,
    }
)

STORAGE_FACTORY_FAILED = "StorageFactoryFailed"

LARGEST_VALUE = 8 * 1024 * 1024
"""Most bytes of one value. The workflow holds a value while it is written, and history keeps a value that was
read. A release with a different limit needs a patch: a workflow that was refused must be refused at a
replay."""

PAGE_BYTES = 1024 * 1024
"""Most bytes of a value in one result. A larger value is read in several steps."""

_COMPRESSED_FROM = 64 * 1024
"""Bytes from which a page is compressed. Below, a person can read the text in history."""


@dataclass(frozen=True)
class StoredPage:
    """A part of a stored value: the result of `read_storage`.

    Attributes:
        data: The part's bytes, encoded: as text if they are UTF-8. None if the storage has no such key.
        size: Bytes of the whole value.
        digest: Digest of the whole value, if the value has several pages. A value that is written while it is
            read has a different digest.
        compressed: Whether the bytes are compressed.
        version: Layout of this value.
    """

    data: Any = None
    size: int = 0
    digest: str = ""
    compressed: bool = False
    version: int = HANDLE_VERSION


@dataclass(frozen=True)
class StoredKeys:
    """Keys of a storage, in order: the result of `list_storage`.

    Attributes:
        keys: The keys.
        more: Whether the storage has more of them, after the last of these.
        version: Layout of this value.
    """

    keys: list[str] = field(default_factory=list[str])
    more: bool = False
    version: int = HANDLE_VERSION


@dataclass(frozen=True)
class StorageHit:
    """One result of a search.

    Attributes:
        key: The key.
        score: How well the value matches: an integer or a float, as the storage returned it.
        data: The value's bytes, encoded, if the storage returned them and they fit.
    """

    key: str
    score: Any
    data: Any = None


@dataclass(frozen=True)
class StorageHits:
    """The result of `search_storage`.

    Attributes:
        hits: The results, best first.
        version: Layout of this value.
    """

    hits: list[StorageHit] = field(default_factory=list[StorageHit])
    version: int = HANDLE_VERSION


def as_text(data: bytes) -> str | bytes:
    """Return bytes as text if they are UTF-8, so that a person can read them in history."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def as_bytes(data: str | bytes) -> bytes:
    """Return the bytes that `as_text` returned as text or bytes."""
    return data.encode() if isinstance(data, str) else data


def digest_of_value(data: bytes) -> str:
    """Return the digest of a stored value."""
    return hashlib.sha256(data).hexdigest()[:32]


def packed(page: bytes) -> tuple[str | bytes, bool]:
    """Return a page as it is sent, and whether it is compressed."""
    if len(page) > _COMPRESSED_FROM:
        smaller = zlib.compress(page, 1)
        if len(smaller) < len(page):
            return smaller, True
    return as_text(page), False


def unpacked(data: str | bytes, compressed: bool) -> bytes:
    """Return the bytes of a page that `packed` returned.

    Raises:
        AgentValueError: If they are damaged.
    """
    with reading("A stored value"):
        page = as_bytes(data)
        if not compressed:
            return page
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(page, LARGEST_VALUE)
        if not unpacker.eof:
            raise ValueError("it is cut, or too large")
        return content
