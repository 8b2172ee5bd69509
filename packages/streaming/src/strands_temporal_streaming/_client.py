"""The reader's side: an agent's output as typed events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, cast

from temporalio.api.enums.v1 import ContinueAsNewInitiator
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import RawValue
from temporalio.contrib.workflow_streams import WorkflowStreamClient, WorkflowStreamItem
from temporalio.service import RPCError, RPCStatusCode

from ._types import (
    CALL_METADATA,
    DEFAULT_TOPIC,
    AgentEvent,
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    End,
    MessageEnd,
    OutputLost,
    ReasoningDelta,
    TextDelta,
    TextRedacted,
    control_topic,
    from_control,
)

_RETRY_DELAY = 1.0  # seconds

# What passes: a server that restarts, a workflow without a worker, more readers than Temporal serves at once.
_PASSING = frozenset(
    {
        RPCStatusCode.ABORTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.UNKNOWN,
    }
)

# Why a run began that takes nothing along from the one before.
_BEGIN_ANEW = frozenset(
    {
        ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY,
        ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE,
    }
)


class AgentStream:
    """The output of the agents of a running workflow, as typed events, in order.

        async for event in AgentStream(client, workflow_id):
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                case AttemptRestarted() | AttemptFailed():
                    print(" (once more)")  # what this call said does not count

    Works in any process with a client. It goes on while workers restart, when the workflow is reset or tried
    again as a whole, and when it continues as new with its stream's state; it ends with the workflow, after
    `End`. Iterating again goes on from `offset`.

    Args:
        client: A client; its payload converter must read what the workers' wrote.
        workflow_id: Id of the workflow.
        topic: The agent's `streaming_topic`.
        from_offset: Where to begin; 0 is the beginning. To go on later, store `offset`.
        poll_cooldown: Least time between two polls. Each poll is an update in the workflow's history.
        patience: How long the server may be away at a time, and for the rest of a workflow that has ended the
            workers, before the error is raised. While a workflow runs, its workers are waited for without
            limit.

    Raises:
        RPCError: If the workflow is not known, or trouble outlasted `patience`.
        ValueError: If the workflow has no `WorkflowStream`.
    """

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        *,
        topic: str = DEFAULT_TOPIC,
        from_offset: int = 0,
        poll_cooldown: timedelta = timedelta(milliseconds=50),
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        self._client = client
        self._workflow_id = workflow_id
        self._topic = topic
        self._offset = from_offset
        self._poll_cooldown = poll_cooldown
        self._patience = patience.total_seconds()
        self._converter = client.data_converter.payload_converter
        self._attempts: dict[str, int] = {}
        self._status = ""

    @property
    def offset(self) -> int:
        """Where the next event will be looked for: `from_offset` of a stream that goes on from here."""
        return self._offset

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """Yield the events until the workflow ends."""
        async for item in self._items():
            events = list(self._events(item))
            for event in events[:-1]:  # who stops here has the rest of this item before them
                yield event
            self._offset = item.offset + 1
            for event in events[-1:]:
                yield event
        yield End(self._status, self._offset)

    async def _items(self) -> AsyncIterator[WorkflowStreamItem[RawValue]]:
        """Yield the stream's items, over passing trouble, until the workflow has ended."""
        trouble = _Trouble(self._patience)
        left: str | None = None  # the run that ended while another one goes on
        while True:
            trouble.begins()
            stream = WorkflowStreamClient.create(self._client, self._workflow_id)
            first: WorkflowExecutionDescription | None = None
            try:
                first = await self._describe()
                if first.status == WorkflowExecutionStatus.RUNNING:
                    trouble.passed()  # the server answers; of one that has ended the workers must too
                if left not in (None, first.run_id):
                    self._offset, left = await self._offset_in(first.run_id, stream), None
                async for item in self._subscribe(stream):
                    trouble.passed()
                    yield item
                last = await self._describe()
                over = not await self._took_over(first, last)
            except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                if first and isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
                    left = first.run_id  # what was there a moment ago: a poll met the end of a run
                elif not trouble.passes(error):
                    raise
                await asyncio.sleep(_RETRY_DELAY)
            except WorkflowUpdateFailedError as error:
                raise ValueError(
                    f"Workflow {self._workflow_id!r} has no stream to read ({error.cause}). Write "
                    "`self.stream = WorkflowStream()` in the workflow's __init__"
                ) from error
            else:
                if over:
                    self._status = last.status.name if _chain(last) == _chain(first) and last.status else ""
                    return
                left = first.run_id

    def _subscribe(self, stream: WorkflowStreamClient) -> AsyncIterator[WorkflowStreamItem[RawValue]]:
        return stream.subscribe(
            [self._topic, control_topic(self._topic)],
            self._offset,
            result_type=RawValue,
            poll_cooldown=self._poll_cooldown,
        )

    async def _took_over(
        self, first: WorkflowExecutionDescription, last: WorkflowExecutionDescription
    ) -> bool:
        """Return whether, after the run that was read to its end, there is another one of the workflow."""
        if last.run_id == first.run_id or _chain(last) != _chain(first):
            return False
        if last.status == WorkflowExecutionStatus.RUNNING:
            return True
        started = await self._started(last.run_id)
        return started.initiator in _BEGIN_ANEW or started.original_execution_run_id != last.run_id

    async def _offset_in(self, run_id: str, stream: WorkflowStreamClient) -> int:
        """Return where to go on in a run that took over."""
        started = await self._started(run_id)
        if started.initiator in _BEGIN_ANEW and started.original_execution_run_id == run_id:
            return 0
        # A reset run has what was said before its beginning; what came later may be gone.
        return min(self._offset, await stream.get_offset())

    async def _started(self, run_id: str) -> WorkflowExecutionStartedEventAttributes:
        run = self._client.get_workflow_handle(self._workflow_id, run_id=run_id)
        event = await anext(run.fetch_history_events(page_size=1))
        return event.workflow_execution_started_event_attributes

    async def _describe(self) -> WorkflowExecutionDescription:
        return await self._client.get_workflow_handle(self._workflow_id).describe()

    def _events(self, item: WorkflowStreamItem[RawValue]) -> Iterator[AgentEvent]:
        payload = item.data.payload
        value: Any = self._converter.from_payload(payload)
        if item.topic == self._topic:
            call, _, attempt = payload.metadata.get(CALL_METADATA, b"").decode().rpartition("/")
            number = int(attempt or 0)
            if self._attempts.get(call, number) < number:  # its mark is lost
                yield AttemptRestarted(call, number, offset=item.offset)
            if self._is_current(call, number):
                event = _from_model(value, call, item.offset)
                if event is not None:
                    yield event
            return
        control = from_control(value, item.offset)
        if control is None:
            return
        if isinstance(control, AttemptRestarted):
            if self._attempts.get(control.call, 0) >= control.attempt:  # a late one
                return
            self._attempts[control.call] = control.attempt
        elif isinstance(control, CallStarted):
            if not self._is_current(control.call, 1):
                return
        elif isinstance(control, (AttemptFailed, OutputLost)) and not self._is_current(
            control.call, control.attempt
        ):
            return
        yield control

    def _is_current(self, call: str, attempt: int) -> bool:
        """Tell whether the attempt is the newest of its call: a given-up one may speak on."""
        self._attempts[call] = max(attempt, self._attempts.get(call, 0))
        return self._attempts[call] == attempt


def _from_model(event: Any, call: str, offset: int) -> AgentEvent | None:
    """Return what a reader sees of a model's event, if anything."""
    if text := _at(event, "contentBlockDelta", "delta", "text"):
        return TextDelta(text, call, offset)
    if text := _at(event, "contentBlockDelta", "delta", "reasoningContent", "text"):
        return ReasoningDelta(text, call, offset)
    if reason := _at(event, "messageStop", "stopReason"):
        return MessageEnd(reason, call, offset)
    if text := _at(event, "redactContent", "redactAssistantContentMessage"):
        return TextRedacted(text, call, offset)
    return None


def _at(value: Any, *path: str) -> str:
    """Return the text at `path` in nested dicts, empty where there is none."""
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _chain(description: WorkflowExecutionDescription) -> str:
    """Return what the runs of one workflow have in common, over resets and continuing as new."""
    return description.raw_description.workflow_execution_info.first_run_id


class _Trouble:
    """Tells what passes from what does not, and how long it has lasted."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._began = 0.0
        self._since: float | None = None

    def begins(self) -> None:
        """Note that something is tried."""
        self._began = time.monotonic()

    def passed(self) -> None:
        """Note that it works."""
        self._since = None

    def passes(self, error: Exception) -> bool:
        """Return whether it is to be tried again."""
        if isinstance(error, RPCError) and error.status not in _PASSING:
            return False
        now = time.monotonic()
        if self._since is None or now - self._began > self._patience:  # a long wait was no trouble
            self._since = now
        return now - self._since <= self._patience
