"""Graphs and swarms that wait for people and continue as new: answered in a later run, each call once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, chain, until
from packages.hitl.tests.carried_support import hand_over, is_settled
from packages.hitl.tests.test_what_runs_below import ask, graph, head, script
from strands.hooks import BeforeNodeCallEvent, BeforeToolCallEvent
from strands.multiagent import Swarm
from strands.multiagent.graph import Graph
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays, say
from strands_temporal.workflow import TeamCarry, activity_as_tool, carry_team, restore_team
from strands_temporal_hitl import Approvals, ApprovalsCarry, digest_of

pytestmark = pytest.mark.server

paid: list[int] = []


@activity.defn(name="refund")
async def pay(amount: int) -> str:
    """Refund."""
    paid.append(amount)
    return f"refunded {amount}"


def crew(call: ScriptedCall) -> Reply:
    """The greeter greets; the others do as in the tests of what runs below."""
    return script(call) if call.tool_names else say("welcome")


def payer(name: str = "clerk") -> TemporalAgent:
    tools = [activity_as_tool(pay, name="refund")]
    agent = TemporalAgent("model", name=name, tools=tools, callback_handler=None)
    agent.add_hook(ask, BeforeToolCallEvent)
    return agent


def greeter() -> TemporalAgent:
    return TemporalAgent("model", name="greeter", callback_handler=None)


def asked_first(team: Any) -> Any:
    """Let a hook ask before the node `one` begins."""

    def ask_node(event: BeforeNodeCallEvent) -> None:
        if event.node_id == "one" and event.interrupt("node", reason="run one?") is not True:
            event.cancel_node = "denied"

    team.hooks.add_callback(BeforeNodeCallEvent, ask_node)
    return team


TEAMS: dict[str, Any] = {
    "a graph": lambda: graph(greeter=greeter(), one=payer("one")),
    "a swarm": lambda: Swarm([payer("one")]),
    "a node's sub-agent": lambda: graph(greeter=greeter(), one=head(payer(), "head")),
    "a graph in a graph": lambda: graph(inner=graph(greeter=greeter(), one=payer("one"))),
    "a node": lambda: asked_first(graph(greeter=greeter(), one=payer("one"))),
}


@dataclass
class TeamTask:
    way: str
    prompt: str | None = "go"
    team: TeamCarry | None = None
    approvals: ApprovalsCarry | None = None


@workflow.defn
class CarriedTeamWorkflow:
    """Continues as new while its team waits, on the test's signal."""

    @workflow.init
    def __init__(self, task: TeamTask) -> None:
        self.approvals = Approvals(deadline=timedelta(days=7), carry=task.approvals)
        self.team: Graph = TEAMS[task.way]()  # or a swarm
        if task.team is not None:
            restore_team(self.team, task.team)
        self.handing_over = False

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.run
    async def run(self, task: TeamTask) -> list[Any]:
        result = await self.approvals.run(self.team, task.prompt, stop_waiting_when=lambda: self.handing_over)
        if result.status.value == "interrupted":
            assert result.interrupts
            await workflow.wait_condition(workflow.all_handlers_finished)
            carry = carry_team(self.team)
            workflow.continue_as_new(TeamTask(task.way, None, carry, self.approvals.carry(carry)))
        return [result.status.value, sorted(result.results), str(result), self.approvals.records]


SLOW = [pytest.param(way, marks=pytest.mark.slow) for way in TEAMS if way != "a graph"]


@pytest.mark.parametrize("way", ["a graph", *SLOW])
async def test_a_team_that_waits_is_handed_over_and_answered_in_a_later_run(setting: Any, way: str) -> None:
    """Two questions: one is answered in the first run, the other in the third."""
    paid.clear()
    model = ScriptedModel(crew)
    async with setting(model, workflows=[CarriedTeamWorkflow], activities=[pay]) as s:
        handle = await s.env.start(CarriedTeamWorkflow.run, TeamTask(way))
        if way == "a node":
            (node,) = (await s.told.next()).pending
            await hand_over(handle)
            await until(handle.describe, is_settled)
            assert [one.question for one in await s.approver.pending(handle.id)] == ["run one?"]
            await s.approver.approve(handle.id, node, by=BY)
        small, large = sorted((await s.told.next()).pending, key=lambda one: one.arguments["amount"])
        asked = len(model.calls)
        await s.approver.approve(handle.id, small, by=BY)
        await hand_over(handle)
        await until(handle.describe, is_settled)
        assert await s.approver.pending(handle.id) == [large], "with its call, its agent and its deadline"
        await hand_over(handle)
        assert s.told.notices.empty(), "people are told once"
        assert len(model.calls) == asked
        await s.approver.reject(handle.id, large, by=BY, reason="so be it")
        client = s.env.client
        status, nodes, said, records = await client.get_workflow_handle(handle.id).result()
        for history in await chain(handle):
            await assert_replays(history, [CarriedTeamWorkflow])
    assert status == "completed"
    assert "refunded 5" in said
    assert "9000 denied\nRejected: so be it" in said
    assert paid == [5]
    assert set(nodes) == ({"inner"} if way == "a graph in a graph" else {"one"} | set(nodes))
    outcomes = {record["outcome"]: record["digest"] for record in records if record["digest"]}
    assert outcomes == {
        "approved": digest_of("refund", {"amount": 5}),
        "rejected": digest_of("refund", {"amount": 9000}),
    }
    before_answers = {"a node's sub-agent": 3, "a swarm": 1}.get(way, 2)
    assert asked == before_answers, "no node runs again"
