"""Calls of sub-agents, delegates, and nodes of graphs and swarms: people see and approve what runs."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY
from strands import tool
from strands.hooks import BeforeModelCallEvent, BeforeNodeCallEvent, BeforeToolCallEvent, BeforeToolsEvent
from strands.interrupt import Interrupt, InterruptException
from strands.multiagent import GraphBuilder, MultiAgentBase, Swarm
from strands.multiagent.graph import Graph
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import Approvals, ShownCall, digest_of

pytestmark = pytest.mark.server


@tool
def refund(amount: int) -> str:
    """Refund."""
    return f"refunded {amount}"


@activity.defn
async def refund_if_agreed(amount: int, tool_context: ToolContext) -> str:
    """Refund, if a person agrees."""
    answer = tool_context.interrupt("agree", reason=f"refund {amount}?")
    return f"refunded {amount}" if answer is True else f"kept {amount}"


ACTIVITIES = [refund_if_agreed]
AMOUNTS = (5, 9000)


def script(call: ScriptedCall) -> Reply:
    """Pass a task on to the clerk, who refunds two amounts; say what came back."""
    if len(call.messages) > 1 and "toolResult" in str(call.messages[-1]["content"]):
        return say(call.text)
    for name in call.tool_names:
        if name.startswith("refund"):
            return use_tools([(name, {"amount": n}, f"call_{i}") for i, n in enumerate(AMOUNTS)])
    inner = [name for name in call.tool_names if name in ("clerk", "office")]
    return use_tools([(inner[0], {"input": "refund both"}, "call_0")])


def ask(event: BeforeToolCallEvent) -> None:
    if event.tool_use["name"] == "refund":
        amount = event.tool_use["input"]["amount"]
        if event.interrupt("approval", reason=f"refund {amount}?") is not True:
            event.cancel_tool = f"{amount} denied"


def clerk(tool_: Any = refund, name: str = "clerk") -> TemporalAgent:
    agent = TemporalAgent("model", name=name, tools=[tool_], callback_handler=None)
    agent.add_hook(ask, BeforeToolCallEvent)
    return agent


def head(inner: TemporalAgent, name: str, **options: Any) -> TemporalAgent:
    asked = inner.as_tool(name=inner.name, description="Refunds.", **options)
    return TemporalAgent("model", name=name, tools=[asked], callback_handler=None)


def one_below() -> TemporalAgent:
    return head(clerk(), "head")


def with_memory() -> TemporalAgent:
    return head(clerk(), "head", preserve_context=True)


def two_below() -> TemporalAgent:
    return head(head(clerk(), "office"), "head")


def delegated() -> TemporalAgent:
    return head(clerk(), "head", delegate=True)


def in_an_activity() -> TemporalAgent:
    return head(clerk(activity_as_tool(refund_if_agreed)), "head")


def changed_by_a_hook() -> TemporalAgent:
    inner = clerk()
    inner.hooks.add_callback(
        BeforeToolCallEvent,
        lambda event: setattr(event, "tool_use", {**event.tool_use, "input": dict(event.tool_use["input"])}),
    )
    return head(inner, "head")


WAYS: dict[str, Any] = {
    "one below": one_below,
    "with memory": with_memory,
    "two below": two_below,
    "delegated": delegated,
    "in an activity": in_an_activity,
    "a hook that copies": changed_by_a_hook,
}


@workflow.defn
class BelowWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        agent: TemporalAgent = WAYS[way]()
        return str(await self.approvals.run(agent, "go")).strip()


@pytest.mark.parametrize("way", list(WAYS))
async def test_a_sub_agents_calls_are_shown_and_decided_each(setting: Any, way: str) -> None:
    """As with the policy in docs/human-in-the-loop.md, small refunds are approved."""
    async with setting(ScriptedModel(script), workflows=[BelowWorkflow], activities=ACTIVITIES) as s:
        handle, notice = await s.pause(way, workflow_class=BelowWorkflow)
        name = "refund_if_agreed" if way == "in an activity" else "refund"
        by_amount = {pending.arguments["amount"]: pending for pending in notice.pending}
        assert sorted(by_amount) == sorted(AMOUNTS)
        for amount, pending in by_amount.items():
            assert (pending.tool, pending.agent) == (name, "clerk")
            assert pending.digest == digest_of(name, {"amount": amount})
            assert pending.question == f"refund {amount}?"
            outer = ["office", "clerk"] if way == "two below" else ["clerk"]
            assert [call.tool for call in pending.outer] == outer
            assert pending.outer[0] == ShownCall(outer[0], {"input": "refund both"}, "head")
            if pending.arguments["amount"] < 100:
                await s.approver.approve(handle.id, pending, by="policy: under 100")
            else:
                await s.approver.reject(handle.id, pending, by=BY, reason="far too much")
        said = await s.end(handle)
        records = {r.outcome: r for r in await s.approver.records(handle.id)}
    assert "refunded 5" in said
    assert "refunded 9000" not in said
    assert "Rejected: far too much" in said
    assert {r.tool for r in records.values()} == {name}
    assert {r.agent for r in records.values()} == {"clerk"}
    assert records["rejected"].digest == digest_of(name, {"amount": 9000})


# --- Changes below


@workflow.defn
class GrowingBelowWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        inner = clerk()
        seen: list[int] = []

        def grow(event: BeforeToolCallEvent) -> None:
            if event.tool_use["input"]["amount"] == 5:
                seen.append(5)
                if len(seen) > 1:
                    event.tool_use = {**event.tool_use, "input": {"amount": 500}}

        inner.hooks.add_callback(BeforeToolCallEvent, grow, order=-1)
        agent = head(inner, "head") if way == "one below" else head(head(inner, "office"), "head")
        return str(await self.approvals.run(agent, "go")).strip()


@pytest.mark.parametrize("way", ["one below", "two below"])
async def test_a_call_below_that_changes_is_asked_about_again(setting: Any, way: str) -> None:
    async with setting(ScriptedModel(script), workflows=[GrowingBelowWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=GrowingBelowWorkflow)
        for pending in notice.pending:
            await s.approver.approve(handle.id, pending, by=BY)
        (again,) = (await s.told.next()).pending
        assert (again.tool, again.arguments, again.agent) == ("refund", {"amount": 500}, "clerk")
        assert again.outer[-1].tool == "clerk"
        await s.approver.reject(handle.id, again, by=BY, reason="it grew")
        said = await s.end(handle)
    assert "refunded 9000" in said
    assert "refunded 5" not in said
    assert "Rejected: it grew" in said


@workflow.defn
class AskedAtNoCallWorkflow:
    """A sub-agent's hooks ask before it begins, and about a whole message."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        inner = TemporalAgent("model", name="clerk", tools=[refund], callback_handler=None)

        def ask_all(event: BeforeToolsEvent) -> None:
            if event.interrupt("all", reason="both?") is not True:
                event.cancel = "denied"

        begun: list[str] = []

        def ask_first(event: BeforeModelCallEvent) -> None:
            if not begun:
                begun.append("asked")
                raise InterruptException(Interrupt("first", "first", "begin?"))

        inner.add_hook(ask_all, BeforeToolsEvent)
        inner.add_hook(ask_first, BeforeModelCallEvent)
        return str(await self.approvals.run(head(inner, "head"), "go")).strip()


async def test_questions_below_at_no_call_show_what_there_is(setting: Any) -> None:
    async with setting(ScriptedModel(script), workflows=[AskedAtNoCallWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=AskedAtNoCallWorkflow)
        (begin,) = notice.pending
        assert (begin.question, begin.tool, begin.calls) == ("begin?", None, [])
        assert [call.tool for call in begin.outer] == ["clerk"]
        await s.approver.approve(handle.id, begin, by=BY)
        (both,) = (await s.told.next()).pending
        assert (both.question, both.tool, both.agent) == ("both?", None, "clerk")
        assert [call.arguments["amount"] for call in both.calls] == list(AMOUNTS)
        await s.approver.approve(handle.id, both, by=BY)
        assert await s.end(handle) == "refunded 5\nrefunded 9000"


# --- Graphs and swarms


def graph(**nodes: Any) -> Graph:
    builder = GraphBuilder()
    for name, executor in nodes.items():
        builder.add_node(executor, name)
    return builder.set_max_node_executions(9).build()


MULTI: dict[str, Any] = {
    "a graph": lambda: graph(one=clerk()),
    "a swarm": lambda: Swarm([clerk(name="one")]),
    "a node's sub-agent": lambda: graph(one=head(clerk(), "head")),
    "a graph in a graph": lambda: graph(inner=graph(one=clerk())),
}


@workflow.defn
class NodesWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> list[Any]:
        executor: MultiAgentBase = MULTI[way]()
        result = await self.approvals.run(executor, "go")
        return [result.status.value, str(result)]


@pytest.mark.parametrize("way", list(MULTI))
async def test_the_calls_of_nodes_are_shown_and_decided_each(setting: Any, way: str) -> None:
    async with setting(ScriptedModel(script), workflows=[NodesWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=NodesWorkflow)
        below = way == "a node's sub-agent"
        for pending in sorted(notice.pending, key=lambda p: p.arguments["amount"]):
            assert (pending.tool, pending.agent) == ("refund", "clerk" if below else "one")
            assert [call.agent for call in pending.outer] == (["one"] if below else [])
            verdict = s.approver.approve if pending.arguments["amount"] < 100 else s.approver.reject
            await verdict(handle.id, pending, by=BY, reason="so be it")
        status, said = await s.end(handle)
    assert status == "completed"
    assert "refunded 5" in said
    assert "9000 denied\nRejected: so be it" in said
    assert "refunded 9000" not in said


@workflow.defn
class TwoNodesWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        return str(await self.approvals.run(graph(one=clerk(), two=clerk()), "go"))


@pytest.mark.parametrize("rejected", [None, 0, 1])
async def test_of_two_nodes_that_ask_under_one_id_both_run_or_none(
    setting: Any, rejected: int | None
) -> None:
    """Strands gives one answer to both. A yes to one of them must not count for the other."""
    async with setting(ScriptedModel(script), workflows=[TwoNodesWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=TwoNodesWorkflow)
        assert len(notice.pending) == 4
        assert len({pending.id for pending in notice.pending}) == 4
        assert sorted(pending.agent for pending in notice.pending) == ["one", "one", "two", "two"]
        small = [pending for pending in notice.pending if pending.arguments["amount"] == 5]
        for pending in notice.pending:
            no = rejected is not None and pending == small[rejected]
            verdict = s.approver.reject if no else s.approver.approve
            await verdict(handle.id, pending, by=BY)
        said = await s.end(handle)
    assert said.count("refunded 9000") == 2
    assert said.count("refunded 5") == (2 if rejected is None else 0)
    assert said.count("5 denied") == (0 if rejected is None else 2)


@workflow.defn
class AskedBeforeANodeWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        asked = graph(one=clerk())

        def ask_node(event: BeforeNodeCallEvent) -> None:
            if event.interrupt("node", reason=f"run {event.node_id}?") is not True:
                event.cancel_node = "denied"

        asked.hooks.add_callback(BeforeNodeCallEvent, ask_node)
        return str(await self.approvals.run(asked, "go"))


async def test_a_question_about_a_node_itself(setting: Any) -> None:
    async with setting(ScriptedModel(lambda call: say("done")), workflows=[AskedBeforeANodeWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=AskedBeforeANodeWorkflow)
        (pending,) = notice.pending
        assert (pending.question, pending.tool, pending.agent) == ("run one?", None, "one")
        await s.approver.approve(handle.id, pending, by=BY)
        assert "done" in await s.end(handle)


class OwnTeam(MultiAgentBase):
    """A team that is neither a graph nor a swarm."""

    id = "own"

    async def invoke_async(self, task: Any, invocation_state: Any = None, **kwargs: Any) -> Any: ...

    def serialize_state(self) -> Any: ...

    def deserialize_state(self, payload: Any) -> None: ...


@workflow.defn
class OwnTeamWorkflow:
    @workflow.run
    async def run(self) -> None:
        await Approvals().run(OwnTeam(), "go", stop_waiting_when=lambda: True)


async def test_a_team_of_another_kind_cannot_be_handed_over(setting: Any) -> None:
    async with setting(ScriptedModel(script), workflows=[OwnTeamWorkflow]) as s:
        with pytest.raises(WorkflowFailureError) as caught:
            await s.env.run(OwnTeamWorkflow.run)
    cause: Any = caught.value.cause
    assert cause.type == "AgentTypeError"
    assert "is for agents, graphs and swarms. A OwnTeam cannot be carried" in cause.message
