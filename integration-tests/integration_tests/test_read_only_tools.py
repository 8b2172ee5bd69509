"""The read-only annotations of a real MCP server, in an approval policy."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import approver_for, until
from packages.mcp.tests.servers.clients import stdio
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tools
from strands_temporal_hitl import ApprovalPolicy, Approvals, HITLPlugin
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient

pytestmark = [pytest.mark.server, pytest.mark.slow]

SERVER = Path(__file__).parent / "annotated_server.py"


@workflow.defn
class FilesWorkflow:
    """An agent with the server's tools, and a policy that names none of them."""

    def __init__(self) -> None:
        self.approvals = Approvals(policy=ApprovalPolicy(version="1"))

    @workflow.run
    async def run(self, read_only_is_safe: bool) -> list[Any]:
        files = TemporalMCPClient("files", read_only_is_safe=read_only_is_safe)
        agent = TemporalAgent("model", tools=[files], callback_handler=None)
        await self.approvals.run(agent, "go")
        return sorted([str(r.tool), r.outcome, r.layer] for r in self.approvals.records)


@pytest.mark.parametrize("chosen", [True, False])
async def test_read_only_tools_run_by_choice(agents: Agents, client: Client, chosen: bool) -> None:
    names = ("read", "odd", "write")
    model = ScriptedModel(use_tools([(name, {"path": "/a"}, name) for name in names]), say("done"))
    approver = approver_for(client)
    plugins = [
        StrandsPlugin(models={"model": lambda: model}),
        MCPPlugin(mcp_clients={"files": lambda: stdio([sys.executable, str(SERVER)])}),
        HITLPlugin(),
    ]
    async with agents(workflows=[FilesWorkflow], plugins=plugins) as env:
        handle = await env.start(FilesWorkflow.run, chosen)

        async def pending() -> Any:
            return await approver.pending(handle.id)

        asked = await until(pending, lambda found: len(found) == (2 if chosen else 3))
        for each in asked:
            await approver.reject(handle.id, each, by="ana")
        records = await asyncio.wait_for(handle.result(), 30)
        history = await handle.fetch_history()
        await env.assert_replays(handle)
    yes = ["read", "approved", "safe"] if chosen else ["read", "rejected", "people"]
    assert records == [["odd", "rejected", "people"], yes, ["write", "rejected", "people"]]
    listed = [e.activity_task_completed_event_attributes.result.payloads for e in history.events]
    texts = [p[0].data for p in listed if p and b'"digest"' in p[0].data]
    assert [b'"read_only":["read"]' in text for text in texts] == [chosen]
