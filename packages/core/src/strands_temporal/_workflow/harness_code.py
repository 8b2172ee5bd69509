"""Runs the code of the harness's `programmatic_tool_caller`: the code in activities, its tool calls here.

Monty, the interpreter, is a process. So each step of the code is an activity: it ends when every part of the
code waits for a tool. The tools run in the workflow, through the agent's executor, as in a plain agent. The
next step gets their results, and the state in which the interpreter stopped.
"""

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from temporalio import workflow

from .._errors import ActivityNotRegisteredError, SandboxNotRegisteredError
from .._wire.harness_code import ALL_SNAPSHOTS, CODE_ACTIVITY, CODE_STEP_VERSION, CodeStep
from .._wire.values import decode, encode
from .._wire.versions import check_wire_version
from .handles import call_handle
from .options import HEARTBEATING_TOOL_DEFAULTS, ActivityOptions

ToolFunction = Callable[..., Awaitable[Any]]

CODE_OPTIONS: ActivityOptions = {
    **HEARTBEATING_TOOL_DEFAULTS,
    "start_to_close_timeout": timedelta(minutes=2),  # the interpreter itself stops code after one
}

_PATIENCE = timedelta(seconds=1)
"""How long the code waits for its other calls when one has ended."""


class CodeError(Exception):
    """The code cannot run on, in the words that the model reads."""

    def display(self) -> str:
        """Return the words, as the interpreter's own errors do."""
        return str(self)


class CodeSyntaxError(CodeError):
    """The code is not Python."""


class CodeRuntimeError(CodeError):
    """The code raised an error."""


_ERRORS = {"syntax": CodeSyntaxError, "runtime": CodeRuntimeError}


async def run_code(
    code: str,
    functions: Mapping[str, ToolFunction],
    output: Callable[[str, str], None],
    *,
    script_name: str,
    limits: Mapping[str, Any],
    room: int,
) -> None:
    """Run a model's code to its end.

    Args:
        code: Python.
        functions: What the code can call, by name.
        output: Gets what the code prints: the stream's name, and the text.
        script_name: The code's name in its tracebacks.
        limits: Limits of the interpreter.
        room: How many characters of output matter.

    Raises:
        CodeError: If the code fails.
        ActivityNotRegisteredError: If a worker lacks an activity.
    """
    run = _CodeRun(functions)
    arguments: dict[str, Any] = {"code": code}
    stored = suspensions = 0
    try:
        while True:
            step = await _take_step(
                {
                    **arguments,
                    "names": sorted(functions),
                    "script_name": script_name,
                    "limits": dict(limits),
                    "room": room,
                    "suspensions": suspensions,
                }
            )
            printed = decode(step.printed)
            if printed:
                output("stdout", printed)
                room -= len(printed)
            suspensions = step.suspensions
            run.begin(step.calls)
            if step.kind == "done":
                await run.finish()
                return
            if step.kind != "calls":
                raise _ERRORS.get(step.kind, CodeError)(decode(step.text))
            snapshot = decode(step.snapshot)
            stored += len(snapshot)
            if stored > ALL_SNAPSHOTS:
                raise CodeError(
                    f"the code kept too much data over its calls: {stored:,} bytes, compressed, in all, and "
                    f"{ALL_SNAPSHOTS:,} fit. Use several shorter pieces of code"
                )
            arguments = {"snapshot": snapshot, "answers": await run.answers(step.pending)}
    finally:
        await run.close()


async def _take_step(arguments: dict[str, Any]) -> CodeStep:
    step: CodeStep = await call_handle(
        CODE_ACTIVITY,
        "programmatic_tool_caller",
        arguments,
        CODE_OPTIONS,
        result_type=CodeStep,
        summary=("code" if "code" in arguments else "more code",),
    )
    check_wire_version("A step of a model's code", step.version, CODE_STEP_VERSION, in_workflow=True)
    return step


class _CodeRun:
    """The tool calls of one run of the code.

    Args:
        functions: What the code can call, by name.
    """

    def __init__(self, functions: Mapping[str, ToolFunction]) -> None:
        self._functions = functions
        self._running: dict[int, asyncio.Task[Any]] = {}

    def begin(self, calls: list[Any]) -> None:
        """Begin the calls that a step made."""
        for call_id, name, args, kwargs in calls:
            call = self._functions[name](*decode(args), **decode(kwargs))
            self._running[call_id] = asyncio.ensure_future(call)

    async def answers(self, pending: list[int]) -> list[Any]:
        """Wait for calls, and return the answers of those that have ended: at least one.

        If one has ended, the others have a moment to end as well: each answer that comes alone costs a step.
        """
        waiting = [self._running[call_id] for call_id in pending]
        await workflow.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not all(task.done() for task in waiting):
            await workflow.wait(waiting, timeout=_PATIENCE.total_seconds())
        return [
            [call_id, *_answer(self._running.pop(call_id))]
            for call_id in pending
            if self._running[call_id].done()
        ]

    async def finish(self) -> None:
        """Wait for the calls that the code made and did not await. A plain tool leaves them running."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def close(self) -> None:
        """Cancel the calls that nobody waits for any more."""
        running = [task for task in self._running.values() if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def _answer(task: "asyncio.Task[Any]") -> list[Any]:
    if task.cancelled():
        return ["error", "RuntimeError", "The call was cancelled"]
    error = task.exception()
    if error is None:
        return ["value", encode(task.result())]
    for link in (error, error.__cause__):  # the harness turns each error of a tool into a RuntimeError
        if isinstance(link, ActivityNotRegisteredError | SandboxNotRegisteredError):
            raise link
    return ["error", _known_type(error), str(error)]


def _known_type(error: BaseException) -> str:
    """Return the nearest class of an error that the interpreter has: one of Python's own."""
    for cls in type(error).__mro__:
        if cls.__module__ == builtins.__name__ and cls.__name__ in _TYPES:
            return cls.__name__
    return "Exception"


_TYPES = frozenset(
    {
        "ArithmeticError",
        "AssertionError",
        "AttributeError",
        "IndexError",
        "KeyError",
        "LookupError",
        "NotImplementedError",
        "OSError",
        "OverflowError",
        "RuntimeError",
        "TimeoutError",
        "TypeError",
        "ValueError",
    }
)
