"""The interceptor around activities that answer tool calls: context, heartbeats, progress and result.

The workflow marks the activity of a tool call with a header. For such a call the interceptor provides
`tool_context()`, sends heartbeats, and returns the answer that `tool_results.py` makes from the activity's
result. A hook's activity has a different header. For a hook's activity the interceptor only sends heartbeats.
Any other activity gets none of this.
"""

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, cast

from temporalio import activity, worker
from temporalio.api.common.v1 import Payload
from typing_extensions import override

from .._errors import MissingExtraError
from .._wire.extras import load_extra
from .._wire.reading import header_value, reading
from .._wire.tool_arguments import given_arguments
from .._wire.tool_call import HOOK_HEADER, PROGRESS_HEADER, TOOL_HEADER, TOOL_HEARTBEAT_TIMEOUT
from .._wire.tool_context import ToolContext
from .._wire.tool_failures import tool_failure
from .._wire.values import encode
from .cut_short import whole_or_again
from .heartbeat import running
from .held_context import KeptContexts
from .tool_context import begin_call, changed_state, current_call, remember_context, remember_state
from .tool_results import outcome_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ToolProgress:
    """One value that an activity reported by `tool_context.report_progress`.

    Attributes:
        tool_use_id: Id of the tool call.
        name: The tool.
        value: The reported value.
        attempt: Temporal's number of the attempt, from 1. A retried activity reports again from its start.
            Do not sort by `attempt`: after an operator has reset the activity, attempts count from 1 again.
        number: How many values this attempt reported before.
    """

    tool_use_id: str
    name: str
    value: Any
    attempt: int
    number: int


class ProgressSink(Protocol):
    """Receives the progress of a tool's activity."""

    def __call__(self, progress: ToolProgress) -> None:
        """Take one value. Called in order, on the worker's event loop, so it must not block."""
        ...


_sinks: ContextVar[tuple[ProgressSink, ...]] = ContextVar("strands_temporal_progress", default=())


@contextlib.contextmanager
def forward_progress(sink: ProgressSink) -> Generator[None]:
    """Pass the progress that tools report in the block to `sink`. The counterpart of `report_progress`.

    An activity interceptor uses this function around `execute_activity`. That interceptor may come before or
    after this package's own. If `sink` raises, the error is logged and does not reach the tool.
    """
    call = current_call()
    if isinstance(call, WorkerToolCall):
        call.sinks.append(sink)
        yield
        return
    token = _sinks.set((*_sinks.get(), sink))
    try:
        yield
    finally:
        _sinks.reset(token)


def progress_sinks() -> Sequence[ProgressSink]:
    """Return the sinks around an activity that answers no tool call itself."""
    return _sinks.get()


def forward_to(sinks: Sequence[ProgressSink], progress: ToolProgress) -> None:
    """Pass a value to sinks. An error of a sink is logged, and does not reach the caller."""
    for sink in sinks:
        _forward(progress, sink)


class ToolCallsInterceptor(worker.ActivityInboundInterceptor):
    """Serves the activities that a workflow started for tool calls and hooks. Ignores all others."""

    _heartbeats: "HeartbeatsInterceptor"

    def __init__(self, next: worker.ActivityInboundInterceptor, contexts: KeptContexts) -> None:
        super().__init__(next)
        self._contexts = contexts

    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        """See base class."""
        self._heartbeats = HeartbeatsInterceptor(outbound)
        super().init(self._heartbeats)

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        """See base class."""
        header = input.headers.get(TOOL_HEADER)
        if header is None:
            remember_context(input.args)
            if HOOK_HEADER not in input.headers:
                return await self.next.execute_activity(input)
            with self._heartbeats.beating(), whole_or_again():
                return await self.next.execute_activity(input)
        what = "The header of a tool call"
        with reading(what):
            key, tool_use_id, *rest = cast("list[Any]", header_value(header, what))
        name = next((part for part in rest if isinstance(part, str)), activity.info().activity_type)
        held = next((cast("list[Any]", part) for part in rest if isinstance(part, list)), None)
        tool_use = {"toolUseId": tool_use_id, "name": name}
        # An activity in another process cannot use the objects of this worker.
        here = input.executor is None or isinstance(input.executor, ThreadPoolExecutor)
        input.args = given_arguments(input.fn, input.args, tool_use)
        context = begin_call(input.args, WorkerToolCall(key, self._heartbeats if here else None), tool_use)
        with self._heartbeats.beating(), whole_or_again():
            async with _streamed(input.headers.get(PROGRESS_HEADER)):
                try:
                    await self._contexts.complete(context, held)
                    remember_state(context)
                    value = await self.next.execute_activity(input)
                    return await outcome_of(value, _with_attempt(changed_state(context)))
                except Exception as error:
                    failure = tool_failure(error)
                    if failure is None:
                        raise
                    raise failure.with_traceback(error.__traceback__) from error.__cause__


@contextlib.asynccontextmanager
async def _streamed(header: Payload | None) -> AsyncGenerator[None]:
    """Publish the progress of the block to the workflow's stream, if the workflow asked for it."""
    if header is None:
        yield
        return
    try:
        plugin = load_extra("streaming", "the progress of a tool")
    except MissingExtraError as error:  # the tool works without it
        logger.warning("%s", error)
        yield
        return
    async with plugin.tool_progress(header_value(header, "The header of a tool's progress")) as sink:
        with forward_progress(sink):
            yield


def _with_attempt(state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return an outcome's changes with the number of this attempt, if it is not the first."""
    attempt = activity.info().attempt
    return state if attempt == 1 else {**(state or {}), "attempt": attempt}


class WorkerToolCall:
    """A tool call that an activity of this worker answers (see `ToolCall`).

    Args:
        key: The idempotency key.
        heartbeats: The activity's heartbeats; None for an activity in a process pool.
    """

    def __init__(self, key: str, heartbeats: "HeartbeatsInterceptor | None") -> None:
        self.key = key
        self.attempt = activity.info().attempt
        self.same_process = heartbeats is not None
        self.sinks = list(_sinks.get()) if heartbeats else []
        self._heartbeats = heartbeats
        self._signal = _CancelSignal() if heartbeats else None
        self._reported = 0

    @property
    def cancel_signal(self) -> threading.Event:
        """Set when the activity is cancelled."""
        if self._signal is None:  # in another process, which needs its own signal
            self._signal = _CancelSignal()
        return self._signal

    def report(self, context: ToolContext, value: Any) -> None:
        """Send a progress value as a heartbeat, and pass it to the sinks."""
        progress = ToolProgress(
            context.tool_use["toolUseId"], context.tool_use["name"], value, self.attempt, self._reported
        )
        self._reported += 1
        if self._heartbeats is None:
            activity.heartbeat(encode(value))
        else:
            self._heartbeats.report(progress, self.sinks)


class HeartbeatsInterceptor(worker.ActivityOutboundInterceptor):
    """Sends the heartbeats of a tool's or a hook's activity.

    Between the activity's own heartbeats it sends further heartbeats, with the activity's last details.
    """

    def __init__(self, next: worker.ActivityOutboundInterceptor) -> None:
        super().__init__(next)
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._details: Sequence[Any] = activity.info().heartbeat_details  # of the previous attempt
        self._by_itself = False

    @override
    def heartbeat(self, *details: Any) -> None:
        """See base class."""
        self._by_itself = True
        self._send(*details)

    def report(self, progress: ToolProgress, sinks: Sequence[ProgressSink]) -> None:
        """Send progress as a heartbeat, and pass it to `sinks`. May be called from any thread."""
        if threading.get_ident() == self._thread:
            self._deliver(progress, sinks)
        else:
            self._loop.call_soon_threadsafe(self._deliver, progress, sinks)

    def beating(self) -> contextlib.AbstractContextManager[None]:
        """Send a heartbeat every third of the timeout while the block runs.

        Stops if the user chose the heartbeat timeout and the activity calls `activity.heartbeat()` itself.
        In that case a missing heartbeat means that the activity hangs.
        """
        return running(self._beat)

    async def _beat(self, seconds: float) -> None:
        users_own = activity.info().heartbeat_timeout not in (None, TOOL_HEARTBEAT_TIMEOUT)
        while True:
            await asyncio.sleep(seconds)  # not at once, because most tools end earlier
            if users_own and self._by_itself:
                return
            self.next.heartbeat(*self._details)

    def _send(self, *details: Any) -> None:
        self._details = details
        self.next.heartbeat(*details)

    def _deliver(self, progress: ToolProgress, sinks: Sequence[ProgressSink]) -> None:
        self._send(encode(progress.value))
        forward_to(sinks, progress)


def _forward(progress: ToolProgress, sink: ProgressSink) -> None:
    try:
        sink(progress)
    except Exception:  # a sink that fails must not make the tool fail
        logger.exception("tool=<%s> | progress was not forwarded", progress.name)


class _CancelSignal(threading.Event):
    """Set when the activity is cancelled.

    Temporal's own event is readable only in the activity's context, so this class reads that event in a copy
    of the context.
    """

    def __init__(self) -> None:
        super().__init__()
        self._activity = contextvars.copy_context()

    @override
    def is_set(self) -> bool:
        return super().is_set() or self._activity.copy().run(activity.is_cancelled)

    @override
    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self._activity.copy().run(activity.wait_for_cancelled_sync, timeout)
        return self.is_set()
