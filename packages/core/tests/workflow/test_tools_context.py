"""What an activity tool knows of its call, and what it can change."""

import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import Manager, get_context
from typing import Any, cast

import pytest
import strands
from conftest import Agents
from packages.core.tests.workflow.tool_scenes import echo
from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.agent.agent_result import AgentResult
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import SharedStateManager

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext, tool_context
from strands_temporal.testing import AgentFactory, Scenario, ScriptedModel, run_parity, use_tool, use_tools
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


# --- Tool use, invocation state, agent state: as in a plain tool --------------------------------------------


def visit(context: Any, state: Any, place: str, forget: str | None) -> str:
    """Do the work of both tools. `state` is the agent's state in one, and a copy of it in the other."""
    before = state.get()
    state.set(f"seen {place}", {"by": context.invocation_state.get("user"), "n": [1, "ü", None]})
    state.set("last", place)
    if forget:
        state.delete(forget)
    return f"{context.tool_use} {sorted(before)} {sorted(state.get())} {state.get('last')}"


@strands.tool(name="visit_place", context=True)
async def plain_visit(place: str, tool_context: StrandsToolContext, forget: str | None = None) -> str:
    """Visit a place."""
    return visit(tool_context, tool_context.agent.state, place, forget)


@activity.defn
async def visit_place(place: str, tool_context: ToolContext, forget: str | None = None) -> str:
    """Visit a place."""
    return visit(tool_context, tool_context.agent_state, place, forget)


@activity.defn(name="visit_place")
def visit_place_in_a_thread(place: str, tool_context: ToolContext, forget: str | None = None) -> str:
    """Visit a place."""
    return visit(tool_context, tool_context.agent_state, place, forget)


async def twice_and_tell_state(agent: Agent) -> AgentResult:
    await agent.invoke_async("go", invocation_state={"user": "eve"})
    await agent.invoke_async("go", invocation_state={"user": "bob"})
    # The final state becomes part of the conversation, so it is compared too.
    return await agent.invoke_async(str(agent.state.get()))


@pytest.mark.parametrize("durable_visit", [visit_place, visit_place_in_a_thread], ids=["async", "thread"])
@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
async def test_call_and_state_as_in_a_plain_tool(
    client: Client, durable_visit: Any, executor: Any, worker_options: dict[str, Any]
) -> None:
    def build(make: AgentFactory) -> Agent:
        name = {"name": "visit_place"}
        visits = activity_as_tool(durable_visit, **cast("Any", name)) if make.durable else plain_visit
        return make(tools=[visits], state={"old": 1, "kept": {"a": [1]}}, tool_executor=executor)

    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(
                use_tool("visit_place", {"place": "Bern", "forget": "old", "more": "x"}),
                echo,
                use_tool("visit_place", {"place": "Rome", "forget": "nothing"}, tool_use_id="second"),
                echo,
                echo,
            ),
            build=build,
            drive=twice_and_tell_state,
            activities=[durable_visit],
        ),
        **worker_options,
    )
    parity.assert_equal()
    text = parity.durable.text or ""
    assert "'seen Bern': {'by': 'eve', 'n': [1, 'ü', None]}" in text
    assert "'seen Rome'" in text
    assert "'old'" not in text


@pytest.mark.parametrize("wrong", [{"set": {1, 2}}, {1: "key"}], ids=["value", "key"])
async def test_state_refuses_what_strands_state_refuses(wrong: Any) -> None:
    state = ToolContext().agent_state
    key, value = ("k", wrong["set"]) if "set" in wrong else (1, "v")
    with pytest.raises(ValueError, match=r"JSON serializable|must be a string"):
        state.set(cast("str", key), value)
    assert state.patch() is None


# --- Two tools at once --------------------------------------------------------------------------------------

both = threading.Barrier(2)


@activity.defn
def change(key: str, tool_context: ToolContext) -> str:
    """Change one key, while another tool changes another."""
    before = tool_context.agent_state.get()
    both.wait(50)
    tool_context.agent_state.set(key, f"set by {key}")
    if key == "a":
        tool_context.agent_state.delete("gone")
    return f"saw {sorted(before)}"


@workflow.defn
class StateWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        tools = [activity_as_tool(change), activity_as_tool(changes_and_fails)]
        agent = TemporalAgent("m", tools=tools, state={"gone": 1}, callback_handler=None)
        await agent.invoke_async("go")
        return [agent.state.get(), agent.messages[2]["content"]]


async def test_two_tools_at_once_change_different_keys_and_both_win(agents: Agents) -> None:
    model = ScriptedModel(use_tools([("change", {"key": "a"}, "1"), ("change", {"key": "b"}, "2")]), echo)
    async with agents(workflows=[StateWorkflow], activities=[change], models={"m": lambda: model}) as env:
        state, results = await env.run(StateWorkflow.run)
    assert state == {"a": "set by a", "b": "set by b"}
    assert [r["toolResult"]["content"][0]["text"] for r in results] == ["saw ['gone']"] * 2


@activity.defn
async def changes_and_fails(fail_until: int, tool_context: ToolContext) -> str:
    """Change the state, and fail."""
    tool_context.agent_state.set(f"attempt {tool_context.attempt}", True)
    tool_context.agent_state.delete("gone")
    if tool_context.attempt < fail_until:
        raise RuntimeError("again")
    return "done"


@pytest.mark.parametrize(("fail_until", "expected"), [(2, {"attempt 2": True}), (9, {"gone": 1})])
async def test_what_a_failed_attempt_changed_is_dropped(
    agents: Agents, fail_until: int, expected: Any
) -> None:
    model = ScriptedModel(use_tool("changes_and_fails", {"fail_until": fail_until}), echo)
    async with agents(
        workflows=[StateWorkflow], activities=[changes_and_fails], models={"m": lambda: model}
    ) as env:
        state, _ = await env.run(StateWorkflow.run)
    assert state == expected


# --- Without the parameter, and in a process pool -----------------------------------------------------------


@activity.defn
async def asks_header_only() -> str:
    """Use what is there without the parameter, and what is not."""
    context = tool_context()
    known = [context.tool_use, len(context.idempotency_key), context.attempt, context.cancel_signal.is_set()]
    refused: list[str] = []
    for use in (
        lambda: context.invocation_state,
        lambda: context.agent_state,
        lambda: context.interrupt("approval"),
    ):
        with pytest.raises(RuntimeError) as error:
            use()
        refused.append(str(error.value))
    assert all("Give the activity a parameter `tool_context: ToolContext`" in text for text in refused)
    return f"{known} {context!r}"


@workflow.defn
class HeaderOnlyWorkflow:
    @workflow.run
    async def run(self, name: str | None) -> str:
        tools = [activity_as_tool(asks_header_only, name=name), activity_as_tool(in_a_process)]
        agent = TemporalAgent("m", tools=tools, state={"a": 1}, callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.parametrize("name", [None, "other"])
async def test_what_is_known_without_the_parameter(agents: Agents, name: str | None) -> None:
    called = name or "asks_header_only"
    model = ScriptedModel(use_tool(called, {}, tool_use_id="h1"), echo)
    async with agents(
        workflows=[HeaderOnlyWorkflow], activities=[asks_header_only], models={"m": lambda: model}
    ) as env:
        text = await env.run(HeaderOnlyWorkflow.run, name)
    use = {"toolUseId": "h1", "name": called}
    assert text == f"it said: [{use}, 32, 1, False] ToolContext(tool_use={use})"


@activity.defn
def in_a_process(tool_context: ToolContext) -> str:
    """Run in another process."""
    tool_context.report_progress("here")
    with pytest.raises(RuntimeError) as refused:
        tool_context.agent_state.set("b", 2)
    known = [len(tool_context.idempotency_key), tool_context.agent_state.get()]
    return f"{known} {tool_context.cancel_signal.is_set()} {refused.value}"


async def test_in_a_process_pool_the_state_can_be_read_and_not_changed(agents: Agents) -> None:
    model = ScriptedModel(use_tool("in_a_process", {}), echo)
    with (
        Manager() as manager,
        ThreadPoolExecutor(2) as poller,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        async with agents(
            workflows=[HeaderOnlyWorkflow],
            activities=[in_a_process],
            models={"m": lambda: model},
            activity_executor=pool,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager, poller),
        ) as env:
            text = await env.run(HeaderOnlyWorkflow.run, None)
    assert text.startswith("it said: [32, {'a': 1}] False An activity in a process pool cannot change")
