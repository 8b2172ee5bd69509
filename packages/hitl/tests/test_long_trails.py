"""An audit trail that is too large for one query's answer."""

import asyncio

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import BY, approver_for, paused
from packages.hitl.tests.command_support import command
from strands import ToolContext, tool
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tools
from strands_temporal_hitl import ApprovalRecord, Approvals, HITLPlugin
from strands_temporal_hitl._shown import is_full, page_of

pytestmark = pytest.mark.server

SIZES = [1_200_000, 10, 450_000, 450_000]


@tool(context=True)
def read(chapter: int, tool_context: ToolContext) -> str:
    """Read what a person wrote."""
    return str(len(tool_context.interrupt("text", reason=f"Chapter {chapter}?")))


@workflow.defn
class WritersWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> list[int]:
        agent = TemporalAgent("model", tools=[read], callback_handler=None)
        await self.approvals.run(agent, "go")
        return [len(record.response) for record in self.approvals.records]


@pytest.mark.slow
async def test_all_of_it_is_told_and_shown(agents: Agents, client: Client) -> None:
    calls = [("read", {"chapter": number}, f"call-{number}") for number in range(len(SIZES))]
    model = ScriptedModel(use_tools(calls), say("done"))
    plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin()]
    approver = approver_for(client)
    async with agents(workflows=[WritersWorkflow], plugins=plugins) as env:
        handle = await env.start(WritersWorkflow.run)
        asked = await paused(approver, handle, len(SIZES))
        for pending in sorted(asked, key=lambda each: each.question):
            size = SIZES[pending.arguments["chapter"]]
            record = await approver.respond(handle.id, pending, "x" * size, by=BY)
            assert len(record.response) == size
        assert await asyncio.wait_for(handle.result(), 30) == SIZES
        records = await approver.records(handle.id)
        code, out, err = await command(client, "show", handle.id)
        await env.assert_replays(handle)
    assert [len(record.response) for record in records][1:] == SIZES[1:]
    assert records[0].response.endswith("x... (the beginning of 1,200,000 characters)")
    assert (code, err) == (0, "")
    assert out.startswith(f"{handle.id}: 0 waiting, {len(SIZES)} decided\n")


def test_pages_bring_each_record_once() -> None:
    trail = [ApprovalRecord(f"id-{number}", "name", "approved") for number in range(10_000)]
    told = list[ApprovalRecord]()
    pages = 0
    while page := page_of(trail, len(told)):
        told += page
        pages += 1
        assert is_full(page) is (len(told) < len(trail))
    assert told == trail
    assert pages > 1
