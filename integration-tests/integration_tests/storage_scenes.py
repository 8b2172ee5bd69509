"""Workflows for the tests of storages and memory stores that others wrote."""

from typing import Any

from strands.memory import MemoryManager
from strands.session import SnapshotSessionManager
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.workflow import TemporalMemoryStore, TemporalStorage


@workflow.defn
class SessionWorkflow:
    """One turn of an agent with a session."""

    @workflow.run
    async def run(self, prompt: str) -> str:
        agent = TemporalAgent(
            "m",
            agent_id="a",
            callback_handler=None,
            session_manager=SnapshotSessionManager("s", storage=TemporalStorage("sessions")),
        )
        return str(await agent.invoke_async(prompt)).strip()


@workflow.defn
class BytesWorkflow:
    """Writes, reads, lists and deletes."""

    @workflow.run
    async def run(self) -> list[Any]:
        storage = TemporalStorage("sessions").namespace("team/bytes")
        data = bytes(range(256)) * 1000
        await storage.write("a/b", data)
        seen: list[Any] = [
            await storage.read("a/b") == data,
            await storage.read("none"),
            await storage.list("a"),
        ]
        await storage.delete("a/b")
        return [*seen, await storage.list("a")]


@workflow.defn
class MissingBucketWorkflow:
    @workflow.run
    async def run(self) -> None:
        await TemporalStorage("missing").write("key", b"data")


@workflow.defn
class MemoryWorkflow:
    """Adds what it is told, and answers with what it finds."""

    @workflow.run
    async def run(self, told: str) -> str:
        agent = TemporalAgent(
            "m",
            callback_handler=None,
            memory_manager=MemoryManager(stores=[TemporalMemoryStore("facts")], add_tool_config=True),
        )
        return str(await agent.invoke_async(told)).strip()
