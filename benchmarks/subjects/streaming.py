"""strands-temporal's streaming. The build before it is measured with the same code."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal_streaming import AgentStream, StreamingPlugin, TextDelta

TIMEOUT = timedelta(seconds=120)


def plugins(model: Any) -> list[Any]:
    """Return nothing: `stream_plugins` has them."""
    return []


def stream_plugins(model: Any, nats: str | None, latency: float | None) -> list[Any]:
    """Return the plugins, with the options that the build has."""
    options: dict[str, Any] = {}
    if nats is not None:
        options["transport"] = _transport(nats)
    if latency is not None:
        options["latency"] = timedelta(milliseconds=latency)
    return [StrandsPlugin(models={"bench": lambda: model}), StreamingPlugin(**options)]


def stream_activities(model: Any) -> list[Any]:
    """Return nothing: the plugin has them."""
    return []


async def read(client: Client, workflow_id: str, reader: str, nats: str | None) -> AsyncIterator[str]:
    """Yield the texts of a workflow."""
    if reader == "guide":
        log = WorkflowStreamClient.create(client, workflow_id)
        async for item in log.subscribe(["events"], 0, result_type=StreamEvent):
            yield item.data.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        return
    options: dict[str, Any] = {} if nats is None else {"transport": _transport(nats)}
    async for event in AgentStream(client, workflow_id, **options):
        if isinstance(event, TextDelta):
            yield event.text


_transports: dict[str, Any] = {}


def _transport(nats: str) -> Any:
    from strands_temporal_streaming.nats import NATSTransport

    if nats not in _transports:
        _transports[nats] = NATSTransport(nats)
    return _transports[nats]


@workflow.defn
class Conversation:
    """Not used: the measures of streaming have a workflow of their own."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


@workflow.defn
class Streaming:
    """One answer."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, name: str) -> int:
        """Ask the model; return the answer's length."""
        agent = TemporalAgent(
            "bench", streaming_topic="events", callback_handler=None, start_to_close_timeout=TIMEOUT
        )
        return len(str(await agent.invoke_async(name)))
