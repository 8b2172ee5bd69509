"""What an operator sees of MCP calls: server and tool in the summary, arguments on request, and attempts."""

import logging
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.operator_scenes import summaries
from packages.mcp.tests.mcp_support import OneServer, plugins
from packages.mcp.tests.servers.clients import python_server
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient

pytestmark = pytest.mark.server


@workflow.defn
class Shown:
    """An agent whose summaries show arguments, and one whose handle has a summary of the user's own."""

    @workflow.run
    async def run(self) -> None:
        for handle in (TemporalMCPClient("tests"), TemporalMCPClient("tests", summary="my own")):
            agent = TemporalAgent("scripted", tools=[handle], summary_arguments=True, callback_handler=None)
            await agent.invoke_async("go")


async def test_summaries_name_the_server_and_the_tool(agents: Agents) -> None:
    script = [use_tool("add", {"a": 1, "b": 2}), say("done")]
    model = ScriptedModel(*script, *script, *script)
    async with agents(workflows=[OneServer, Shown], plugins=plugins(model, tests=python_server)) as env:
        plain = await env.start(OneServer.run, ["go"])
        await plain.result()
        shown = await env.start(Shown.run)
        await shown.result()
        found = [await summaries(await handle.fetch_history()) for handle in (plain, shown)]
        for handle in (plain, shown):
            await env.assert_replays(handle)
    assert found[0] == [
        ("tests-list-tools", "list · tests"),
        ("invoke_model", "scripted · turn 1"),
        ("tests-call-tool", "tests · add"),
        ("invoke_model", "scripted · turn 1"),
    ]
    assert [found[1][place] for place in (0, 2, 4, 6)] == [
        ("tests-list-tools", "list · tests"),
        ("tests-call-tool", 'tests · add {"a": 1, "b": 2}'),
        ("tests-list-tools", "my own"),
        ("tests-call-tool", "my own"),
    ]


async def test_the_log_line_has_the_attempt(
    agents: Agents, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strands_temporal.agents")
    model = ScriptedModel(use_tool("die_once", {"marker": str(tmp_path / "died")}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        await env.run(OneServer.run, ["die"])
    (line,) = [record for record in caplog.records if hasattr(record, "tool")]
    called: Any = line
    assert (called.tool, called.status, called.attempt) == ("die_once", "success", 2)
