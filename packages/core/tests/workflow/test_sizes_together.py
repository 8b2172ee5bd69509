"""The total size of what agents send, if each part fits, and if one of many does not."""

import asyncio
import base64
import random
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.wire.size_scenes import KB, MB, failure_of
from strands import tool
from strands.hooks import BeforeInvocationEvent
from strands.multiagent import GraphBuilder
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal._errors import PAYLOAD_TOO_LARGE
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import TemporalTools, activity_as_hook

pytestmark = pytest.mark.server


# --- Hosted tools, many at once ----------------------------------------------------------------------------


@tool(context=True)
def weigh(number: int, tool_context: Any) -> str:
    """Tell how large the state is."""
    return f"{number}: {len(tool_context.agent.state.get('big'))}"


def answers(call: ScriptedCall) -> Any:
    blocks = [block["toolResult"] for block in call.messages[-1]["content"] if "toolResult" in block]
    return say(" ".join(str(block["content"][0].get("text")) for block in blocks))


@workflow.defn
class WeighWorkflow:
    @workflow.run
    async def run(self, state: int) -> str:
        agent = TemporalAgent(
            "m", tools=[TemporalTools("weigh")], state={"big": "s" * state}, callback_handler=None
        )
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.parametrize(("calls", "state"), [(8, 600 * KB), (4, 3 * MB)])
async def test_hosted_tools_at_once_see_a_large_state(agents: Agents, calls: int, state: int) -> None:
    asked = use_tools([("weigh", {"number": number}, f"call-{number}") for number in range(calls)])
    plugin = StrandsPlugin(
        models={"m": lambda: ScriptedModel(asked, answers)}, tools={"weigh": lambda: weigh}
    )
    async with agents(workflows=[WeighWorkflow], plugins=[plugin]) as env:
        told = await env.run(WeighWorkflow.run, state)
    assert told == " ".join(f"{number}: {state}" for number in range(calls))


# --- A hook's activity in a node of a graph ----------------------------------------------------------------


@activity.defn
async def note(text: str) -> None:
    """Take a text."""


@workflow.defn
class GraphWorkflow:
    @workflow.run
    async def run(self, size: int) -> str:
        node = TemporalAgent("m", name="node", callback_handler=None)
        node.add_hook(activity_as_hook(note, activity_input=lambda _: "y" * size), BeforeInvocationEvent)
        builder = GraphBuilder()
        builder.add_node(node, "node")
        builder.set_max_node_executions(2)
        return (await builder.build().invoke_async("go")).status.value


async def test_a_hook_in_a_graphs_node_that_is_given_too_much_ends_the_run_with_its_reason(
    agents: Agents,
) -> None:
    async with agents(
        workflows=[GraphWorkflow],
        activities=[note],
        models={"m": lambda: ScriptedModel(say("ok"))},
    ) as env:
        assert await env.run(GraphWorkflow.run, 1_900 * KB) == "completed"
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(GraphWorkflow.run, 3 * MB)
    assert failure_of(error.value).type == PAYLOAD_TOO_LARGE
    assert "Activity 'note': an input of 3,000,0" in failure_of(error.value).message


# --- Ten agents that are carried ---------------------------------------------------------------------------


@dataclass
class Team:
    carries: list[AgentCarry] = field(default_factory=list[AgentCarry])


def noise(size: int) -> str:
    """Return a text of that size which does not compress to less than three quarters."""
    return base64.b64encode(random.Random(size).randbytes(size * 3 // 4)).decode()  # noqa: S311


@workflow.defn
class TeamWorkflow:
    """Ten agents go into the next run together."""

    @workflow.run
    async def run(self, team: Team, size: int) -> int:
        if not team.carries:
            agents = [TemporalAgent("m", callback_handler=None) for _ in range(10)]
            await asyncio.gather(*(agent.invoke_async(noise(size)) for agent in agents))
            workflow.continue_as_new(args=[Team([agent.carry() for agent in agents]), size])
        agents = [TemporalAgent("m", carry=carry, callback_handler=None) for carry in team.carries]
        return sum(len(agent.messages) for agent in agents)


@pytest.mark.parametrize("size", [100 * KB, 300 * KB])
async def test_the_carries_of_ten_agents_fit_together_or_the_run_ends_with_its_reason(
    agents: Agents, size: int
) -> None:
    async with agents(
        workflows=[TeamWorkflow], models={"m": lambda: ScriptedModel(lambda _: say("ok"))}
    ) as env:
        handle = await env.start(TeamWorkflow.run, Team(), size, id=f"team-{uuid.uuid4()}")
        if size == 100 * KB:
            assert await asyncio.wait_for(handle.result(), 60) == 20
        else:
            with pytest.raises(WorkflowFailureError) as error:
                await asyncio.wait_for(handle.result(), 60)
            assert failure_of(error.value).type == PAYLOAD_TOO_LARGE
            assert re.match(
                r"continue_as_new: an input of 3,\d\d\d,\d{3} bytes is too large .* Trim the conversation",
                failure_of(error.value).message,
            )
        await env.assert_replays(handle)
