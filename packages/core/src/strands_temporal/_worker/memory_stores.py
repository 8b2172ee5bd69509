"""The activities of memory stores: `StrandsPlugin(memory_stores=...)`, `TemporalMemoryStore(name)`."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias, runtime_checkable
from weakref import WeakKeyDictionary

from strands.memory import AddMessagesContext, MemoryStore
from temporalio import activity

from .._wire.handles import HandleCall
from .._wire.memory_stores import (
    ADD_MEMORY_ACTIVITY,
    ADD_MESSAGES_ACTIVITY,
    DESCRIBE_MEMORY_ACTIVITY,
    MEMORY_FACTORY_FAILED,
    SEARCH_MEMORY_ACTIVITY,
    MemoryFacts,
    MemoryHit,
    MemoryHits,
)
from .._wire.model_call import RESULT_TOO_LARGE
from .._wire.values import encode, encode_any, is_json
from .handles import NamedObjects
from .results import check_result
from .transcript_queries import TranscriptQueries

MemoryStoreFactory: TypeAlias = Callable[
    [], MemoryStore | Awaitable[MemoryStore] | AbstractAsyncContextManager[MemoryStore]
]
"""Makes a memory store on the worker, when the store is first used."""


@runtime_checkable
class _Searchable(Protocol):
    """The attributes of every memory store. Strands' own protocol cannot be checked at run time."""

    name: str

    async def search(self, query: str, options: Any = None) -> Any: ...


_Searchable.__name__ = "MemoryStore"  # in messages


class MemoryStores:
    """The activities of the memory stores of one plugin.

    Args:
        memory_stores: Factories by name. None means no stores.
        queries: Asks a workflow for values that were too large to send.

    Raises:
        TypeError: If `memory_stores` is not a mapping, a name is not a string, or a factory cannot be called.
        ValueError: If a name is empty.
    """

    def __init__(
        self, memory_stores: Mapping[str, MemoryStoreFactory] | None, queries: TranscriptQueries
    ) -> None:
        self.objects = NamedObjects[Any](
            queries,
            "memory store",
            "StrandsPlugin(memory_stores=...)",
            memory_stores,
            _Searchable,
            MEMORY_FACTORY_FAILED,
            "FileMemoryStore(name='notes')",
        )
        self._initialized: WeakKeyDictionary[object, asyncio.Task[None]] = WeakKeyDictionary()

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activities."""
        return [
            self.describe_memory_store,
            self.search_memory_store,
            self.add_to_memory_store,
            self.add_messages_to_memory_store,
        ]

    @activity.defn(name=DESCRIBE_MEMORY_ACTIVITY)
    async def describe_memory_store(self, call: HandleCall) -> MemoryFacts:
        """Initialize a store, and return its methods and other facts."""
        async with self._use(call) as (store, _):
            tools: list[Any] = store.get_tools() if hasattr(store, "get_tools") else []
            return MemoryFacts(
                [name for name in ("add", "add_messages") if _implements(store, name)],
                bool(getattr(store, "writable", False)),
                [str(tool.tool_name) for tool in tools],
            )

    @activity.defn(name=SEARCH_MEMORY_ACTIVITY)
    async def search_memory_store(self, call: HandleCall) -> MemoryHits:
        """Return the entries that match a query."""
        async with self._use(call) as (store, given):
            found = await store.search(given["query"], given.get("options"))
            hits = [
                MemoryHit(entry.content, None if entry.metadata is None else encode_any(entry.metadata))
                for entry in found
            ]
            result = MemoryHits(hits)
            await check_result(
                f"What a search of memory store {call.name!r} found",
                result,
                RESULT_TOO_LARGE,
                "Ask for fewer entries (max_search_results)",
            )
            return result

    @activity.defn(name=ADD_MEMORY_ACTIVITY)
    async def add_to_memory_store(self, call: HandleCall) -> Any:
        """Add an entry, and return the store's return value."""
        async with self._use(call) as (store, given):
            return _plain(await store.add(given["content"], given.get("metadata")))

    @activity.defn(name=ADD_MESSAGES_ACTIVITY)
    async def add_messages_to_memory_store(self, call: HandleCall) -> Any:
        """Pass messages to the store, and return the store's return value."""
        async with self._use(call) as (store, given):
            context = AddMessagesContext(given["sequence_numbers"]) if "sequence_numbers" in given else None
            return _plain(await store.add_messages(given["messages"], context))

    @asynccontextmanager
    async def _use(self, call: HandleCall) -> AsyncGenerator[tuple[Any, dict[str, Any]]]:
        """Yield the store that a call names, initialized once, and the call's arguments."""
        async with self.objects.use(call) as (store, arguments):
            if _implements(store, "initialize"):
                await self._once(store)
            yield store, arguments

    async def _once(self, store: Any) -> None:
        """Wait until a store is initialized. If that failed before, try again."""
        begun = self._initialized.get(store)
        if begun is None or (begun.done() and (begun.cancelled() or begun.exception())):
            begun = self._initialized[store] = asyncio.ensure_future(store.initialize())
        await asyncio.shield(begun)


def _implements(store: object, method: str) -> bool:
    """Tell whether a store's class overrides a method. Strands does the same (1.62: memory/types.py:318)."""
    own = getattr(type(store), method, None)
    return callable(own) and own is not getattr(MemoryStore, method, None)


def _plain(value: Any) -> Any:
    """Return a store's return value if it can be sent, else None. Strands does not use it."""
    return encode(value) if is_json(value) else None
