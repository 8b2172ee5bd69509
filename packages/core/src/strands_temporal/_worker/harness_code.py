"""The activity that runs the code of the harness's `programmatic_tool_caller`, in an interpreter of its own.

The interpreter is Monty, a process without any access to files or a network. A step begins with the code or
with the state in which the previous step ended. It keeps nothing on the worker, so any worker can take the
next step. A retry is safe: code affects the outside only through its tools, and those run in the workflow.
"""

import asyncio
import zlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, cast
from weakref import WeakKeyDictionary

from temporalio import activity
from temporalio.exceptions import ApplicationError

from .._wire.handles import HANDLE_VERSION, HandleCall
from .._wire.harness_code import CODE_ACTIVITY, LARGEST_SNAPSHOT, LARGEST_STATE, CodeStep
from .._wire.sizes import LARGEST_PAYLOAD
from .._wire.values import decode, encode, encode_any, json_size
from .._wire.versions import check_wire_version
from .heartbeat import heartbeating
from .results import fits_unencoded, result_size
from .transcript_queries import TranscriptQueries

MOST_INTERPRETERS = 8
"""How many pieces of code run at once on a worker. Each interpreter is a process that may use 256 MiB."""

_CUT = 20_000  # characters of an output or an error that are left of one that is too large for Temporal


class HarnessCode:
    """The activity that runs a model's code, for one plugin.

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
            given = cast("dict[str, Any]", decode(told))
            async with _interpreters():
                step = await _step(given)
            return await _fitting(step)


_slots: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()


def _interpreters() -> asyncio.Semaphore:
    """Return the semaphore that bounds the interpreters of this event loop. All workers share the loop."""
    return _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST_INTERPRETERS))


async def _fitting(step: CodeStep) -> CodeStep:
    """Return a step that Temporal takes: itself, else with less output, else an error without calls."""
    size = await result_size(step)
    if size <= LARGEST_PAYLOAD:
        return step
    shorter = replace(step, printed=_cut(step.printed), text=_cut(step.text))
    if await result_size(shorter) <= LARGEST_PAYLOAD:
        return shorter
    return replace(shorter, kind="error", text=encode(_too_large(step.calls)), **_WITHOUT_CALLS)


_WITHOUT_CALLS: dict[str, Any] = {"calls": [], "pending": [], "snapshot": None}


def _cut(encoded: Any) -> Any:
    text: str = decode(encoded)
    if len(text) <= _CUT:
        return encoded
    return encode(f"{text[:_CUT]}\n[truncated at {_CUT} characters: too large for Temporal]")


def _too_large(calls: Sequence[Any]) -> str:
    what = "the code's output and state have"
    if calls:
        sizes = [json_size(call) for call in calls]
        largest = max(range(len(calls)), key=sizes.__getitem__)
        what = (
            f"the arguments of the {len(calls)} calls that the code made at once have {sum(sizes):,} bytes, "
            f"{sizes[largest]:,} of them in a call of {calls[largest][1]}(). With the code's state they have"
        )
    return (
        f"{what} more than the {LARGEST_PAYLOAD:,} bytes that one step may have, and none of these calls "
        "ran. Pass less at once: write in parts, or have the sandbox make the data"
    )


class _TooLargeError(Exception):
    """The calls of a step have too much data for any codec."""


class _Step:
    """Collects the output and the tool calls of one step.

    Args:
        room: How many more characters of output to keep.
        suspensions: How often the code stopped to ask its host for something in earlier steps.
    """

    def __init__(self, room: int, suspensions: int) -> None:
        self._room = room
        self._longest = room
        self._printed: list[str] = []
        self.suspensions = suspensions
        self.calls: list[Any] = []
        self._size = 0

    def __call__(self, stream: str, text: str) -> None:
        """Add a part of the output."""
        kept = text[: max(self._room, 0)]
        self._room -= len(kept)
        if kept:
            self._printed.append(kept)

    async def add_call(self, at: Any) -> None:
        """Take a call of a tool.

        Raises:
            TypeError: If an argument is neither JSON nor bytes.
            _TooLargeError: If the calls of this step are too large, with this one.
        """
        call, size = await asyncio.to_thread(_encoded_call, at)
        self.calls.append(call)
        self._size += size
        if not fits_unencoded(self._size):
            raise _TooLargeError

    def too_large(self) -> CodeStep:
        """Return the error for calls that are too large."""
        calls, self.calls = self.calls, []
        return self.failed("error", _too_large(calls))

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
        """Return an error. Its text is cut at the limit of the output, because the tool shows no more."""
        return self.ended(kind, text=encode(text[: max(self._longest, _CUT)]))


def _encoded_call(at: Any) -> tuple[list[Any], int]:
    call = [at.call_id, at.function_name, encode_any(list(at.args)), encode_any(dict(at.kwargs))]
    return call, json_size(call)


async def _step(given: dict[str, Any]) -> CodeStep:
    monty = _monty()
    step = _Step(given["room"], given["suspensions"])
    # The interpreter counts suspensions from 0 in each process, so its limit is what is left of them. A
    # snapshot resumes in a suspension that the last step has counted, and the interpreter counts it again.
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
                state = await asyncio.to_thread(zlib.decompress, given["snapshot"])
                at = await session.load_snapshot(state, **captured)
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
            return await _paused(step, at)
    except _TooLargeError:
        return step.too_large()
    except monty.MontySyntaxError as error:
        return step.failed("syntax", error.display())
    except monty.MontyRuntimeError as error:
        text = error.display()
        return step.failed("runtime", text.replace(_TOO_MANY.format(left), _TOO_MANY.format(most)))
    except monty.MontyError as error:
        return step.failed("error", str(error))


_TOO_MANY = "RuntimeError: suspension limit {} exceeded"


async def _go_on(monty: Any, at: Any, lookup: dict[str, Any], step: _Step) -> Any:
    """Continue code that has stopped. Record a call of a tool for the workflow; answer anything else here."""
    if (
        isinstance(at, monty.AsyncFunctionSnapshot)
        and not at.is_os_function
        and at.object_id is None
        and at.function_name in lookup
    ):
        try:
            await step.add_call(at)
        except TypeError as error:
            return await at.resume({"exception": TypeError(str(error))})
        return await at.resume({"future": ...})
    return await at.resume_auto()


async def _paused(step: _Step, at: Any) -> CodeStep:
    size, packed = await asyncio.to_thread(_packed, at)
    if packed is not None and len(packed) <= LARGEST_SNAPSHOT:
        return step.ended("calls", pending=list(at.pending_call_ids), snapshot=encode(packed))
    if packed is None:
        much = f"{size:,} bytes, and {LARGEST_STATE:,} are the most"
    else:
        much = f"{len(packed):,} bytes, compressed, and {LARGEST_SNAPSHOT:,} fit"
    step.calls = []  # the code does not get to them
    return step.failed(
        "error",
        f"the code holds too much data while it waits for a tool: {much}. Keep less of the results, or use "
        "fewer calls in between",
    )


def _packed(at: Any) -> tuple[int, bytes | None]:
    """Return the size of the code's state, and the compressed state, or None if the state is too large."""
    state: bytes = at.dump()
    return len(state), None if len(state) > LARGEST_STATE else zlib.compress(state, 1)


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
        import pydantic_monty  # 35 MB, installed by the extra `harness`
    except ImportError as error:
        raise ApplicationError(
            "programmatic_tool_caller runs its code on this worker, which lacks the interpreter. Install it: "
            'pip install "strands-temporal[harness]"',
            type="MissingExtraError",
        ) from error
    return pydantic_monty
