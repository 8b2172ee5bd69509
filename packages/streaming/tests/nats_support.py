"""Shared by the tests of NATS: workflows, a worker with a server, and looks at events."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from strands import Agent
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, assert_replays
from strands_temporal_streaming import AgentEvent, AgentStream, End, StreamHooks, StreamingPlugin
from strands_temporal_streaming._control import to_control
from strands_temporal_streaming._life_types import NodeEnded
from strands_temporal_streaming._pieces import Position
from strands_temporal_streaming.nats import NATSTransport


def _agent(stream: WorkflowStream, model: str = "live", name: str = "helper") -> Agent:
    return TemporalAgent(
        model,
        name=name,
        streaming_topic="events",
        heartbeat_timeout=timedelta(seconds=2),
        hooks=[StreamHooks(stream)],
        callback_handler=None,
    )


if TYPE_CHECKING:  # a worker of its own process cannot import it
    from packages.streaming.tests.nats_server import NATSServer


@workflow.defn
class NATSWorkflow:
    """Some turns of one agent."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, turns: int = 1) -> str:
        agent = self.agent = _agent(self.stream)  # kept after the run, for snapshots
        text = ""
        for number in range(turns):
            text = str(await agent.invoke_async(f"turn {number}")).strip()
        return text


@workflow.defn
class PairWorkflow:
    """A turn of `left`, and while that of `right` runs. Models of these names."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, turns: int = 1) -> str:
        left, right = (_agent(self.stream, name, name) for name in ("left", "right"))
        long = asyncio.ensure_future(right.invoke_async("long"))
        for number in range(turns):
            await left.invoke_async(f"turn {number}")
        return str(await long).strip()


@workflow.defn
class EndingWorkflow:
    """Ends as it is told. A handler writes after its function has returned, in the same task."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.has_ended = False

    @workflow.run
    async def run(self, way: str) -> str:
        topic = self.stream.topic("events.control")
        topic.publish(to_control(NodeEnded(agent="first")))
        late = asyncio.ensure_future(self._writes_late())
        if way == "waits":
            await workflow.wait_condition(lambda: self.has_ended)
        await workflow.sleep(0.001)
        topic.publish(to_control(NodeEnded(agent=f"last of {workflow.info().attempt}")))
        self.has_ended = True
        if way == "fails" or (way == "is tried again" and workflow.info().attempt == 1):
            raise ApplicationError("by order")
        if way == "continues":
            workflow.continue_as_new("ends")
        del late
        return way

    async def _writes_late(self) -> None:
        await workflow.wait_condition(lambda: self.has_ended)
        for number in range(2):
            self.stream.topic("events.control").publish(to_control(NodeEnded(agent=f"late {number}")))
            await asyncio.sleep(0)


WORKFLOWS: list[type] = [NATSWorkflow, PairWorkflow, EndingWorkflow]


@asynccontextmanager
async def running(
    client: Client,
    nats: "NATSServer",
    model: ScriptedModel | Mapping[str, ScriptedModel],
    options: Mapping[str, Any],
    turns: int = 1,
    transport: NATSTransport | None = None,
    workflow_id: str | None = None,
    run: Any = NATSWorkflow.run,
) -> AsyncGenerator[tuple["WorkflowHandle[Any, str]", NATSTransport]]:
    """Run a worker and a workflow; yield it with a transport for readers. Replay it at the end."""
    sends, reads = transport or NATSTransport(nats.url), transport or NATSTransport([nats.url])
    models = {"live": model} if isinstance(model, ScriptedModel) else model
    factories = {name: (lambda one=one: one) for name, one in models.items()}
    plugins = [StrandsPlugin(models=factories), StreamingPlugin(transport=sends)]
    connected = Client(client.service_client, plugins=plugins, data_converter=client.data_converter)
    queue = f"nats-{uuid.uuid4()}"
    try:
        async with Worker(connected, task_queue=queue, workflows=WORKFLOWS, **options):
            id_ = workflow_id or queue
            yield await client.start_workflow(run, turns, id=id_, task_queue=queue), reads
    finally:
        await sends.close()
        await reads.close()
    replaying = [StrandsPlugin(), SimplePlugin("codec", data_converter=client.data_converter)]
    await assert_replays(client.get_workflow_handle(workflow_id or queue), WORKFLOWS, plugins=replaying)


def bare(events: list[Any]) -> list[Any]:
    """Return the events without what depends on where their reader began: places and offsets of pieces."""
    return [replace(event, agent="", path=(), turn=0, offset=event.seq) for event in events]


def log_offset(event: AgentEvent) -> int:
    """Return the offset in the workflow's log behind an event."""
    return Position.of(event.offset + 1).log


async def hops(
    client: Client, workflow_id: str, transport: NATSTransport, offset: int = 0
) -> list[AgentEvent]:
    """Read each event with a reader of its own, which goes on where the one before stopped."""
    events: list[AgentEvent] = []
    while True:
        async for event in AgentStream(client, workflow_id, transport=transport, from_offset=offset):
            events.append(event)
            if isinstance(event, End):
                return events
            offset = event.offset + 1
            break
