"""Replaces names in the modules of strands-harness, AWS's batteries-included agent, for workflows.

The factory, the tools and the plugins of strands-harness have no extension points: they use the process's
disk, clock, subprocesses and environment directly. The package passes through the workflow sandbox, as
Strands does, because it shares Strands' classes and because the interpreter of `programmatic_tool_caller` is
an extension module.

Each stand-in acts only inside a workflow and behaves as the original elsewhere. In a workflow:

    create_harness()          builds a `TemporalAgent`, and refuses what cannot work; sets up no exporter, and
                              does not look for skills on the worker's disk
    programmatic_tool_caller  runs its code by activities, and waits for a cancellation without a timer
    EnvironmentContext        has the workflow's date, a bound for its search, and ends the run if its sandbox
                              cannot work
    web_fetch                 has the workflow's clock, asks for a sandbox's shell once per run, and ends the
                              run if its sandbox cannot work
    subagent                  offers the handles of MCP servers as it offers Strands' MCP clients

`tests/upstream/test_harness.py` fails when a name moves or a new use of clock, ids or threads appears.
"""

import importlib
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands import Agent
from strands.hooks import HookProvider
from strands.tools import ToolProvider
from temporalio import workflow

from .default_sandbox import NoSandbox
from .determinism import WorkflowRandom, WorkflowTime, WorkflowUuid
from .harness_errors import noting, raise_noted
from .run_local import run_local
from .stand_in import StandIn

MOST_DIRECTORIES = 100
"""How many directories `EnvironmentContext` lists. Each listing is an activity, and Strands sets no bound."""


@dataclass(frozen=True)
class HarnessParts:
    """The functions and errors that the stand-ins use in a workflow.

    Attributes:
        agent: Builds the agent, from the arguments that the harness would give to `strands.Agent`.
        check: Refuses arguments of `create_harness` that cannot work. Gets all of them by name.
        run_code: Runs a model's code. Gets the code, the functions that it may call, a function that takes
            the output, and by name `script_name`, `limits` and `room`.
        syntax_error: The error that `run_code` raises for code that is not Python.
        runtime_error: The error that `run_code` raises for code that raised an error.
        code_error: The base class of both.
    """

    agent: Callable[..., Agent]
    check: Callable[[dict[str, Any]], None]
    run_code: Callable[..., Awaitable[None]]
    syntax_error: type[Exception]
    runtime_error: type[Exception]
    code_error: type[Exception]


HARNESS = "strands_harness"

_CODE = "strands_harness.tools.programmatic_tool_caller"


def adapt_harness(parts: HarnessParts) -> None:
    """Install the stand-ins in the modules of strands-harness. Imports these modules. Idempotent."""
    names: dict[tuple[str, str], Callable[[Any], Any]] = {
        ("strands_harness.agent", "Agent"): lambda original: _HarnessAgent(original, parts),
        ("strands_harness.agent", "setup_telemetry"): lambda original: _FirstStatement(original, parts),
        ("strands_harness.agent", "os"): _NoDisk,
        ("strands_harness.agent", "uuid"): WorkflowUuid,
        ("strands_harness.plugins.environment", "date"): _WorkflowDate,
        **{
            ("strands_harness.plugins.environment", name): _LooksAtSandbox
            for name in ("_probe", "_read_text", "_discover")
        },
        ("strands_harness.tools.subagent", "MCPClient"): lambda original: _AlsoMeans((original, _MCPHandle)),
        ("strands_harness.tools.web_fetch", "time"): WorkflowTime,
        ("strands_harness.tools.web_fetch", "_shells"): _RunsShells,
        ("strands_harness.tools.web_fetch", "_fetch_text"): _FetchesText,
        (_CODE, "_poll_cancel"): _WaitsForCancel,
        (_CODE, "_run_sandboxed"): lambda original: _RunsCode(original, parts),
        (_CODE, "random"): WorkflowRandom,
        (_CODE, "MontySyntaxError"): lambda original: _AlsoMeans((original, parts.syntax_error)),
        (_CODE, "MontyRuntimeError"): lambda original: _AlsoMeans((original, parts.runtime_error)),
        (_CODE, "MontyError"): lambda original: _AlsoMeans((original, parts.code_error)),
    }
    for (module_name, name), stand_in in names.items():
        module = importlib.import_module(module_name)
        current = getattr(module, name)
        if not isinstance(current, (StandIn, _AlsoMeans)):
            setattr(module, name, stand_in(current))


class _AlsoMeans(tuple[Any, ...]):
    """A class and substitutes for it. `except` and `isinstance` match the class and the substitutes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self[0], name)


class _IsMCPHandle(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        """Tell whether `instance` is a tool provider for workflows that names its MCP server."""
        return (
            isinstance(instance, ToolProvider)
            and isinstance(instance, HookProvider)
            and hasattr(instance, "client_name")
        )


class _MCPHandle(metaclass=_IsMCPHandle):
    """Matches `TemporalMCPClient` in `isinstance`. Core does not import the package of that class."""


class _HarnessAgent(StandIn):
    def __init__(self, original: Any, parts: HarnessParts) -> None:
        super().__init__(original)
        self._parts = parts

    def __call__(self, **arguments: Any) -> Agent:
        return self._parts.agent(**arguments) if workflow.in_workflow() else self._original(**arguments)


class _FirstStatement(StandIn):
    """`setup_telemetry`, the first call in `create_harness`, whose frame then holds all of its arguments.

    In a workflow it checks these arguments. It sets up no exporter: that is up to the worker's process.
    """

    def __init__(self, original: Any, parts: HarnessParts) -> None:
        super().__init__(original)
        self._parts = parts

    def __call__(self) -> None:
        if not workflow.in_workflow():
            self._original()
            return
        caller = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._parts.check(dict(caller.f_locals))


class _NoDisk(StandIn):
    """Replaces `os` in the module of `create_harness`. In a workflow, there are no directories."""

    @property
    def path(self) -> Any:
        return _NO_DIRECTORIES if workflow.in_workflow() else os.path


class _NoDirectories:
    def isdir(self, path: str) -> bool:
        return False


_NO_DIRECTORIES = _NoDirectories()


class _WorkflowDate(StandIn):
    def today(self) -> date:
        return workflow.now().date() if workflow.in_workflow() else self._original.today()


class _LooksAtSandbox(StandIn):
    """A function that describes a sandbox: it runs a command, reads `AGENTS.md`, or searches directories.

    In a workflow it ends the run if the sandbox cannot work. The original then describes nothing.
    """

    async def __call__(self, sandbox: Any, *args: Any) -> Any:
        # `NoSandbox` is an agent without a sandbox: there is nothing to see.
        if not workflow.in_workflow() or isinstance(sandbox, NoSandbox):
            return await self._original(sandbox, *args)
        seen = await self._original(_SeenSandbox(sandbox), *args)
        raise_noted(sandbox)
        return seen


class _SeenSandbox:
    """A sandbox that notes errors which say that it cannot work. It lists `MOST_DIRECTORIES` directories.

    Further directories raise `OSError`, and the search skips them.
    """

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._left = MOST_DIRECTORIES

    async def execute(self, command: str) -> Any:
        return await noting(self._sandbox, self._sandbox.execute(command))

    async def read_text(self, path: str) -> str:
        return await noting(self._sandbox, self._sandbox.read_text(path))

    async def list_files(self, path: str) -> Any:
        if not self._left:
            raise OSError("enough directories were listed")
        self._left -= 1
        return await noting(self._sandbox, self._sandbox.list_files(path))


class _FetchesText(StandIn):
    """The function that fetches a page. The tool returns any error of it to the model, as the page.

    In a workflow this function also notes an error that says that the sandbox cannot work. A hook on the
    agent's tool calls raises the noted error.
    """

    async def __call__(self, sandbox: Any, url: str, transport: Any) -> Any:
        fetching = self._original(sandbox, url, transport)
        return await (noting(sandbox, fetching) if workflow.in_workflow() else fetching)


class _Shells(WeakKeyDictionary[Any, str]):
    """The shells of one run's sandboxes."""


class _RunsShells(StandIn):
    """The cache of each sandbox's shell. In a workflow, each run has a cache of its own.

    Several runs may share a handle that was made at import. With one cache for all, a run would skip an
    activity whose result another run had cached. A replay in another process would then not skip it.
    """

    def __contains__(self, sandbox: Any) -> bool:
        return sandbox in self._cache()

    def __getitem__(self, sandbox: Any) -> str:
        return self._cache()[sandbox]

    def __setitem__(self, sandbox: Any, shell: str) -> None:
        self._cache()[sandbox] = shell

    def _cache(self) -> "WeakKeyDictionary[Any, str]":
        return run_local(_Shells) if workflow.in_workflow() else self._original


class _WaitsForCancel(StandIn):
    """The function that polls the agent's cancel signal every 50 ms while code runs."""

    async def __call__(self, cancel_signal: Any) -> None:
        if workflow.in_workflow():
            await workflow.wait_condition(cancel_signal.is_set)
        else:
            await self._original(cancel_signal)


class _RunsCode(StandIn):
    """The function that runs the model's code in a process."""

    def __init__(self, original: Any, parts: HarnessParts) -> None:
        super().__init__(original)
        self._parts = parts

    async def __call__(self, code: str, external_lookup: dict[str, Any], output: Any) -> None:
        if not workflow.in_workflow():
            await self._original(code, external_lookup, output)
            return
        module: Any = cast("Any", sys.modules[_CODE])
        await self._parts.run_code(
            code,
            external_lookup,
            output,
            script_name=module._USER_CODE_FILENAME,  # noqa: SLF001
            limits=module._LIMITS,  # noqa: SLF001
            room=module._MAX_OUTPUT_CHARS + 1,  # noqa: SLF001  # one more shows that it was cut
        )
