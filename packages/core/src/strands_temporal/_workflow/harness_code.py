"""Runs the code of the harness's `programmatic_tool_caller`. Its tool calls run in the workflow.

The interpreter, Monty, is a process. So the code runs on the worker in steps, each of which is an activity. A
step ends when every part of the code waits for a tool. The tools run in the workflow, through the agent's
executor, as in a plain agent. The next step gets their results and the interpreter's state.
"""

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from temporalio import workflow

from .._upstream.harness_errors import cannot_work
from .._wire.harness_code import ALL_SNAPSHOTS, CODE_ACTIVITY, CODE_STEP_VERSION, FULLEST_HISTORY, CodeStep
from .._wire.values import decode, encode
from .._wire.versions import check_wire_version
from .handles import call_handle
from .options import HEARTBEATING_TOOL_DEFAULTS, ActivityOptions

ToolFunction = Callable[..., Awaitable[Any]]

CODE_OPTIONS: ActivityOptions = {
    **HEARTBEATING_TOOL_DEFAULTS,
    # The interpreter itself stops code after one minute. A worker that runs many has the others wait.
    "start_to_close_timeout": timedelta(minutes=5),
}

_PATIENCE = timedelta(seconds=1)
"""How long the code waits for its other calls when one has ended."""


class CodeError(Exception):
    """The code failed. The message is the one that the model reads."""

    def display(self) -> str:
        """Return the message. The interpreter's own errors have the same method."""
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
        functions: Functions that the code can call, by name.
        output: Called with what the code prints: the stream's name, and the text.
        script_name: The code's name in its tracebacks.
        limits: Limits of the interpreter.
        room: How many characters of output to keep.

    Raises:
        CodeError: If the code fails.
        Exception: The error that `cannot_work` finds in a tool's error.
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
            snapshot: bytes = decode(step.snapshot) or b""
            stored += len(snapshot)
            if step.kind == "calls":
                _check_room(stored, len(snapshot))
            run.begin(step.calls)
            if step.kind == "done":
                await run.finish()
                return
            if step.kind != "calls":
                raise _ERRORS.get(step.kind, CodeError)(decode(step.text))
            arguments = {"snapshot": snapshot, "answers": await run.answers(step.pending)}
    finally:
        await run.close()


def _check_room(stored: int, added: int) -> None:
    """Refuse a snapshot that is one too many.

    Args:
        stored: Bytes of all snapshots of this run of the code.
        added: Bytes of this one. History has it in base64.

    Raises:
        CodeError: In words that the model reads.
    """
    if stored > ALL_SNAPSHOTS:
        raise CodeError(
            f"the code kept too much data over its calls: {stored:,} bytes in total, compressed, and "
            f"{ALL_SNAPSHOTS:,} fit. Use several shorter pieces of code"
        )
    # The server counts the history and records its size with each workflow task, so a replay sees the same.
    before = workflow.info().get_current_history_size()
    added = added * 4 // 3
    if before + added > FULLEST_HISTORY:
        raise CodeError(
            f"the history of this workflow is too full for what the code keeps over its calls: it has "
            f"{before:,} bytes, the code adds {added:,}, and {FULLEST_HISTORY:,} are the most. Keep less in "
            "variables while the code waits, or call the tools directly, without code"
        )


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
        functions: Functions that the code can call, by name.
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
        """Wait for the pending calls, and return the answers of those that have ended: at least one.

        When one call has ended, the others get `_PATIENCE` to end too, because each round of answers costs a
        step.
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
        """Wait for the calls that the code did not await. In a plain agent, the tool leaves them running."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def close(self) -> None:
        """Cancel the calls that nobody waits for now."""
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
    if (hopeless := cannot_work(error)) is not None:  # the harness turns each error into a RuntimeError
        raise hopeless
    return ["error", _known_type(error), str(error)]


def _known_type(error: BaseException) -> str:
    """Return the name of the error's nearest base class that the interpreter knows: a builtin one."""
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
