"""Publishes one attempt of a model call to the workflow's stream.

No error here fails the activity, because the answer is already paid for. Transient errors are retried while
the model goes on. Events that cannot be sent are logged and counted; the agent still gets them.
"""

import asyncio
import contextlib
import time
from collections import deque
from datetime import datetime, timedelta, timezone
from types import TracebackType

from strands.types.streaming import StreamEvent
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.contrib.workflow_streams import WorkflowStreamClient
from temporalio.service import RPCError, RPCStatusCode
from typing_extensions import Self

from strands_temporal.extension import is_cut_short, utf8_text

from ._control import CALL_METADATA, STARTED_METADATA, control_topic, to_control
from ._life_types import ControlEvent
from ._plain import plain_event
from ._types import AttemptFailed, AttemptRestarted, CallStarted, OutputLost, SandboxOutput

MAX_EVENT_BYTES = 1024 * 1024  # 1.4 MB in base64; Temporal refuses a payload above 2 MB
MAX_BATCH_BYTES = 320 * 1024  # in base64 less than the 512 KiB at which Temporal warns

FINISH_PATIENCE = timedelta(seconds=10)
"""How long a complete answer waits until the server has accepted the rest of its stream."""

CANCEL_PATIENCE = timedelta(seconds=2)
"""How long a cancelled call waits until the server has accepted its output so far."""

_RETRY_DELAY = 0.5  # seconds; the SDK has already retried with its own backoff

# A retry would get the same error: the workflow is closed, or the server's limit of signals is reached.
FATAL_STATUSES = frozenset(
    {
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


def connect_to_stream() -> WorkflowStreamClient:
    """Return a client of the stream of the workflow whose activity this is."""
    info, client = activity.info(), activity.client()
    # Pinned to the run: a late attempt must not publish to the next run of the same workflow id.
    handle = client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    return WorkflowStreamClient(handle, client=client)


class AttemptPublisher:
    """Sends the events of this activity's attempt, in order: the first content at once, then in batches.

    An async context manager for an activity. It sends the rest at its exit.

    Args:
        topic: Topic of the workflow's stream.
        model: Name of the model, for the control topic.
        interval: Time between two batches.
        call: Identity of the call, if the workflow gave one.
    """

    def __init__(self, topic: str, model: str | None, interval: timedelta, call: str = "") -> None:
        self._info = activity.info()
        self._topic = topic
        self._model = model
        self._interval = interval.total_seconds()
        # Without an identity from the workflow: activity ids count from 1 in each run, and the random end of
        # the run id distinguishes the runs.
        self._call = call or f"{(self._info.workflow_run_id or '')[-8:]}-{self._info.activity_id}"
        # Identifies and orders attempts. Attempt numbers do not: a reset of the activity starts them at 1
        # again.
        self._started_at = self._info.started_time.astimezone(timezone.utc).isoformat(timespec="microseconds")
        self._metadata = {
            CALL_METADATA: f"{self._call}/{self._info.attempt}".encode(),
            STARTED_METADATA: self._started_at.encode(),
        }
        self._queue: deque[tuple[str, Payload]] = deque()
        self._in_flight = 0  # events of the batch that is being sent
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self._said_something = False
        self._closing = False
        self._gave_up = False
        self._lost = 0
        self._stream = connect_to_stream()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send_until_closed())
        self._announce()
        return self

    def _announce(self) -> None:
        """Publish that the attempt begins."""
        info = self._info
        # After a reset the activity is at attempt 1 again, but this attempt was scheduled later.
        if info.attempt == 1 and info.current_attempt_scheduled_time == info.scheduled_time:
            self._put_control(
                CallStarted(self._call, self._model, info.activity_id, started_at=self._started_at)
            )
        else:  # at once: readers still show the previous attempt's text
            self._put_control(
                AttemptRestarted(
                    self._call, info.attempt, self._model, info.activity_id, started_at=self._started_at
                )
            )
            self._filled.set()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) or (error is not None and is_cut_short()):
            self._announce_failure(type(error).__name__)
        self._closing = True
        self._filled.set()
        self._urgent.set()
        cancelled = error is not None and not isinstance(error, Exception)
        await self._wait_for_sender(CANCEL_PATIENCE.total_seconds() if cancelled else self._patience())
        self._lost += len(self._queue) + self._in_flight
        self._report()

    def _announce_failure(self, error: str) -> None:
        """Publish that the attempt failed. `error` is the name of the exception's class."""
        self._put_control(AttemptFailed(self._call, self._info.attempt, error, started_at=self._started_at))

    def publish(self, event: StreamEvent) -> None:
        """Queue an event. It is sent in the background."""
        if self._gave_up:
            self._lost += 1
            return
        try:
            payload = activity.payload_converter().to_payloads([plain_event(event)])[0]
        except Exception as error:  # noqa: BLE001 - no event may fail the call here; core judges it
            activity.logger.warning("call=<%s> | event cannot be streamed: %s", self._call, error)
            self._lost += 1
            return
        if payload.ByteSize() > MAX_EVENT_BYTES:
            self._lost += 1
            self._put_control(OutputLost(self._call, self._info.attempt, 1, started_at=self._started_at))
            return
        payload.metadata.update(self._metadata)
        self._queue.append((self._topic, payload))
        if "contentBlockDelta" in event and not self._said_something:
            self._said_something = True
            self._urgent.set()
        if self._said_something:  # events before the first content are not urgent
            self._filled.set()

    def _put_control(self, event: ControlEvent) -> None:
        payload = activity.payload_converter().to_payloads([to_control(event)])[0]
        self._queue.append((control_topic(self._topic), payload))

    async def _wait_for_sender(self, seconds: float) -> None:
        if self._sender is None:
            return
        try:
            await asyncio.wait([self._sender], timeout=seconds)
        finally:  # also if the events were not accepted in time, or this call is cancelled again
            self._sender.cancel()

    async def _send_until_closed(self) -> None:
        # Ended by a flag. `wait_for` may swallow a cancellation before Python 3.12.
        while not self._closing:
            await self._filled.wait()
            self._filled.clear()
            self._urgent.clear()
            sent_at = time.monotonic()
            await self._send()
            pause = self._interval - (time.monotonic() - sent_at)
            if pause > 0 and not self._closing:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), pause)
        await self._send()

    async def _send(self) -> None:
        while self._queue and not self._gave_up:
            for topic, payload in self._next_batch():
                self._stream.topic(topic).publish(payload)
            await self._confirm()

    def _next_batch(self) -> list[tuple[str, Payload]]:
        batch: list[tuple[str, Payload]] = []
        size = 0
        while self._queue and (not batch or size + self._queue[0][1].ByteSize() <= MAX_BATCH_BYTES):
            batch.append(self._queue.popleft())
            size += batch[-1][1].ByteSize()
        self._in_flight = len(batch)
        return batch

    async def _confirm(self) -> None:
        """Wait until the server has accepted the published events, or until a retry cannot help."""
        while self._in_flight:
            try:
                # Sends a batch under the same number until it is accepted, so the workflow counts it once.
                await self._stream.flush()
            except Exception as error:  # noqa: BLE001 - see the head of this module
                if isinstance(error, RPCError) and error.status not in FATAL_STATUSES:
                    await asyncio.sleep(_RETRY_DELAY)
                    continue
                self._gave_up = True
                activity.logger.warning("call=<%s> | the stream takes nothing more: %s", self._call, error)
                return
            self._in_flight = 0

    def _patience(self) -> float:
        """Return the seconds to wait at the end, so few that the call does not time out and run again."""
        timeout = self._info.start_to_close_timeout
        if timeout is None:
            return FINISH_PATIENCE.total_seconds()
        left = self._info.started_time + timeout - datetime.now(timezone.utc)
        return max(0.0, min(FINISH_PATIENCE, left / 2).total_seconds())

    def _report(self) -> None:
        if not self._lost:
            return
        activity.logger.warning(
            "call=<%s>, attempt=<%d>, events=<%d> | not streamed; the answer itself is complete",
            self._call,
            self._info.attempt,
            self._lost,
        )
        activity.metric_meter().create_counter(
            "strands_temporal_streaming_lost_events", "Events of models that did not reach a stream", "events"
        ).add(self._lost)


class SandboxPublisher(AttemptPublisher):
    """Sends the output of a command in a sandbox to the control topic, as an attempt's events are sent.

    Args:
        topic: Topic of the workflow's stream.
        interval: Time between two batches.
        sandbox: Name of the sandbox.
        tool: Name of the tool that runs the command.
        tool_use_id: Id of the tool's call.
    """

    def __init__(self, topic: str, interval: timedelta, sandbox: str, tool: str, tool_use_id: str) -> None:
        super().__init__(topic, None, interval)
        self._sandbox, self._tool, self._tool_use_id = sandbox, tool, tool_use_id

    def output(self, stream: str, text: str) -> None:
        """Queue a piece of the output. It is sent in the background."""
        for start in range(0, len(text), _OUTPUT_CHARACTERS):
            piece = utf8_text(text[start : start + _OUTPUT_CHARACTERS])
            if self._gave_up:
                self._lost += 1
                continue
            self._put_control(
                SandboxOutput(
                    piece,
                    stream,
                    self._sandbox,
                    self._tool,
                    self._tool_use_id,
                    call=self._call,
                    attempt=self._info.attempt,
                    started_at=self._started_at,
                )
            )
        if not self._said_something:
            self._said_something = True
            self._urgent.set()
        self._filled.set()

    def _announce(self) -> None:
        """Do nothing: each `SandboxOutput` names its attempt."""

    def _announce_failure(self, error: str) -> None:
        """Do nothing: the agent gets the error as the result of a tool."""


_OUTPUT_CHARACTERS = 64 * 1024
"""Characters in one event. Events of this size fill a batch."""
