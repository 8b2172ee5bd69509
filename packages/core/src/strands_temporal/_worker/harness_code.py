"""The activity that runs the code of the harness's `programmatic_tool_caller`, in an interpreter of its own.

The interpreter is Monty, a process without any access to files or a network. A step begins with the code or
with the state in which the previous step ended. It keeps nothing on the worker, so any worker can take the
next step, and another attempt does nothing twice: the code reaches the outside by its tools only, and those
run in the workflow.
"""

import zlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from temporalio import activity
from temporalio.exceptions import ApplicationError

from .._wire.handles import HANDLE_VERSION, HandleCall
from .._wire.harness_code import CODE_ACTIVITY, LARGEST_SNAPSHOT, CodeStep
from .._wire.values import decode, encode, encode_any
from .._wire.versions import check_wire_version
from .heartbeat import heartbeating
from .transcript_queries import TranscriptQueries


class HarnessCode:
    """The activity of one plugin.

    Args:
        queries: Asks a workflow for values that were too large to send.
    """

    def __init__(self, queries: TranscriptQueries) -> None:
        self._queries = queries

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activities."""
        return [self.run_code]

    @activity.defn(name=CODE_ACTIVITY)
    async def run_code(self, call: HandleCall) -> CodeStep:
        """Run the code until it waits for its tool calls, or ends."""
        check_wire_version("A step of a model's code", call.version, HANDLE_VERSION)
        with heartbeating():
            told = call.arguments if call.held is None else await self._queries.held(call.held)
            return await _step(cast("dict[str, Any]", decode(told)))


class _Step:
    """What the code does in one step.

    Args:
        room: How many more characters of its output matter.
        suspensions: How often the code has asked for something before.
    """

    def __init__(self, room: int, suspensions: int) -> None:
        self._room = room
        self._printed: list[str] = []
        self.suspensions = suspensions
        self.calls: list[Any] = []

    def __call__(self, stream: str, text: str) -> None:
        """Take a part of the output."""
        kept = text[: max(self._room, 0)]
        self._room -= len(kept)
        if kept:
            self._printed.append(kept)

    def ended(self, kind: str, **values: Any) -> CodeStep:
        return CodeStep(
            kind,
            printed=encode("".join(self._printed)),
            calls=self.calls,
            suspensions=self.suspensions,
            attempt=activity.info().attempt,
            **values,
        )

    def failed(self, kind: str, text: str) -> CodeStep:
        return self.ended(kind, text=encode(text))


async def _step(given: dict[str, Any]) -> CodeStep:
    monty = _monty()
    step = _Step(given["room"], given["suspensions"])
    # The interpreter counts from 0 in each process, so it gets what is left. The one in which the last step
    # ended counts again.
    most = given["limits"]["max_suspensions"]
    left = most - step.suspensions + ("snapshot" in given)
    limits = {**given["limits"], "max_suspensions": left}
    captured: Any = {
        "external_lookup": {name: _host_function(name) for name in given["names"]},
        "print_callback": step,
    }
    try:
        async with (
            monty.AsyncMonty() as pool,
            pool.checkout(script_name=given["script_name"], limits=limits) as session,
        ):
            if "snapshot" in given:
                at = await session.load_snapshot(zlib.decompress(given["snapshot"]), **captured)
                at = await at.resume(
                    {call_id: _answer(how, *rest) for call_id, how, *rest in given["answers"]}
                )
            else:
                at = await session.feed_start(given["code"], **captured)
            while not isinstance(at, (monty.MontyComplete, monty.AsyncFutureSnapshot)):
                step.suspensions += 1
                at = await _go_on(monty, at, captured["external_lookup"], step)
            if isinstance(at, monty.MontyComplete):
                return step.ended("done")
            step.suspensions += 1
            return _paused(step, at.dump(), list(at.pending_call_ids))
    except monty.MontySyntaxError as error:
        return step.failed("syntax", error.display())
    except monty.MontyRuntimeError as error:
        text = error.display()
        return step.failed("runtime", text.replace(_TOO_MANY.format(left), _TOO_MANY.format(most)))
    except monty.MontyError as error:
        return step.failed("error", str(error))


_TOO_MANY = "RuntimeError: suspension limit {} exceeded"


async def _go_on(monty: Any, at: Any, lookup: dict[str, Any], step: _Step) -> Any:
    """Answer one question of the code: a call of a tool goes to the workflow, all else is answered here."""
    if (
        isinstance(at, monty.AsyncFunctionSnapshot)
        and not at.is_os_function
        and at.object_id is None
        and at.function_name in lookup
    ):
        try:
            call = [at.call_id, at.function_name, encode_any(list(at.args)), encode_any(dict(at.kwargs))]
        except TypeError as error:
            return await at.resume({"exception": TypeError(str(error))})
        step.calls.append(call)
        return await at.resume({"future": ...})
    return await at.resume_auto()


def _paused(step: _Step, state: bytes, pending: list[int]) -> CodeStep:
    packed = zlib.compress(state, 1)
    if len(packed) > LARGEST_SNAPSHOT:
        return step.failed(
            "error",
            f"the code holds too much data while it waits for a tool: {len(packed):,} bytes, compressed, and "
            f"{LARGEST_SNAPSHOT:,} fit. Keep less of the results, or use fewer calls in between",
        )
    return step.ended("calls", pending=pending, snapshot=encode(packed))


def _answer(how: str, *rest: Any) -> Any:
    if how == "value":
        return {"return_value": rest[0]}
    return {"exc_type": rest[0], "message": rest[1]}


def _host_function(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def tool(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError(f"{name} was called on the worker")

    tool.__name__ = tool.__qualname__ = name
    return tool


def _monty() -> Any:
    try:
        import pydantic_monty  # an extra, of 35 MB
    except ImportError as error:
        raise ApplicationError(
            "programmatic_tool_caller runs its code on this worker, which lacks the interpreter. Install it: "
            'pip install "strands-temporal[harness]"',
            type="MissingExtraError",
        ) from error
    return pydantic_monty
