"""The operations of a memory store: activity types and result types."""

from dataclasses import dataclass, field
from typing import Any

from .handles import HANDLE_VERSION

DESCRIBE_MEMORY_ACTIVITY = "describe_memory_store"
SEARCH_MEMORY_ACTIVITY = "search_memory_store"
ADD_MEMORY_ACTIVITY = "add_to_memory_store"
ADD_MESSAGES_ACTIVITY = "add_messages_to_memory_store"

MEMORY_ACTIVITIES = frozenset(
    {DESCRIBE_MEMORY_ACTIVITY, SEARCH_MEMORY_ACTIVITY, ADD_MEMORY_ACTIVITY, ADD_MESSAGES_ACTIVITY}
)

MEMORY_FACTORY_FAILED = "MemoryStoreFactoryFailed"


@dataclass(frozen=True)
class MemoryFacts:
    """Facts about a store on the worker: the result of `describe_memory_store`.

    Attributes:
        methods: Those of `add` and `add_messages` that the store implements.
        writable: Whether the store takes writes.
        tools: Names of the tools that the store brings.
        version: Layout of this value.
    """

    methods: list[str] = field(default_factory=list[str])
    writable: bool = False
    tools: list[str] = field(default_factory=list[str])
    version: int = HANDLE_VERSION


@dataclass(frozen=True)
class MemoryHit:
    """One entry that a search found.

    Attributes:
        content: The entry's text.
        metadata: The entry's metadata, encoded.
    """

    content: str
    metadata: Any = None


@dataclass(frozen=True)
class MemoryHits:
    """The result of `search_memory_store`.

    Attributes:
        hits: The entries, best first.
        version: Layout of this value.
    """

    hits: list[MemoryHit] = field(default_factory=list[MemoryHit])
    version: int = HANDLE_VERSION
