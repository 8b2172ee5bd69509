"""Publishes one attempt of a model call to the workflow's stream.

No error here fails the activity, because the answer is already paid for. Transient errors are retried while
the model goes on. Events that cannot be sent are logged and counted; the agent still gets them.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import timedelta, timezone
from types import TracebackType

from strands.types.streaming import StreamEvent
from temporalio import activity
from temporalio.api.common.v1 import Payload
from typing_extensions import Self

from strands_temporal.extension import is_cut_short

from ._control import CALL_METADATA, STARTED_METADATA, control_topic, to_control
from ._life_types import ControlEvent
from ._outgoing import MAX_EVENT_BYTES, Outgoing, TooLargeError
from ._plain import plain_event
from ._readers import Readers
from ._tails import LONGEST_TAIL, Tail
from ._transport import FINISH_PATIENCE, RefusedError, StreamTransport, default_transport
from ._types import AttemptFailed, AttemptRestarted, CallStarted, OutputLost

__all__ = ["MAX_EVENT_BYTES", "AttemptPublisher"]

CANCEL_PATIENCE = timedelta(seconds=2)
"""How long a cancelled call waits until the server has accepted its output so far."""

_RETRY_DELAY = 0.5  # seconds; the SDK has already retried with its own backoff

_PAUSE_PER_SEND = 3
"""A pause is at least this many times as long as the sending before it took, for a server that is slow."""


class AttemptPublisher:
    """Sends the events of this activity's attempt, in order: the first content at once, then in batches.

    An async context manager for an activity. It sends the rest at its exit.

    Args:
        topic: Topic of the workflow's stream.
        model: Name of the model, for the control topic.
        interval: `streaming_batch_interval` of the agent.
        call: Identity of the call, if the workflow gave one.
        transport: What carries the events; None for the workflow's own log.
        latency: `latency` of the plugin.
    """

    _has_tails = True

    def __init__(
        self,
        topic: str,
        model: str | None,
        interval: timedelta,
        call: str = "",
        transport: StreamTransport | None = None,
        latency: timedelta | None = None,
    ) -> None:
        self._info = activity.info()
        self._began = time.monotonic()
        self._topic = topic
        self._model = model
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
        self._outgoing = Outgoing(activity.payload_converter(), topic, self._metadata)
        self._in_flight = 0  # events of the batch that is being sent
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self._grown = asyncio.Event()
        self._said_something = False
        self._closing = False
        self._gave_up = False
        self._lost = 0
        self._outlet = (transport or default_transport()).outlet(
            activity.client(), self._info, interval, latency
        )
        self._readers = Readers(self._info.workflow_run_id or "")
        self._sender: asyncio.Task[None] | None = None
        self._teller: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sender = asyncio.create_task(self._send_until_closed())
        if self._has_tails and self._outlet.every is not None:
            self._teller = asyncio.create_task(self._tell_tails())
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
            if self._outlet.is_cheap:
                self._filled.set()
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
        if self._teller is not None:
            self._teller.cancel()
        cancelled = error is not None and not isinstance(error, Exception)
        patience = CANCEL_PATIENCE.total_seconds() if cancelled else self._patience()
        await self._wait_for_sender(min(patience, self._outlet.patience))
        self._lost += len(self._outgoing) + self._in_flight
        await self._report()

    def _announce_failure(self, error: str) -> None:
        """Publish that the attempt failed. `error` is the name of the exception's class."""
        self._put_control(AttemptFailed(self._call, self._info.attempt, error, started_at=self._started_at))

    def publish(self, event: StreamEvent) -> None:
        """Queue an event. It is sent in the background."""
        if self._gave_up:
            self._lost += 1
            return
        try:
            self._outgoing.add(plain_event(event))
        except TooLargeError:
            self._lost += 1
            self._put_control(OutputLost(self._call, self._info.attempt, 1, started_at=self._started_at))
            return
        except Exception as error:  # noqa: BLE001 - no event may fail the call here; core judges it
            activity.logger.warning("call=<%s> | event cannot be streamed: %s", self._call, error)
            self._lost += 1
            return
        if "contentBlockDelta" in event and not self._said_something:
            self._said_something = True
            self._urgent.set()
        if self._said_something:  # events before the first content are not urgent
            self._filled.set()
            self._grown.set()

    def _put_control(self, event: ControlEvent) -> None:
        self._outgoing.add_payload(control_topic(self._topic), self._control(event))

    def _control(self, event: ControlEvent) -> Payload:
        payload = activity.payload_converter().to_payloads([to_control(event)])[0]
        payload.metadata.update(self._metadata)
        return payload

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
            self._readers.expect()
            sent_at = time.monotonic()
            await self._send()
            taken = time.monotonic() - sent_at
            pause = max(self._outlet.interval - taken, _PAUSE_PER_SEND * taken)
            if not self._closing:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), pause)
            if not (self._urgent.is_set() or self._closing):
                rest = self._outlet.unread_interval - (time.monotonic() - sent_at)
                await self._readers.wait(rest, self._urgent)
        await self._send()

    async def _send(self) -> None:
        """Send what waits now. What comes meanwhile waits for the next batch."""
        waiting = len(self._outgoing)
        while waiting > 0 and not self._gave_up:
            batch = self._outgoing.take()
            waiting -= batch.events + batch.lost
            self._in_flight, self._lost = batch.events, self._lost + batch.lost
            await self._confirm(batch.items)

    async def _confirm(self, items: Sequence[tuple[str, Payload]]) -> None:
        """Wait until the items are accepted, or until a retry cannot help."""
        while self._in_flight:
            try:
                await self._outlet.send(items)
            except RefusedError as error:
                self._gave_up = True
                activity.logger.warning(
                    "call=<%s> | the stream takes nothing more: %s", self._call, error.__cause__
                )
                return
            except Exception:  # noqa: BLE001 - see the head of this module
                await asyncio.sleep(_RETRY_DELAY)
                continue
            self._in_flight = 0

    async def _tell_tails(self) -> None:
        """Show the newest characters between two batches."""
        while (every := self._outlet.every) is not None and not self._gave_up:
            await self._grown.wait()
            self._grown.clear()
            told_at = time.monotonic()
            waiting = self._outgoing.tail()
            if waiting is not None and self._readers.have_read() and len(waiting[1].text) <= LONGEST_TAIL:
                at, piece = waiting
                milliseconds = int(1000 * every)
                tail = Tail(
                    self._topic,
                    self._call,
                    self._info.attempt,
                    self._started_at,
                    at,
                    piece.event(),
                    milliseconds,
                )
                with contextlib.suppress(Exception):  # the next batch has the same characters
                    await self._outlet.tell(tail)
            taken = time.monotonic() - told_at
            await asyncio.sleep(max(every - taken, _PAUSE_PER_SEND * taken))

    def _patience(self) -> float:
        """Return the seconds to wait at the end, so few that the call does not time out and run again."""
        timeout = self._info.start_to_close_timeout
        if timeout is None:
            return FINISH_PATIENCE.total_seconds()
        # `started_time` is the server's clock, and this machine's may be wrong: it tells no duration.
        left = timeout.total_seconds() - (time.monotonic() - self._began)
        return max(0.0, min(FINISH_PATIENCE.total_seconds(), left / 2))

    async def _report(self) -> None:
        if not self._lost:
            return
        lost = OutputLost(self._call, self._info.attempt, self._lost, started_at=self._started_at)
        with contextlib.suppress(Exception):  # logged below
            await self._outlet.lost((control_topic(self._topic), self._control(lost)))
        activity.logger.warning(
            "call=<%s>, attempt=<%d>, events=<%d> | not streamed; the answer itself is complete",
            self._call,
            self._info.attempt,
            self._lost,
        )
        activity.metric_meter().create_counter(
            "strands_temporal_streaming_lost_events", "Events of models that did not reach a stream", "events"
        ).add(self._lost)
