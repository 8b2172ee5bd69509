"""The reader's side: an agent's output as typed events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, cast

from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import RawValue
from temporalio.contrib.workflow_streams import WorkflowStreamClient, WorkflowStreamItem
from temporalio.service import RPCError, RPCStatusCode

from ._types import (
    CALL_METADATA,
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


class AgentStream:
    """The output of the agents of a running workflow, as typed events, in order.

        async for event in AgentStream(client, workflow_id):
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                case AttemptRestarted() | AttemptFailed():
                    print(" (once more)")  # what this call said does not count

    Works in any process with a client. It goes on while workers restart, and when the workflow continues as
    new with its stream's state; it ends with the workflow, after `End`. Iterating again goes on from
    `offset`.

    Args:
        client: A client; its payload converter must read what the workers' wrote.
        workflow_id: Id of the workflow.
        topic: The agent's `streaming_topic`.
        from_offset: Where to begin; 0 is the beginning. To go on later, store `offset`.
        poll_cooldown: Least time between two polls. Each poll is an update in the workflow's history.
        patience: How long the server or all workers may be away before the error is raised.

    Raises:
        RPCError: If the workflow is not known, or trouble outlasted `patience`.
        WorkflowUpdateFailedError: If the workflow has no `WorkflowStream`.
    """

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        *,
        topic: str = "events",
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

    @property
    def offset(self) -> int:
        """Where the next event will be looked for: `from_offset` of a stream that goes on from here."""
        return self._offset

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """Yield the events until the workflow ends."""
        async for item in self._items():
            self._offset = item.offset + 1
            for event in self._events(item):
                yield event
        description = await self._client.get_workflow_handle(self._workflow_id).describe()
        yield End(description.status.name if description.status else "", self._offset)

    async def _items(self) -> AsyncIterator[WorkflowStreamItem[RawValue]]:
        """Yield the stream's items, over passing trouble."""
        trouble_since: float | None = None
        while True:
            began = time.monotonic()
            stream = WorkflowStreamClient.create(self._client, self._workflow_id)
            try:
                async for item in stream.subscribe(
                    [self._topic, control_topic(self._topic)],
                    self._offset,
                    result_type=RawValue,
                    poll_cooldown=self._poll_cooldown,
                ):
                    trouble_since = None
                    yield item
            except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                now = time.monotonic()
                if isinstance(error, RPCError) and error.status not in _PASSING:
                    raise
                if trouble_since is None or now - began > self._patience:  # a long wait was no trouble
                    trouble_since = now
                if now - trouble_since > self._patience:
                    raise
                await asyncio.sleep(_RETRY_DELAY)
            else:
                return

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
