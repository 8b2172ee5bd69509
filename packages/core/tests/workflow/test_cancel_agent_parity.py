"""`agent.cancel()` and `cancel_signal=` have the same results as in a plain agent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.cancel_agent_scenes import (
    ONE,
    TWO,
    Never,
    SlowHook,
    Soon,
    Step,
    after_tools,
    after_tools_silently,
    asks,
    begin,
    check,
    do,
    for_good,
    have_acted,
    slow_model,
    slow_tool,
    soon_tool,
    stopping,
    sub_agent_script,
    sub_agent_with_tool,
    take,
    two_tools,
    until_acted,
    until_two_are_under_way,
    until_under_way,
    with_sub_agent,
)
from packages.core.tests.workflow.cancel_scenes import SOON, TOLD_FAST, echo
from packages.core.tests.workflow.cancel_scenes import nothing_runs as nothing_runs
from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import (
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookProvider,
    HookRegistry,
)
from strands.multiagent import GraphBuilder
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.vended_tools.stop import stop
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import TemporalAgent
from strands_temporal.testing import Scenario, ScriptedModel, run_parity, say, use_tool


class InFlight(HookProvider):
    """Acts while a model call or a tool call is running."""

    def __init__(self, event_type: type[Any], act: Callable[[], None], until: Step = until_under_way) -> None:
        self.event_type = event_type
        self.act = act
        self.until = until
        self.tasks: list[asyncio.Task[None]] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(self.event_type, self.later)

    def later(self, event: Any) -> None:
        async def act() -> None:
            await do(self.until)
            self.act()
            await do(have_acted)

        if not self.tasks:
            self.tasks.append(asyncio.create_task(act()))


def cancelling(
    event_type: type[Any] | None,
    cancel: Callable[[Agent], None] = lambda agent: agent.cancel(),
    *,
    turns: tuple[str, ...] = ("go", "again"),
    until: Step = until_under_way,
    **arguments: Any,
) -> Callable[[Agent], Awaitable[AgentResult]]:
    """Return a `drive` that cancels the first turn and then calls the agent again.

    Args:
        event_type: What runs when the agent is cancelled; None cancels it before the turn.
        cancel: How.
        turns: The prompts.
        until: Awaited before the cancellation.
        arguments: For the first `invoke_async`.
    """

    async def drive(agent: Agent) -> AgentResult:
        await do(begin)
        if event_type is None:
            cancel(agent)
            await do(have_acted)
        else:
            agent.hooks.add_hook(InFlight(event_type, lambda: cancel(agent), until))
        result = await agent.invoke_async(turns[0], **arguments)
        assert agent.cancel_signal.is_set() is False
        agent.state.set("first", [result.stop_reason, str(result), result.message["content"]])
        for turn in turns[1:]:
            result = await agent.invoke_async(turn)
        agent.messages.append({"role": "user", "content": [{"text": str(agent.state.get("first"))}]})
        return result

    return drive


SCENARIOS: dict[str, Scenario] = {
    "model": Scenario(slow_model(), lambda make: make(), cancelling(BeforeModelCallEvent), [take]),
    "model, message": Scenario(
        slow_model(), lambda make: make(), cancelling(BeforeModelCallEvent, stopping), [take]
    ),
    "model after a tool": Scenario(
        slow_model(use_tool("echo", {"text": "x"})),
        lambda make: make(tools=[echo]),
        cancelling(BeforeToolCallEvent),
        [take],
    ),
    "before the turn": Scenario(slow_model(), lambda make: make(), cancelling(None, stopping), [take]),
    "tool, concurrent": Scenario(
        asks(ONE),
        two_tools(ConcurrentToolExecutor()),
        cancelling(BeforeToolCallEvent),
        [Never().ends_late, take],
    ),
    "tool, message": Scenario(
        asks(ONE),
        two_tools(ConcurrentToolExecutor()),
        cancelling(BeforeToolCallEvent, stopping),
        [Never().ends_late, take],
    ),
    "two tools, concurrent": Scenario(
        asks(TWO),
        two_tools(ConcurrentToolExecutor()),
        cancelling(BeforeToolCallEvent, until=until_two_are_under_way),
        [Never().ends_late, take],
    ),
    "two tools, sequential": Scenario(
        asks(TWO),
        two_tools(SequentialToolExecutor()),
        cancelling(BeforeToolCallEvent),
        [Never().ends_late, take],
    ),
    "deferred, during a tool": Scenario(
        asks(ONE),
        lambda make: make(tools=[soon_tool(make)]),
        cancelling(BeforeToolCallEvent, after_tools),
        [Soon().ends_late, take],
    ),
    "deferred, no message": Scenario(
        asks(ONE),
        lambda make: make(tools=[soon_tool(make)]),
        cancelling(BeforeToolCallEvent, after_tools_silently),
        [Soon().ends_late, take],
    ),
    "deferred, during the last model call": Scenario(
        lambda: ScriptedModel(say("answered").when(until_acted), say("here again")),
        lambda make: make(),
        cancelling(BeforeModelCallEvent, after_tools),
        [take],
    ),
    "stop tool": Scenario(
        asks(use_tool("stop", {"message": "Done."})),
        lambda make: make(tools=[stop]),
        cancelling(None, lambda agent: None),
        [take],
    ),
    "hook": Scenario(
        asks(use_tool("echo", {"text": "x"})),
        lambda make: make(tools=[echo], hooks=[SlowHook(make)]),
        cancelling(BeforeToolsEvent),
        [check, take],
    ),
    "sub-agent's model": Scenario(
        sub_agent_script(), with_sub_agent(None), cancelling(BeforeToolCallEvent), [take]
    ),
    "sub-agent's tool": Scenario(
        sub_agent_with_tool,
        with_sub_agent(slow_tool),
        cancelling(BeforeToolCallEvent),
        [Never().ends_late, take],
    ),
}


@pytest.mark.server
@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_parity(client: Client, name: str, worker_options: dict[str, Any]) -> None:
    parity = await asyncio.wait_for(run_parity(client, SCENARIOS[name], **worker_options), 60)
    if name == "before the turn":
        del parity.plain.given[0]  # a plain agent calls the model and drops its first chunk
    parity.assert_equal()
    reason = "end_turn" if name == "deferred, during the last model call" else "cancelled"
    assert f"['{reason}'" in parity.durable.messages[-1]["content"][0]["text"]
    assert parity.durable.text == "here again\n"


async def graph_with_a_cancelled_node(make: Callable[[str], Agent]) -> list[Any]:
    """Run two nodes side by side, one of which is cancelled, and a third that would follow it."""
    await do(begin)
    agents = {name: make(name) for name in ("slow", "quick", "third")}
    builder = GraphBuilder()
    for name, agent in agents.items():
        builder.add_node(agent, name)
    builder.add_edge("slow", "third")
    builder.set_max_node_executions(10)
    agents["slow"].hooks.add_hook(InFlight(BeforeModelCallEvent, agents["slow"].cancel))
    result = await builder.build().invoke_async("go")
    statuses = {name: node.status.value for name, node in result.results.items()}
    return [result.status.value, statuses]


@workflow.defn
class GraphWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        return await graph_with_a_cancelled_node(
            lambda name: TemporalAgent(name, name=name, callback_handler=None, **TOLD_FAST)
        )


@pytest.mark.server
async def test_a_graphs_node_whose_agent_is_cancelled_fails_as_in_a_plain_graph(agents: Agents) -> None:
    def model(name: str, wait: Callable[[], Awaitable[None]]) -> ScriptedModel:
        return ScriptedModel(say(name).when(wait) if name == "slow" else say(name))

    models = {name: lambda name=name: model(name, for_good) for name in ("slow", "quick", "third")}
    async with agents(workflows=[GraphWorkflow], activities=[take], models=models) as env:
        durable = await asyncio.wait_for(env.run(GraphWorkflow.run), SOON)
    plain = await graph_with_a_cancelled_node(
        lambda name: Agent(model(name, until_acted), name=name, callback_handler=None)
    )
    assert durable == plain
    assert durable == ["failed", {"quick": "completed", "slow": "failed"}]
