"""Temporal's own stream without an agent: an activity publishes each chunk and flushes the first one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient

TIMEOUT = timedelta(seconds=120)


def plugins(model: Any) -> list[Any]:
    """Return nothing: there is no plugin."""
    return []


def stream_plugins(model: Any, nats: str | None, latency: float | None) -> list[Any]:
    """Return nothing: there is no plugin."""
    return []


def stream_activities(model: Any) -> list[Any]:
    """Return the activity that stands for the model call."""

    @activity.defn(name="say")
    async def say(name: str) -> int:
        size = 0
        client = WorkflowStreamClient.from_within_activity(batch_interval=timedelta(milliseconds=100))
        async with client as log:
            async for text in model.chunks(name):
                log.topic("events").publish(text, force_flush=not size)
                size += len(text)
        return size

    return [say]


async def read(client: Client, workflow_id: str, reader: str, nats: str | None) -> AsyncIterator[str]:
    """Yield the texts of a workflow."""
    log = WorkflowStreamClient.create(client, workflow_id)
    async for item in log.subscribe(["events"], 0, result_type=str):
        yield item.data


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
        """Have it said; return the answer's length."""
        return await workflow.execute_activity("say", name, start_to_close_timeout=TIMEOUT)
