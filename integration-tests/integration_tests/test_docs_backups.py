"""docs/backups-and-retention.md: what the commands do, and what a restored backup does again."""

import asyncio
import contextlib
import sqlite3
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from integration_tests.docs_code import commands_of, own_server
from strands_temporal import TemporalAgent
from strands_temporal.activity import tool_context
from strands_temporal.testing import (
    AgentEnvironment,
    DevServer,
    ScriptedModel,
    agent_environment,
    say,
    use_tool,
)
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

charges: list[str] = []
charging = asyncio.Event()
may_charge = asyncio.Event()


@activity.defn
async def charge(amount: int) -> str:
    """Charge the customer."""
    charging.set()
    await may_charge.wait()
    charges.append(tool_context().idempotency_key)
    return f"charged {amount}"


@workflow.defn
class ChargeWorkflow:
    @workflow.run
    async def run(self, prompt: str) -> str:
        tool = activity_as_tool(charge, heartbeat_timeout=timedelta(seconds=1))
        agent = TemporalAgent("m", tools=[tool], callback_handler=None)
        return str(await agent.invoke_async(prompt)).strip()


@contextlib.asynccontextmanager
async def worker(server: DevServer, queue: str, model: ScriptedModel) -> AsyncGenerator[AgentEnvironment]:
    async with agent_environment(
        server.address,
        workflows=[ChargeWorkflow],
        activities=[charge],
        models={"m": lambda: model},
        task_queue=queue,
    ) as environment:
        yield environment


async def test_a_restored_backup_makes_calls_again_with_their_keys(tmp_path: Path) -> None:
    database, backup = tmp_path / "temporal.db", tmp_path / "backup.db"
    queue = f"charges-{uuid.uuid4()}"
    async with own_server(db_filename=database) as server:
        model = ScriptedModel(use_tool("charge", {"amount": 5}), say("Done."))
        async with worker(server, queue, model) as env:
            handle = await env.start(ChargeWorkflow.run, "Charge 5")
            await asyncio.wait_for(charging.wait(), 30)
            with (
                contextlib.closing(sqlite3.connect(database)) as source,
                contextlib.closing(sqlite3.connect(backup)) as target,
            ):
                source.backup(target)
            may_charge.set()
            assert await asyncio.wait_for(handle.result(), 30) == "Done."
    async with own_server(db_filename=backup) as server:
        model = ScriptedModel(say("Done again."))
        async with worker(server, queue, model) as env:
            restored = env.client.get_workflow_handle(handle.id)
            assert await asyncio.wait_for(restored.result(), 60) == "Done again."
            await env.assert_replays(restored)
    first, second = charges
    assert first == second


async def test_the_commands_of_the_page(client: Client, server: DevServer) -> None:
    create, update, delete = commands_of("backups-and-retention.md")
    names = {"chats": f"chats-{uuid.uuid4()}", "chat-1": f"chat-{uuid.uuid4()}"}
    for command in (create, update):
        await command.run(server.address, names)
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=names["chats"]), retry=True
    )
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=90)
    handle = await client.start_workflow("Nobody", id=names["chat-1"], task_queue=names["chats"])
    await delete.run(server.address, names)
    for _ in range(300):
        try:
            await handle.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return
            raise
        await asyncio.sleep(0.05)  # the server deletes later, and tells nobody
    raise AssertionError("not deleted in 15 seconds")
