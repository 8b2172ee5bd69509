"""The code of docs/teams.md: the stream of a sub-agent in a child workflow, found by the caller's."""

import asyncio
from pathlib import Path

import pytest
from conftest import Agents

from integration_tests.docs_code import module_of
from strands_temporal import StrandsPlugin
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal_streaming import AgentStarted, AgentStream, StreamingPlugin


def script(call: ScriptedCall) -> Reply:
    if call.tool_names and not call.tool_results:
        return use_tool("research", {"input": "tea"})
    return say(f"the writer read: {call.text}" if call.tool_results else "facts about tea", chunk=3)


@pytest.mark.server
async def test_the_stream_of_a_child_is_read_under_its_id(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("teams.md", "streamed", tmp_path, monkeypatch)
    workflows = [page.StreamedWriterWorkflow, page.StreamedResearchWorkflow]
    model = ScriptedModel(script)
    plugins = [StrandsPlugin(models={"claude": lambda: model}), StreamingPlugin()]
    async with agents(workflows=workflows, plugins=plugins) as env:
        handle = await env.start(page.StreamedWriterWorkflow.run, "write about tea")
        reading = asyncio.ensure_future(page.read_research(env.client, handle.id))
        assert (await handle.result()).strip() == "the writer read: facts about tea"
        assert (await asyncio.wait_for(reading, 20)).strip() == "facts about tea"
        await env.assert_replays(handle)
        events = [event async for event in AgentStream(env.client, handle.id)]
        (child,) = [event.workflow_id for event in events if isinstance(event, AgentStarted)]
        await env.assert_replays(env.client.get_workflow_handle(child))
