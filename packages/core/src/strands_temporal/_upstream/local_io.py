"""Refuses, in a workflow, the classes of Strands that read and write a disk or S3.

Such a class would do its I/O inside the workflow, and again at each replay, on any machine that replays. A
session manager is refused when it is made, a storage at its first operation. `forbidden_storage` finds a
storage earlier: in an agent that was just built.
"""

import sys
from collections.abc import Iterator
from typing import Any, NoReturn, cast
from weakref import WeakKeyDictionary

from strands import Agent, Sandbox
from strands.storage import LocalFileStorage, S3Storage
from temporalio import workflow

from .._errors import AgentTypeError
from .stand_in import StandIn

OPERATIONS = frozenset({"write", "read", "delete", "list"})
"""Methods of Strands' storages. Each normalizes its key first (1.62: storage/local_file_storage.py:122)."""

_OFFLOADER = "strands.vended_plugins.context_offloader"
_LEGACY_STORAGES = ("FileStorage", "S3Storage")  # of the offloader
_NOT_SEARCHED = frozenset(
    {"event_loop_metrics", "hooks", "messages", "model", "state", "tool_registry", "tool_caller", "tracer"}
)
"""Attributes of an agent that hold no storage, and may be large."""
_DEEPEST = 6
_LEAVES = frozenset({str, bytes, int, float, bool, type(None)})
_OF_STRANDS: WeakKeyDictionary[type[Any], bool] = WeakKeyDictionary()


class RefusesIO(StandIn):
    """A name in a module whose classes do I/O as soon as they are made."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse()
        return self._original(*args, **kwargs)

    @property
    def Session(self) -> Any:  # noqa: N802  # boto3's name
        self._refuse()
        return self._original.Session

    def makedirs(self, *args: Any, **kwargs: Any) -> None:
        self._refuse()
        self._original.makedirs(*args, **kwargs)

    def _refuse(self) -> None:
        if workflow.in_workflow():
            frame = sys._getframe(2)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            refuse(type(frame.f_locals.get("self")).__name__)


class RefusesOperations(StandIn):
    """The function with which a storage normalizes a key, called by each of its operations."""

    def __call__(self, key: str) -> str:
        frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if frame.f_code.co_name in OPERATIONS and workflow.in_workflow():
            storage = frame.f_locals.get("self")
            if _does_io(storage, None):
                refuse(type(storage).__name__)
        return self._original(key)


def refuse(name: str, owner: str = "") -> NoReturn:
    """Raise the error that says what to use instead of a class of Strands that does I/O.

    Args:
        name: The class.
        owner: The place where it was found, for the message: "TemporalAgent(plugins=...)".

    Raises:
        AgentTypeError: Always.
    """
    factory = f"StrandsPlugin(storages={{'name': lambda: {_storage_for(name)}(...)}})"
    instead = "TemporalStorage('name') from strands_temporal.workflow"
    if name.endswith("SessionManager"):
        instead = f"SnapshotSessionManager(session_id, storage=TemporalStorage('name')), with {instead}"
    raise AgentTypeError(
        f"{owner}{': ' if owner else ''}{name} would do its I/O inside the workflow, again at each replay. "
        f"Give {instead}, and register the storage on the worker: {factory}"
    )


def forbidden_storage(agent: Agent) -> str | None:
    """Return the class of a storage that does I/O and that a part of an agent would use, else None."""
    for attribute, value in vars(agent).items():
        if type(value) in _LEAVES or attribute in _NOT_SEARCHED:
            continue
        for holder, storage in _storages(value, attribute, {id(agent)}, 0):
            if _does_io(storage, agent.sandbox if holder == _OFFLOADER else None):
                return type(storage).__name__
    return None


def _storages(value: Any, holder: str, seen: set[int], depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the storages that `value` holds, with the package of the object that holds them."""
    if id(value) in seen or depth > _DEEPEST:
        return
    seen.add(id(value))
    if isinstance(value, (list, tuple)):
        inner: list[Any] = list(cast("list[Any]", value))
    elif isinstance(value, dict):
        inner = list(cast("dict[Any, Any]", value).values())
    elif not _of_strands(cast("type[Any]", type(value))):
        return
    elif isinstance(value, (LocalFileStorage, S3Storage)) or _is_legacy(value):
        yield holder, value
        return
    elif not isinstance(value, Agent):
        attributes: dict[str, Any] = getattr(value, "__dict__", {})
        inner = list(attributes.values())
        if type(value).__module__.startswith(_OFFLOADER):
            holder = _OFFLOADER
    else:
        return
    for each in inner:
        if type(each) not in _LEAVES:
            yield from _storages(each, holder, seen, depth + 1)


def _of_strands(cls: type[Any]) -> bool:
    """Tell whether a class is of Strands, or a subclass of one. Each workflow asks for the same few dozen."""
    known = _OF_STRANDS.get(cls)
    if known is None:
        known = any(base.__module__.startswith("strands.") for base in cls.__mro__)
        _OF_STRANDS[cls] = known
    return known


def _is_legacy(value: Any) -> bool:
    cls = type(value)
    return cls.__module__ == f"{_OFFLOADER}.storage" and cls.__name__ in _LEGACY_STORAGES


def _does_io(storage: Any, agents_sandbox: Sandbox | None) -> bool:
    """Tell whether a storage does its I/O in the calling process.

    A storage of files that is bound to a sandbox uses that sandbox (1.62: storage/local_file_storage.py:76).

    Args:
        storage: The storage.
        agents_sandbox: The sandbox to which the storage's holder binds the storage, or None.
    """
    if type(storage).__name__.startswith("S3"):
        return True
    sandbox: Any = getattr(storage, "_sandbox", None) or agents_sandbox
    kind = type(sandbox)
    return sandbox is None or kind.__name__ == "NoSandbox" or kind.__module__.startswith("strands.sandbox")


def _storage_for(name: str) -> str:
    return "S3Storage" if name.startswith("S3") else "LocalFileStorage"
