"""The tools that an agent has: which listing they come from, several servers, the agent's own tools."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import (
    attempts,
    failure,
    plugins,
    scheduled,
    text,
    tool_results,
    turn,
)
from packages.mcp.tests.servers.clients import python_server, server_here
from strands import tool
from temporalio import workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient

with workflow.unsafe.imports_passed_through():
    from strands.tools.mcp import MCPClient

pytestmark = pytest.mark.server


@workflow.defn
class Caching:
    """An agent that is prompted several times."""

    @workflow.run
    async def run(self, cache_tools: bool | None, prompts: int) -> list[Any]:
        handle = TemporalMCPClient("tests", cache_tools=cache_tools)
        agent = TemporalAgent("scripted", tools=[handle], callback_handler=None)
        for _ in range(prompts):
            await agent.invoke_async("go")
        return tool_results(agent)


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("cache_tools", "seen", "listings"),
    [(None, [False, False, False], 1), (True, [False, False, False], 1), (False, [False, True, True], 3)],
)
async def test_which_listing_an_agent_uses(
    agents: Agents, cache_tools: bool | None, seen: list[bool], listings: int
) -> None:
    model = ScriptedModel(use_tool("grow", {"name": "late"}), say("one"), say("two"), say("new workflow"))
    async with agents(workflows=[Caching], plugins=plugins(model, tests=server_here)) as env:
        await env.run(Caching.run, cache_tools, 2)
        assert ["late" in call.tool_names for call in model.calls] == seen
        assert (await scheduled(env)).count("tests-list-tools") == listings
        await env.run(Caching.run, cache_tools, 1)
    assert ("late" in model.calls[-1].tool_names) is (cache_tools is not None)


async def test_a_tool_that_appeared_can_be_called(agents: Agents) -> None:
    model = ScriptedModel(use_tool("grow", {"name": "late"}), use_tool("late", {}), say("done"))
    async with agents(workflows=[Caching], plugins=plugins(model, tests=server_here)) as env:
        _, late = await env.run(Caching.run, False, 1)
    assert text(late) == "late was here"


async def test_an_unchanged_listing_enters_history_once(agents: Agents) -> None:
    model = ScriptedModel(*[say("hello")] * 3)
    async with agents(workflows=[Caching], plugins=plugins(model, tests=server_here)) as env:
        await env.run(Caching.run, False, 3)
        history = await env.handles[-1].fetch_history()
    results = [event.activity_task_completed_event_attributes.result for event in history.events]
    sizes = [len(r.payloads[0].data) for r in results if r.payloads and b'"digest"' in r.payloads[0].data]
    assert len(sizes) == 3
    assert sizes[0] > 1000
    assert max(sizes[1:]) < 100


async def test_a_listing_too_large_for_temporal_ends_the_workflow_and_says_so(agents: Agents) -> None:
    model = ScriptedModel(use_tool("grow_large", {}), say("never"))
    async with agents(workflows=[Caching], plugins=plugins(model, tests=server_here)) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(Caching.run, False, 1)
        assert await attempts(env, "tests-list-tools") == [1, 1]
    assert failure(error.value).type == "MCPResultTooLarge"
    assert "list of tools of MCP server 'tests' is too large" in failure(error.value).message
    assert "tool_filters" in failure(error.value).message


@workflow.defn
class Interrupted:
    """Prompts its agent once more when told to."""

    def __init__(self) -> None:
        self.prompted = self.more = False

    @workflow.run
    async def run(self, cache_tools: bool | None) -> list[Any]:
        handle = TemporalMCPClient("tests", cache_tools=cache_tools)
        agent = TemporalAgent("scripted", tools=[handle], callback_handler=None)
        await agent.invoke_async("go")
        self.prompted = True
        await workflow.wait_condition(lambda: self.more)
        await agent.invoke_async("go on")
        return tool_results(agent)

    @workflow.update
    async def first_turn(self) -> None:
        await workflow.wait_condition(lambda: self.prompted)

    @workflow.signal
    def go_on(self) -> None:
        self.more = True


@pytest.mark.sample(1)
@pytest.mark.parametrize("cache_tools", [None, True, False])
async def test_a_workflow_goes_on_with_a_worker_whose_server_has_other_tools(
    agents: Agents, cache_tools: bool | None
) -> None:
    queue = f"mcp-{uuid.uuid4()}"
    before, after = (
        ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("one")),
        ScriptedModel(use_tool("add", {"a": 3, "b": 4}), say("two")),
    )
    first = plugins(before, tests=lambda: server_here(tool_filters={"allowed": ["add"]}))
    second = plugins(after, tests=lambda: server_here(tool_filters={"rejected": ["add"]}))
    short = timedelta(seconds=1)
    options: dict[str, Any] = {"task_queue": queue, "sticky_queue_schedule_to_start_timeout": short}
    async with agents(workflows=[Interrupted], plugins=first, **options) as env:
        handle = await env.start(Interrupted.run, cache_tools)
        await handle.execute_update(Interrupted.first_turn)
    await handle.signal(Interrupted.go_on)
    async with agents(workflows=[Interrupted], plugins=second, **options) as env:
        results = await handle.result()
        await env.assert_replays(handle)
    assert [call.tool_names for call in before.calls] == [["add"]] * 2
    listed_anew = cache_tools is False
    for call in after.calls:
        assert call.tool_names == ["add"] or listed_anew
        assert "add" not in call.tool_names or not listed_anew
    # Every tool in the workflow's list can be called: a filter changes only a list, and the server has the
    # tool.
    assert [result["status"] for result in results] == ["success", "error" if listed_anew else "success"]


@workflow.defn
class SharedHandle:
    @workflow.run
    async def run(self) -> None:
        tests = TemporalMCPClient("tests")
        both = [TemporalAgent("scripted", tools=[[tests]], callback_handler=None) for _ in range(2)]
        await asyncio.gather(*(agent.invoke_async("go") for agent in both))


async def test_two_agents_that_share_a_handle_list_once(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say("done"))
    async with agents(workflows=[SharedHandle], plugins=plugins(model, tests=server_here)) as env:
        await env.run(SharedHandle.run)
        assert (await scheduled(env)).count("tests-list-tools") == 1
    assert all("add" in call.tool_names for call in model.calls)
    assert len(model.calls) == 2


@tool
def first() -> str:
    """Come first."""
    return "first"


@tool
def last() -> str:
    """Come last."""
    return "last"


@workflow.defn
class TwoServers:
    @workflow.run
    async def run(self, cache_tools: bool | None, names: list[str]) -> list[Any]:
        handles = [TemporalMCPClient(name, cache_tools=cache_tools) for name in names]
        agent = TemporalAgent("scripted", tools=[first, *handles, last], callback_handler=None)
        await agent.invoke_async("go")
        await agent.invoke_async("go on")
        return tool_results(agent)


def only(name: str, server: Any = server_here, **options: Any) -> Any:
    return lambda: server(tool_filters={"allowed": [name]}, **options)


@pytest.mark.parametrize("cache_tools", [None, False])
async def test_tools_have_the_order_in_which_they_were_given(
    agents: Agents, cache_tools: bool | None
) -> None:
    model = ScriptedModel(turn([("add", {"a": 1, "b": 2}), ("process", {})]), say("one"), say("two"))
    servers = plugins(model, sums=only("add"), processes=only("process"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        results = await env.run(TwoServers.run, cache_tools, ["sums", "processes"])
    assert [call.tool_names for call in model.calls] == [["first", "add", "process", "last"]] * 3
    assert [result["status"] for result in results] == ["success", "success"]


async def test_two_servers_with_one_tool_name_are_refused(agents: Agents) -> None:
    servers = plugins(ScriptedModel(say("never")), left=only("add"), right=only("add"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(TwoServers.run, None, ["left", "right"])
    assert failure(error.value).type == "AgentValueError"
    for part in ("'add'", "'left'", "'right'", "prefix"):
        assert part in failure(error.value).message


async def test_two_servers_with_one_tool_name_are_told_apart_by_a_prefix(agents: Agents) -> None:
    model = ScriptedModel(turn([("left_process", {}), ("right_process", {})]), say("done"), say("done again"))
    left = only("process", python_server, prefix="left")
    right = only("process", python_server, prefix="right")
    servers = plugins(model, left=left, right=right)
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        of_left, of_right = await env.run(TwoServers.run, None, ["left", "right"])
    assert text(of_left) != text(of_right)


@pytest.mark.sample(1)
@pytest.mark.parametrize("names", [["sums", "sums"], ["clash"], ["dashed"]])
async def test_a_name_that_the_agent_has_already_is_refused(agents: Agents, names: list[str]) -> None:
    def dashed() -> MCPClient:
        return server_here(prefix="co-ol", tool_filters={"allowed": ["add"]})

    servers = plugins(
        ScriptedModel(say("never")), sums=only("add"), clash=only("add", prefix="taken"), dashed=dashed
    )
    async with agents(workflows=[WithOwnTools], plugins=servers) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(WithOwnTools.run, names)
    assert failure(error.value).type == "AgentValueError"
    assert f"MCP server '{names[0]}'" in failure(error.value).message
    assert "one handle for each server" in failure(error.value).message or "prefix" in str(error.value.cause)


@tool
def taken_add() -> str:
    """Have a name."""
    return ""


@tool
def co_ol_add() -> str:
    """Have a name."""
    return ""


@workflow.defn
class WithOwnTools:
    @workflow.run
    async def run(self, names: list[str]) -> None:
        handles = [TemporalMCPClient(name) for name in names]
        agent = TemporalAgent("scripted", tools=[taken_add, co_ol_add, *handles], callback_handler=None)
        await agent.invoke_async("go")


async def test_a_server_that_no_worker_knows_ends_the_workflow(agents: Agents) -> None:
    servers = plugins(ScriptedModel(say("never")), known=only("add"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(TwoServers.run, None, ["unknown"])
    assert failure(error.value).type == "AgentValueError"
    assert "'unknown'" in failure(error.value).message
    assert "MCPPlugin(mcp_clients=" in failure(error.value).message
