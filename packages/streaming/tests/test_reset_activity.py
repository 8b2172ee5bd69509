"""An operator resets a streaming call (`temporal activity reset`): its attempts count from 1 again."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play, read_all
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetActivityRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    TextDelta,
)

pytestmark = pytest.mark.server

IN_BACK_OFF = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


@workflow.defn
class RetriedWorkflow:
    """Waits an hour for its third attempt."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=1), backoff_coefficient=3_600_000)
        agent = TemporalAgent(
            "live",
            streaming_topic="events",
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=policy,
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


async def in_back_off(handle: "WorkflowHandle[Any, Any]", attempt: int) -> str:
    """Wait until the call is in back-off; return its activity's id."""
    for _ in range(600):
        for pending in (await handle.describe()).raw_description.pending_activities:
            if (pending.attempt, pending.state) == (attempt, IN_BACK_OFF):
                return pending.activity_id
        await asyncio.sleep(0.05)  # nothing announces it
    raise AssertionError(f"the call does not wait for attempt {attempt}")


async def reset(client: Client, handle: "WorkflowHandle[Any, Any]", activity_id: str) -> None:
    await client.workflow_service.reset_activity(
        ResetActivityRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=handle.id), id=activity_id
        ),
        retry=True,
    )


def kept(events: list[AgentEvent]) -> str:
    """Return the text, as kept by a reader that drops failed attempts."""
    text = ""
    for event in events:
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, (AttemptFailed, AttemptRestarted)):
            text = ""
    return text


async def test_the_answer_after_a_reset_in_back_off_is_told(agents: Agents) -> None:
    cut = ConnectionError("cut")
    model = LiveModel(play("first ", cut), play("second ", cut), play("The ", "end."))
    async with agents(workflows=[RetriedWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(RetriedWorkflow.run)
        reader = asyncio.create_task(read_all(AgentStream(env.client, handle.id)))
        await reset(env.client, handle, await in_back_off(handle, 3))
        assert await asyncio.wait_for(handle.result(), WAIT) == "The end."
        events = await reader
        marks = [event for event in events if isinstance(event, (CallStarted, AttemptRestarted))]
        # A reader that returns at this offset holds the text of an earlier attempt.
        late = await read_all(AgentStream(env.client, handle.id, from_offset=marks[-1].offset))
        await env.assert_replays(handle)
    assert late[0] == marks[-1]
    assert kept(events) == "The end."
    assert [(type(mark), getattr(mark, "attempt", 1)) for mark in marks] == [
        (CallStarted, 1),
        (AttemptRestarted, 2),
        (AttemptRestarted, 1),
    ]
    started = [mark.started_at for mark in marks]
    assert started == sorted(set(started))


async def test_the_attempt_that_a_reset_gave_up_is_not_heard(agents: Agents) -> None:
    """The attempt that runs learns of the reset at its next heartbeat. Then the call starts again."""
    cut, reset_done = ConnectionError("cut"), asyncio.Event()
    model = LiveModel(play("first ", lambda: bounded(reset_done), cut), play("The ", "end."))
    async with agents(workflows=[RetriedWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(RetriedWorkflow.run)
        stream, events = AgentStream(env.client, handle.id), list[AgentEvent]()

        async def read() -> None:
            async for event in stream:
                events.append(event)
                if isinstance(event, TextDelta) and event.text == "first ":
                    (pending,) = (await handle.describe()).raw_description.pending_activities
                    await reset(env.client, handle, pending.activity_id)
                    reset_done.set()

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == "The end."
        await env.assert_replays(handle)
    assert kept(events) == "The end."
