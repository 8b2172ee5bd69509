"""The activities of storages: `StrandsPlugin(storages={name: factory})`, `TemporalStorage(name)`."""

import builtins
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias, cast

from strands.storage import Storage
from strands.types.exceptions import StorageError
from temporalio import activity

from .._wire.handles import HandleCall
from .._wire.model_call import RESULT_TOO_LARGE
from .._wire.storages import (
    DELETE_STORAGE_ACTIVITY,
    LARGEST_VALUE,
    LIST_STORAGE_ACTIVITY,
    PAGE_BYTES,
    READ_STORAGE_ACTIVITY,
    SEARCH_STORAGE_ACTIVITY,
    STORAGE_FACTORY_FAILED,
    WRITE_STORAGE_ACTIVITY,
    StorageHit,
    StorageHits,
    StoredKeys,
    StoredPage,
    as_bytes,
    as_text,
    digest_of_value,
    packed,
)
from .._wire.values import encode, json_size
from .handles import NamedObjects
from .results import check_result
from .transcript_queries import TranscriptQueries

StorageFactory: TypeAlias = Callable[
    [], Storage[Any, Any] | Awaitable[Storage[Any, Any]] | AbstractAsyncContextManager[Storage[Any, Any]]
]
"""Makes a storage on the worker, when the storage is first used."""


class Storages:
    """The activities of the storages of one plugin.

    Args:
        storages: Factories by name. None means no storages.
        queries: Asks a workflow for values that were too large to send.

    Raises:
        TypeError: If `storages` is not a mapping, a name is not a string, or a factory cannot be called.
        ValueError: If a name is empty.
    """

    def __init__(self, storages: Mapping[str, StorageFactory] | None, queries: TranscriptQueries) -> None:
        self.objects = NamedObjects[Storage[Any, Any]](
            queries,
            "storage",
            "StrandsPlugin(storages=...)",
            storages,
            cast("type[Storage[Any, Any]]", Storage),
            STORAGE_FACTORY_FAILED,
            "LocalFileStorage('/data')",
        )

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activities."""
        return [
            self.write_storage,
            self.read_storage,
            self.delete_storage,
            self.list_storage,
            self.search_storage,
        ]

    @activity.defn(name=WRITE_STORAGE_ACTIVITY)
    async def write_storage(self, call: HandleCall) -> None:
        """Store a value under a key."""
        async with self.objects.use(call) as (storage, given):
            await _scoped(storage, given).write(given["key"], as_bytes(given["data"]))

    @activity.defn(name=READ_STORAGE_ACTIVITY)
    async def read_storage(self, call: HandleCall) -> StoredPage:
        """Return a page of the value under a key.

        The value may have changed since its first page was read. Then its digest has changed, and this is the
        first page of the new value.
        """
        async with self.objects.use(call) as (storage, given):
            data = await _scoped(storage, given).read(given["key"])
            if data is None:
                return StoredPage()
            if len(data) > LARGEST_VALUE:
                raise StorageError(
                    f"Failed to read {given['key']!r}: its {len(data):,} bytes are too large for a workflow, "
                    f"which takes {LARGEST_VALUE:,}. Read it in an activity of your own"
                )
            digest = digest_of_value(data) if len(data) > PAGE_BYTES else ""
            number = given.get("page", 0) if given.get("digest") == digest else 0
            page, compressed = packed(data[number * PAGE_BYTES : (number + 1) * PAGE_BYTES])
            return StoredPage(encode(page), len(data), digest, compressed)

    @activity.defn(name=DELETE_STORAGE_ACTIVITY)
    async def delete_storage(self, call: HandleCall) -> None:
        """Delete the value under a key."""
        async with self.objects.use(call) as (storage, given):
            await _scoped(storage, given).delete(given["key"])

    @activity.defn(name=LIST_STORAGE_ACTIVITY)
    async def list_storage(self, call: HandleCall) -> StoredKeys:
        """Return the keys that match a query, as many as fit."""
        async with self.objects.use(call) as (storage, given):
            after: str | None = given.get("after")
            keys = sorted(await _scoped(storage, given).list(given["query"]))
            if after is not None:
                keys = [key for key in keys if key > after]
            page = _first(keys)
            return StoredKeys(page, len(page) < len(keys))

    @activity.defn(name=SEARCH_STORAGE_ACTIVITY)
    async def search_storage(self, call: HandleCall) -> StorageHits:
        """Return the results of a search, best first. Leaves out values that do not fit."""
        async with self.objects.use(call) as (storage, given):
            found = await _scoped(storage, given).search(given["query"])
            hits: list[StorageHit] = []
            room = PAGE_BYTES
            for each in found:
                data = None if each.data is None else encode(as_text(each.data))
                size = json_size(data)
                if size > room:
                    data = None
                else:
                    room -= size
                hits.append(StorageHit(each.key, each.score, data))
            result = StorageHits(hits)
            await check_result(
                f"What a search of storage {call.name!r} found", result, RESULT_TOO_LARGE, "Search for less"
            )
            return result


def _scoped(storage: Any, given: Mapping[str, Any]) -> Any:
    """Return the view of a storage that the call's namespaces select."""
    for prefix in given.get("namespaces", ()):
        storage = storage.namespace(prefix) if hasattr(storage, "namespace") else _Namespace(storage, prefix)
    return storage


class _Namespace:
    """A view of a storage that has no namespaces of its own: all keys begin with a prefix."""

    def __init__(self, storage: Storage[Any, Any], prefix: str) -> None:
        self._storage = storage
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    async def write(self, key: str, data: bytes) -> None:
        await self._storage.write(f"{self._prefix}{key}", data)

    async def read(self, key: str) -> bytes | None:
        return await self._storage.read(f"{self._prefix}{key}")

    async def delete(self, key: str) -> None:
        await self._storage.delete(f"{self._prefix}{key}")

    async def list(self, query: str) -> builtins.list[str]:
        return [key[len(self._prefix) :] for key in await self._storage.list(f"{self._prefix}{query}")]

    async def search(self, query: str) -> Any:
        found = await self._storage.search(query)
        return [
            StorageHit(each.key[len(self._prefix) :], each.score, each.data)
            for each in found
            if each.key.startswith(self._prefix)
        ]


def _first(keys: list[str]) -> list[str]:
    """Return the first keys, as many as fit into a page; one at least."""
    size = 0
    for number, key in enumerate(keys):
        size += json_size(key) + 2
        if size > PAGE_BYTES and number:
            return keys[:number]
    return keys
