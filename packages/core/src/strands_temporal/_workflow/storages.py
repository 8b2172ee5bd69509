"""`TemporalStorage`: a Strands `Storage` in the workflow whose operations are activities."""

import asyncio
import builtins
import copy
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from strands.storage import InMemoryStorage, Storage
from strands.storage.storage import StorageSearchResult
from strands.types.exceptions import StorageError
from typing_extensions import Unpack, override

from .._errors import AgentTypeError
from .._upstream.private_api import mark_namespaced
from .._upstream.run_local import run_local
from .._wire.storages import (
    DELETE_STORAGE_ACTIVITY,
    LARGEST_VALUE,
    LIST_STORAGE_ACTIVITY,
    READ_STORAGE_ACTIVITY,
    SEARCH_STORAGE_ACTIVITY,
    WRITE_STORAGE_ACTIVITY,
    StorageHits,
    StoredKeys,
    StoredPage,
    as_bytes,
    as_text,
    unpacked,
)
from .._wire.values import decode, is_json
from .handles import HANDLE_DEFAULTS, call_handle, handle_options
from .options import ActivityOptions

_READS = 3
"""How often a value of several pages is read from its start, if it is written while it is read."""


class TemporalStorage(Storage[Any, Any]):
    """A handle of a storage that runs on the worker, for agents in a workflow.

    Strands' classes take it wherever they take a `strands.storage.Storage`: `SnapshotSessionManager`,
    `Agent(storage=...)`, `ContextOffloader`, `FileMemoryStore`, a context manager's stash. Its counterpart on
    the worker is `StrandsPlugin(storages={name: factory})`.

    Each operation is one activity. History keeps what an operation returned, so a replay sees the same value.
    Two writes to one key reach the storage in their order. A value of more than 64 KiB that is written stays
    out of history: the worker asks the workflow for it.

    Args:
        name: Name of the storage in `StrandsPlugin(storages=...)`.
        **options: Activity options of each operation: the keys of `temporalio.workflow.ActivityConfig`
            without `activity_id`. By default an operation may take 1 minute, has a heartbeat timeout of 15
            seconds, and is tried 10 times over about two and a half minutes.

    Raises:
        AgentTypeError: If the name is not a string, or an option is unknown or of a wrong type.
        AgentValueError: If the name is empty, or an option has a value that cannot work.
    """

    def __init__(self, name: str, **options: Unpack[ActivityOptions]) -> None:
        self.options: ActivityOptions = handle_options(
            "TemporalStorage", name, "StrandsPlugin(storages=...)", HANDLE_DEFAULTS, options
        )
        self.name = name
        self._namespaces: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TemporalStorage({self.name!r})" + "".join(f".namespace({p!r})" for p in self._namespaces)

    @override
    async def write(self, key: str, data: bytes) -> None:
        """Store data under a key, in an activity.

        Raises:
            StorageError: If the storage refuses it, the data has more than 8 MiB, or there was no answer.
        """
        if len(data) > LARGEST_VALUE:
            raise StorageError(
                f"Failed to write {key!r}: its {len(data):,} bytes are too large for a workflow, which sends "
                f"{LARGEST_VALUE:,}. Write it in an activity of your own"
            )
        async with self._in_order(key):
            await self._call(WRITE_STORAGE_ACTIVITY, "write", key, {"key": key, "data": as_text(bytes(data))})

    @override
    async def read(self, key: str) -> bytes | None:
        """Return the bytes under a key, or None. Uses one activity for each MiB.

        Raises:
            StorageError: If the storage fails, the value has more than 8 MiB, or there was no answer.
        """
        for _ in range(_READS):
            first = await self._page(key)
            if first.data is None:
                return None
            parts = [unpacked(decode(first.data), first.compressed)]
            size = len(parts[0])
            while size < first.size:
                page = await self._page(key, page=len(parts), digest=first.digest)
                if page.data is None or page.digest != first.digest:
                    break  # somebody else has written the value meanwhile
                parts.append(unpacked(decode(page.data), page.compressed))
                size += len(parts[-1])
            else:
                return b"".join(parts)
        raise StorageError(f"Failed to read {key!r}: it was written again each time, while it was read")

    @override
    async def delete(self, key: str) -> None:
        """Delete the value under a key, in an activity.

        Raises:
            StorageError: If the storage fails, or there was no answer.
        """
        async with self._in_order(key):
            await self._call(DELETE_STORAGE_ACTIVITY, "delete", key, {"key": key})

    @override
    async def list(self, query: Any = "") -> builtins.list[str]:
        """Return the keys that match a query, sorted. Uses one activity, or several if there are very many.

        Args:
            query: The beginning of the keys, or any JSON value that the storage takes.

        Raises:
            StorageError: If the storage fails, or there was no answer.
            AgentTypeError: If the query is not a JSON value.
        """
        self._check_query("list", query)
        keys: list[str] = []
        more = True
        while more:
            after = {"after": keys[-1]} if keys else {}
            listed: StoredKeys = await self._call(
                LIST_STORAGE_ACTIVITY, "list", query, {"query": query, **after}, StoredKeys
            )
            keys += listed.keys
            more = listed.more
        return keys

    @override
    async def search(self, query: Any) -> builtins.list[StorageSearchResult]:
        """Search the stored values with the storage's own search strategy, in an activity.

        Args:
            query: A string, or any JSON value that the storage takes.

        Raises:
            StorageError: If the storage fails, or there was no answer.
            AgentTypeError: If the query is not a JSON value.
        """
        self._check_query("search", query)
        found: StorageHits = await self._call(
            SEARCH_STORAGE_ACTIVITY, "search", "", {"query": query}, StorageHits
        )
        return [
            StorageSearchResult(hit.key, hit.score, None if hit.data is None else as_bytes(decode(hit.data)))
            for hit in found.hits
        ]

    def namespace(self, prefix: str) -> "TemporalStorage":
        """Return a view of this storage in which all keys begin with a prefix, as Strands' storages do.

        Raises:
            StorageError: If Strands refuses the prefix.
        """
        InMemoryStorage().namespace(prefix)  # refuses what Strands' storages refuse
        scoped = copy.copy(self)
        scoped._namespaces = (*self._namespaces, prefix)  # noqa: SLF001  # its own class
        mark_namespaced(scoped)
        return scoped

    async def _page(self, key: str, **which: Any) -> StoredPage:
        return await self._call(READ_STORAGE_ACTIVITY, "read", key, {"key": key, **which}, StoredPage)

    async def _call(
        self,
        activity: str,
        operation: str,
        about: object,
        arguments: dict[str, Any],
        result_type: type[Any] | None = None,
    ) -> Any:
        if self._namespaces:
            arguments["namespaces"] = [*self._namespaces]
        return await call_handle(
            activity,
            self.name,
            arguments,
            self.options,
            result_type=result_type,
            summary=(operation, "/".join((*self._namespaces, str(about)))),
            no_answer=lambda why: StorageError(f"Failed to {operation} {about!r}: {self!r}: {why}"),
        )

    def _check_query(self, operation: str, query: object) -> None:
        if not is_json(query):
            raise AgentTypeError(
                f"{self!r}.{operation}: the query {query!r} is not JSON, and cannot cross to the worker"
            )

    @asynccontextmanager
    async def _in_order(self, key: str) -> AsyncGenerator[None]:
        """Wait until this run's earlier writes to the same key have ended."""
        async with run_local(_Writes).turn("/".join((self.name, *self._namespaces, key))):
            yield


class _Writes:
    """The writes of one run that are under way, by storage and key."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncGenerator[None]:
        """Wait until earlier writes to `key` have ended."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
