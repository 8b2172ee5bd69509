"""Graphs, swarms, and the tools that make sub-agents at run time: in a workflow as in plain Strands."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.team_scenes import TEAMS, answers_of, ask, graph, staff, swarm, told
from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.multiagent import GraphBuilder
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage
from strands.vended_tools.subagent import make_subagent
from strands.vended_tools.swarm import make_swarm
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError, StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
)
from strands_temporal.workflow import TeamCarry, carry_team, restore_team

pytestmark = pytest.mark.server


def durable(name: str, **arguments: Any) -> TemporalAgent:
    return TemporalAgent("m", name=name, system_prompt=name, callback_handler=None, **arguments)


async def in_two_calls(team: Any) -> list[Any]:
    """Run a team, answer what it asks, and run it again on another task."""
    first = await team.invoke_async("go")
    seen = [told(first)]
    result = first
    while result.interrupts:
        result = await team.invoke_async(answers_of(result))
        seen.append(told(result))
    seen.append(told(await team.invoke_async("go on")))
    return seen


IN_ONE_RUN = [kind for kind in TEAMS if "limit" in kind or kind.startswith(("two nodes", "a graph in"))]
"""The other teams are compared where each of their calls has a run of its own."""


@workflow.defn
class TeamWorkflow:
    @workflow.run
    async def run(self, kind: str) -> list[Any]:
        return await in_two_calls(TEAMS[kind](durable))


def plain_team(model: ScriptedModel, kind: str) -> Any:
    def make(name: str, **arguments: Any) -> Agent:
        return Agent(model, name=name, system_prompt=name, callback_handler=None, **arguments)

    StrandsPlugin()  # from here on, graphs have one order
    return TEAMS[kind](make)


def given(model: ScriptedModel) -> list[Any]:
    calls = [[call.system_prompt, len(call.messages), sorted(call.tool_names)] for call in model.calls]
    return sorted(calls, key=str)


async def test_teams_do_what_they_do_without_temporal(agents: Agents) -> None:
    plain_model, model = ScriptedModel(staff), ScriptedModel(staff)
    plain = {kind: await in_two_calls(plain_team(plain_model, kind)) for kind in IN_ONE_RUN}
    async with agents(workflows=[TeamWorkflow], models={"m": lambda: model}) as env:
        seen = {kind: await env.run(TeamWorkflow.run, kind) for kind in IN_ONE_RUN}
    for kind in IN_ONE_RUN:
        assert seen[kind] == plain[kind], kind
    assert given(model) == given(plain_model)
    assert seen["a circle up to its limit"][0]["status"] == "failed"
    assert seen["a swarm up to its limit"][0]["status"] == "failed"
    assert seen["two nodes that ask"][0]["interrupts"] == [["ask x", "x"], ["ask y", "y"]]


# --- Sub-agents made by a tool of Strands


def boss(call: ScriptedCall) -> Reply:
    """Let a sub-agent or a swarm do the work; the workers ask about it."""
    if "toolResult" in call.messages[-1]["content"][0]:
        (result,) = call.tool_results
        return say(f"[{result['status']}] {result['content'][0].get('text')}".strip())
    if "subagent" in call.tool_names and call.text == "go":
        return use_tool("subagent", {"task": "x"})
    if "swarm" in call.tool_names and call.text == "go":
        workers = [{"name": name, "instructions": name} for name in ("to_second", "second")]
        return use_tool("swarm", {"task": "x", "agents": workers})
    if str(call.system_prompt).startswith("to_"):
        return staff(call)
    if "ask" in call.tool_names:
        return use_tool("ask", {"what": "work"}, tool_use_id=f"ask-{len(call.messages)}")
    return say(f"did {call.text}")


async def answered(agent: Agent) -> AgentResult:
    result = await agent.invoke_async("go")
    while result.stop_reason == "interrupt":
        result = await agent.invoke_async(answers_of(result))
    return result


@pytest.mark.parametrize("asks", [False, True], ids=["silent", "asking"])
@pytest.mark.parametrize("kind", ["subagent", "swarm"])
async def test_a_vended_tool_makes_its_sub_agents(
    client: Client, worker_options: dict[str, Any], kind: str, asks: bool
) -> None:
    make_tool: Any = make_subagent if kind == "subagent" else make_swarm
    tools = [ask] if asks else []
    scenario = Scenario(
        lambda: ScriptedModel(boss, config={"context_window_limit": 100_000}),
        lambda make: make(tools=[make_tool(), *tools]),
        answered,
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert (parity.durable.text or "").startswith("[success]")
    assert ("yes" in (parity.durable.text or "")) is asks


async def test_a_delegates_answer_is_the_last_word(client: Client, worker_options: dict[str, Any]) -> None:
    def speak(call: ScriptedCall) -> Reply:
        return use_tool("expert", {"input": "x"}) if call.tool_names else say("the expert's word")

    scenario = Scenario(
        lambda: ScriptedModel(speak),
        lambda make: make(tools=[make(name="expert").as_tool(description="Knows.", delegate=True)]),
        prompts("go"),
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert len(parity.durable.given) == 2


# --- A session, in a storage that takes its time


class SlowStorage(InMemoryStorage):
    """A storage each of whose operations waits, as one that asks an activity does."""

    async def read(self, key: str, **kwargs: Any) -> bytes | None:
        await asyncio.sleep(0.001)
        return await super().read(key, **kwargs)

    async def write(self, key: str, data: bytes, **kwargs: Any) -> None:
        await asyncio.sleep(0.001)
        await super().write(key, data, **kwargs)


@workflow.defn
class SessionWorkflow:
    """Runs a team with a session until it asks; a second team with the same session takes the answer."""

    @workflow.run
    async def run(self, kind: str) -> list[Any]:
        storage = SlowStorage()
        seen: list[Any] = []
        first = self._team(kind, storage)
        result = await first.invoke_async("go")
        seen.append(told(result))
        second = self._team(kind, storage)
        result = await second.invoke_async(answers_of(result))
        seen.append(told(result))
        third = self._team(kind, storage)  # the session holds a run that has ended
        seen.append(told(await third.invoke_async("once more")))
        return seen

    def _team(self, kind: str, storage: Any) -> Any:
        session = SnapshotSessionManager("s", storage=storage)
        if kind == "graph":
            return graph(durable, ("one", "asks_x"), ("asks_x", "end"), session_manager=session)
        return swarm(durable, "to_asks_x", "asks_x", session_manager=session)


@pytest.mark.slow
@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", ["graph", "swarm"])
async def test_a_session_keeps_a_team_in_a_storage_that_waits(agents: Agents, kind: str) -> None:
    model = ScriptedModel(staff)
    async with agents(workflows=[SessionWorkflow], models={"m": lambda: model}) as env:
        asked, answered, again = await env.run(SessionWorkflow.run, kind)
    assert asked["interrupts"] == [["ask x", "x"]]
    assert answered["status"] == "completed"
    assert "yes x" in str(answered["results"])
    assert again["interrupts"] == [["ask x", "x"]]


# --- Over continue-as-new


CARRIED = [kind for kind in TEAMS if "limit" not in kind]


@dataclass
class Progress:
    """Where a team stands: what its calls ended with, what it asks, and its carry."""

    seen: list[Any] = field(default_factory=list[Any])
    asked: list[Any] = field(default_factory=list[Any])
    carry: TeamCarry | None = None
    done: bool = False


@workflow.defn
class CarriedTeams:
    """Makes the calls of `in_two_calls`, each in a run of its own."""

    @workflow.run
    async def run(self, teams: dict[str, Progress]) -> dict[str, Any]:
        for kind, progress in teams.items():
            if not progress.done:
                await self._call(kind, progress)
                workflow.continue_as_new(teams)
        return {kind: progress.seen for kind, progress in teams.items()}

    async def _call(self, kind: str, progress: Progress) -> None:
        team = TEAMS[kind](durable)
        answers: Any = [
            {"interruptResponse": {"interruptId": one, "response": f"yes {reason}"}}
            for one, reason in progress.asked
        ]
        if progress.carry is not None:
            restore_team(team, progress.carry)
        result = await team.invoke_async(answers or ("go on" if progress.seen else "go"))
        progress.done = bool(progress.seen) and not answers
        progress.seen.append(told(result))
        progress.asked = [[one.id, one.reason] for one in result.interrupts]
        progress.carry = carry_team(team)


@pytest.mark.sample(1)
@pytest.mark.parametrize("half", [0, 1])
async def test_teams_go_on_in_another_run(agents: Agents, half: int) -> None:
    kinds = [*CARRIED][half::2]
    plain_model, model = ScriptedModel(staff), ScriptedModel(staff)
    plain = {kind: await in_two_calls(plain_team(plain_model, kind)) for kind in kinds}
    async with agents(workflows=[CarriedTeams], models={"m": lambda: model}) as env:
        handle = await env.start(CarriedTeams.run, {kind: Progress() for kind in kinds})
        seen = await handle.result()
        for kind in kinds:
            assert seen[kind] == plain[kind], kind
            assert (plain[kind][0]["status"] == "interrupted") is ("ask" in kind), kind
            assert seen[kind][0]["count"] == 3 or kind != "a swarm that hands over"
        first = env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        await env.assert_replays(first)
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    assert given(model) == given(plain_model)


def test_what_cannot_be_carried_or_restored_is_refused() -> None:
    team = plain_team(ScriptedModel(staff), "a diamond")
    carry = carry_team(team)
    restore_team(team, carry)
    wrong: Any = GraphBuilder()
    with pytest.raises(AgentTypeError, match=r"call .build\(\) first"):
        carry_team(wrong)
    with pytest.raises(AgentTypeError, match="is not of type TeamCarry"):
        restore_team(team, wrong)
    with pytest.raises(AgentValueError, match=r"nodes \['end', 'left', 'right'\], which the team"):
        restore_team(plain_team(ScriptedModel(staff), "a hook that asks"), carry)
