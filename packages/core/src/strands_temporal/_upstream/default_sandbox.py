"""Keeps Strands' own sandboxes from working inside a workflow.

An agent without a sandbox works on the machine that it runs on (1.62: agent/agent.py:391). In a workflow that
would be the machine of any worker that runs or replays the workflow. Strands' default cannot be changed.
"""

import inspect
from collections.abc import AsyncGenerator
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from strands import Sandbox
from strands.sandbox import ExecutionResult, FileInfo, StreamChunk
from temporalio import workflow
from typing_extensions import override

from .._errors import AgentTypeError, AgentValueError
from .stand_in import StandIn

GIVE_A_HANDLE = (
    "Give the agent sandbox=TemporalSandbox('name') from strands_temporal.workflow, and the worker "
    "StrandsPlugin(sandboxes={'name': lambda: SomeSandbox(...)})"
)


def refusal(name: str) -> str:
    """Return why a sandbox of Strands' own cannot be used in a workflow, and what to write."""
    return (
        f"{name} would run commands from inside the workflow, again at each replay. Make it on the worker, "
        f"in StrandsPlugin(sandboxes={{'name': lambda: {name}(...)}}), and give TemporalSandbox('name') from "
        "strands_temporal.workflow in its place"
    )


def works_on_a_machine(kind: type[Sandbox]) -> bool:
    """Tell whether a class is one of Strands' own sandboxes, which do I/O, or inherits an operation."""
    if kind not in _MACHINES:
        _MACHINES[kind] = _is_machine(kind)
    return _MACHINES[kind]


_MACHINES: WeakKeyDictionary[type[Sandbox], bool] = WeakKeyDictionary()
"""What is known of classes: each agent asks three times."""


def _is_machine(kind: type[Sandbox]) -> bool:
    operations: frozenset[str] = getattr(Sandbox, "__abstractmethods__")  # noqa: B009  # not in its type
    owners = (next(cls for cls in kind.__mro__ if name in vars(cls)) for name in operations)
    return any(
        owner.__module__.startswith("strands.sandbox.") and not inspect.isabstract(owner) for owner in owners
    )


class NoSandbox(Sandbox):
    """The default sandbox of an agent in a workflow. Each operation raises an error that says what to write.

    Strands' default is the host machine, which workflow code must not access.
    """

    @override
    async def execute_streaming(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        """Refuse."""
        self._refuse(f"run {command!r}")
        yield  # makes this an async generator, as the base class declares it

    @override
    async def execute_code_streaming(
        self, code: str, language: str, **kwargs: Any
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        """Refuse."""
        self._refuse(f"run {language} code")
        yield

    @override
    async def read_file(self, path: str, **kwargs: Any) -> bytes:
        """Refuse."""
        self._refuse(f"read {path!r}")

    @override
    async def write_file(self, path: str, content: bytes, **kwargs: Any) -> None:
        """Refuse."""
        self._refuse(f"write {path!r}")

    @override
    async def remove_file(self, path: str, **kwargs: Any) -> None:
        """Refuse."""
        self._refuse(f"remove {path!r}")

    @override
    async def list_files(self, path: str, **kwargs: Any) -> list[FileInfo]:
        """Refuse."""
        self._refuse(f"list {path!r}")

    def _refuse(self, what: str) -> NoReturn:
        raise AgentValueError(
            f"A tool wants to {what} from inside the workflow, which would do it again at each replay. "
            f"{GIVE_A_HANDLE}"
        )


class WorkflowDefaultSandbox(StandIn):
    """Stands in for Strands' default sandbox where an agent makes it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Sandbox:
        """Return the default sandbox of an agent."""
        return NoSandbox() if workflow.in_workflow() else self._original(*args, **kwargs)


class WorkflowHostPath(StandIn):
    """Stands in for the class by which Strands' local sandbox reads and writes files of the host."""

    def __call__(self, path: str) -> Any:
        """Return a path.

        Raises:
            AgentTypeError: In a workflow.
        """
        if workflow.in_workflow():
            raise AgentTypeError(refusal("NotASandboxLocalEnvironment"))
        return self._original(path)


class WorkflowProcess(StandIn):
    """Stands in for the function by which Strands' sandboxes start a process (1.62: stream_process.py:46)."""

    def __call__(self, program: str, *args: Any, **kwargs: Any) -> Any:
        """Start a process.

        Raises:
            AgentTypeError: In a workflow.
        """
        if workflow.in_workflow():
            raise AgentTypeError(refusal(_CLASSES.get(program, "NotASandboxLocalEnvironment")))
        return self._original(program, *args, **kwargs)


_CLASSES = {"docker": "DockerSandbox", "ssh": "SshSandbox"}
