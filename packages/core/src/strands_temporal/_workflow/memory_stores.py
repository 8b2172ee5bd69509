"""`TemporalMemoryStore`: a Strands `MemoryStore` in the workflow whose operations are activities."""

from collections.abc import Sequence
from typing import Any, Literal

from strands.memory import AddMessagesContext, ExtractionConfig, MemoryEntry, MemoryStore, SearchOptions
from strands.types.content import Message
from temporalio import workflow
from typing_extensions import Unpack, override

from .._errors import AgentTypeError, AgentValueError
from .._upstream.run_local import run_local
from .._wire.memory_stores import (
    ADD_MEMORY_ACTIVITY,
    ADD_MESSAGES_ACTIVITY,
    DESCRIBE_MEMORY_ACTIVITY,
    SEARCH_MEMORY_ACTIVITY,
    MemoryFacts,
    MemoryHits,
)
from .._wire.values import decode, encode_any
from .handles import HANDLE_DEFAULTS, call_handle, handle_options
from .options import ActivityOptions

WriteMethod = Literal["add", "add_messages"]


class TemporalMemoryStore(MemoryStore):
    """A handle of a memory store that runs on the worker, for agents in a workflow.

    Give it to a `MemoryManager`, like any store. Its counterpart on the worker is
    `StrandsPlugin(memory_stores={name: factory})`. Each search and each write is one activity; history keeps
    the results of a search.

    Strands asks a store for the facts below while the agent is built, when the worker cannot be asked. So
    declare them here. Before the agent's first turn the worker is asked whether it has the store, and whether
    the store has the declared methods.

    Args:
        name: Name of the store in `StrandsPlugin(memory_stores=...)`, and in the agent's memory tools.
        description: Text about the store in the memory tools' descriptions.
        max_search_results: How many entries a search returns by default.
        writable: Whether the agent may write.
        extraction: Automatic extraction, as for any store of Strands. Its model's calls are recorded.
        writes: The methods of the store that write: "add" takes one string, "add_messages" takes messages,
            from which the store makes entries itself.
        **options: Activity options of each operation: the keys of `temporalio.workflow.ActivityConfig`
            without `activity_id`. By default an operation may take 1 minute, has a heartbeat timeout of 15
            seconds, and is tried 10 times over about two and a half minutes.

    Raises:
        AgentTypeError: If the name is not a string, `writes` is not a sequence of names, or an option is
            unknown or of a wrong type.
        AgentValueError: If the name is empty, `writes` names another method, or an option has a value that
            cannot work.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        max_search_results: int | None = None,
        writable: bool = True,
        extraction: ExtractionConfig | bool | None = None,
        writes: Sequence[WriteMethod] = ("add",),
        **options: Unpack[ActivityOptions],
    ) -> None:
        self.options: ActivityOptions = handle_options(
            "TemporalMemoryStore", name, "StrandsPlugin(memory_stores=...)", HANDLE_DEFAULTS, options
        )
        _check_writes(f"TemporalMemoryStore({name!r})", writes)
        self.name = name
        self.description = description
        self.max_search_results = max_search_results
        self.writable = writable
        self.extraction = extraction
        self._writes = tuple(writes)
        if type(self) is TemporalMemoryStore:  # Strands looks for the methods in a store's class
            self.__class__ = _CLASSES[frozenset(writes)]

    def __repr__(self) -> str:
        return f"TemporalMemoryStore({self.name!r})"

    @override
    async def search(self, query: str, options: SearchOptions | None = None) -> list[MemoryEntry]:
        """Return the entries that match a query, best first, in an activity."""
        arguments = {"query": query} if options is None else {"query": query, "options": dict(options)}
        found: MemoryHits = await self._call(SEARCH_MEMORY_ACTIVITY, "search", arguments, MemoryHits)
        return [MemoryEntry(content=hit.content, metadata=decode(hit.metadata)) for hit in found.hits]

    @override
    async def initialize(self) -> None:
        """Ask the worker, once per run, whether it has this store with the declared methods.

        Raises:
            AgentValueError: If the store cannot write as it was declared.
            ApplicationError: If the worker has no such store, or cannot make it.
        """
        checked = run_local(_Checked).handles
        if (self.name, self._writes, self.writable) in checked:
            return
        facts: MemoryFacts = await self._call(DESCRIBE_MEMORY_ACTIVITY, "describe", {}, MemoryFacts)
        missing = [method for method in self._writes if method not in facts.methods]
        if self.writable and (missing or not facts.writable):
            has = (
                f"is not writable: give {self!r} writable=False"
                if not facts.writable
                else f"has no {missing[0]}: give {self!r} writes={tuple(facts.methods)!r}"
            )
            raise AgentValueError(f"The memory store {self.name!r} on the worker {has}")
        if facts.tools:
            workflow.logger.warning(
                "store=<%s>, tools=<%s> | the agent does not get the store's own tools; host them with "
                "StrandsPlugin(tools=...), and give the agent TemporalTools(...)",
                self.name,
                facts.tools,
            )
        checked.add((self.name, self._writes, self.writable))

    async def _call(
        self, activity: str, operation: str, arguments: dict[str, Any], result_type: type[Any] | None = None
    ) -> Any:
        return await call_handle(
            activity, self.name, arguments, self.options, result_type=result_type, summary=(operation,)
        )


class _Adds(TemporalMemoryStore):
    """A store with `add`."""

    @override
    async def add(self, content: str, metadata: dict[str, Any] | None = None) -> Any:
        """Add an entry, in an activity. Return the store's return value if it is JSON, else None."""
        given = {} if metadata is None else {"metadata": encode_any(metadata)}
        return decode(await self._call(ADD_MEMORY_ACTIVITY, "add", {"content": content, **given}))


class _AddsMessages(TemporalMemoryStore):
    """A store with `add_messages`."""

    @override
    async def add_messages(self, messages: list[Message], context: AddMessagesContext | None = None) -> Any:
        """Add messages, in an activity. Return the store's return value if it is JSON, else None."""
        numbers = None if context is None else context.sequence_numbers
        given = {} if numbers is None else {"sequence_numbers": numbers}
        arguments = {"messages": messages, **given}
        return decode(await self._call(ADD_MESSAGES_ACTIVITY, "add messages", arguments))


class _AddsBoth(_Adds, _AddsMessages):
    """A store with both methods."""


_CLASSES: dict[frozenset[str], type[TemporalMemoryStore]] = {
    frozenset(): TemporalMemoryStore,
    frozenset({"add"}): _Adds,
    frozenset({"add_messages"}): _AddsMessages,
    frozenset({"add", "add_messages"}): _AddsBoth,
}


class _Checked:
    """The handles whose stores were checked on the worker in one run."""

    def __init__(self) -> None:
        self.handles: set[tuple[str, tuple[str, ...], bool]] = set()


def _check_writes(owner: str, writes: object) -> None:
    known = ("add", "add_messages")
    if not isinstance(writes, (list, tuple)):
        raise AgentTypeError(f"{owner}: writes={writes!r} is not a sequence. Give names of {known}")
    for name in writes:
        if name not in known:
            raise AgentValueError(f"{owner}: writes={writes!r} names {name!r}. Known: {known}")
