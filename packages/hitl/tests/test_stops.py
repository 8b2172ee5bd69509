"""A stop while people are asked, or during an approved call: the wait ends, and the agent stays usable."""

import asyncio
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, refused
from strands import Agent, tool
from strands.hooks import BeforeToolCallEvent, BeforeToolsEvent
from temporalio import activity, workflow

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import CancelSignal, activity_as_tool
from strands_temporal_hitl import Approvals

pytestmark = pytest.mark.server

SOON = 30
paying = asyncio.Event()


@pytest.fixture(autouse=True)
def _forget() -> None:
    paying.clear()


@activity.defn
async def pay(amount: int) -> str:
    """Pay. The first call takes until it is cancelled."""
    if not paying.is_set():
        paying.set()
        await asyncio.sleep(SOON)
    return f"paid {amount}"


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
def refund(amount: int) -> str:
    """Refund."""
    return f"refunded {amount}"


def script(call: ScriptedCall) -> Reply:
    """Ask for every tool in each turn, each time under the same ids."""
    if "toolResult" in str(call.messages[-1]["content"]):
        return say(call.text)
    arguments: dict[str, Any] = {"add": {"a": 1, "b": 2}, "clerk": {"input": "go"}}
    names = call.tool_names
    return use_tools(
        [(name, arguments.get(name, {"amount": 5}), f"call_{i}") for i, name in enumerate(names)]
    )


def ask(event: BeforeToolCallEvent) -> None:
    if event.tool_use["name"] == "refund" and event.interrupt("approval", reason="refund?") is not True:
        event.cancel_tool = "denied"


def ask_of_all(event: BeforeToolsEvent) -> None:
    if event.interrupt("all", reason="all?") is not True:
        event.cancel = "all denied"


def ask_to_pay(event: BeforeToolCallEvent) -> None:
    if event.tool_use["name"] == "pay" and event.interrupt("approval", reason="pay?") is not True:
        event.cancel_tool = "denied"


def asking(*hooks: Any, tools: Any = (add, refund), plain: bool = False, name: str = "agent") -> Any:
    model = TemporalModel("model")
    kind: Any = Agent if plain else TemporalAgent
    agent = kind(model=model, tools=list(tools), name=name, callback_handler=None)
    for hook in hooks:
        agent.add_hook(hook)
    return agent


def with_a_clerk(plain: bool, preserve: bool = True) -> Any:
    clerk = asking(ask, plain=plain, name="clerk").as_tool(
        name="clerk", description="Refunds.", preserve_context=preserve
    )
    return asking(tools=[clerk])


WAYS: dict[str, Any] = {
    "a hook": lambda: asking(ask),
    "a plain agent": lambda: asking(ask, plain=True),
    "a whole message": lambda: asking(ask_of_all),
    "a clerk": lambda: with_a_clerk(plain=False),
    "a plain clerk": lambda: with_a_clerk(plain=True),
    "in an approved tool": lambda: asking(ask_to_pay, tools=[add, activity_as_tool(pay)]),
    "in a plain agent's approved tool": lambda: asking(
        ask_to_pay, tools=[add, activity_as_tool(pay)], plain=True
    ),
    "beside the question": lambda: asking(ask, tools=[refund, activity_as_tool(pay)]),
}


@workflow.defn
class StoppedWorkflow:
    """Stops its agent in the first turn, and then has a second turn."""

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.signal = CancelSignal()
        self.agent: Any = None

    @workflow.run
    async def run(self, way: str, by_signal: bool = False) -> list[Any]:
        agent: TemporalAgent = WAYS[way]()
        self.agent = agent
        options: dict[str, Any] = {"cancel_signal": self.signal} if by_signal else {}
        first: Any = await self.approvals.run(agent, "go", **options)
        said = self.results()
        self.signal.clear()
        second: Any = await self.approvals.run(agent, "go", **options)
        return [first.stop_reason, said, second.stop_reason, self.results()[len(said) :], str(second).strip()]

    def results(self) -> list[str]:
        return [
            f"{block['toolResult']['toolUseId']} {block['toolResult']['status']}"
            for message in self.agent.messages
            for block in message["content"]
            if "toolResult" in block
        ]

    @workflow.signal
    def stop(self, by_signal: bool = False) -> None:
        if by_signal:
            self.signal.set()
        else:
            self.agent.cancel()


ASKED = ["a hook", "a plain agent", "a whole message", "a clerk", "a plain clerk"]


@pytest.mark.sample(5)
@pytest.mark.parametrize("by_signal", [False, True], ids=["cancel", "signal"])
@pytest.mark.parametrize("way", ASKED)
async def test_a_stop_while_people_are_asked_withdraws_what_they_were_asked(
    setting: Any, way: str, by_signal: bool
) -> None:
    async with setting(ScriptedModel(script), workflows=[StoppedWorkflow], activities=[pay]) as s:
        handle, notice = await s.pause(way, by_signal, workflow_class=StoppedWorkflow)
        (pending,) = notice.pending
        await handle.signal(StoppedWorkflow.stop, by_signal)
        (again,) = (await s.told.next()).pending  # of the second turn
        assert again.id != pending.id
        late = await refused(s.approver.approve(handle.id, pending, by=BY))
        assert late.kind == "AlreadyDecided"
        assert "is already withdrawn" in str(late)
        (record,) = await s.approver.records(handle.id)
        assert (record.outcome, record.reason, record.by) == ("withdrawn", "The agent was stopped", "")
        await s.approver.approve(handle.id, again, by=BY)
        first, said, second, said_then, text = await s.end(handle)
    assert (first, second) == ("cancelled", "end_turn")
    if "clerk" in way:
        assert (said, said_then) == (["call_0 error"], ["call_0 success"])
    else:
        statuses = ["error", "error"] if way == "a whole message" else ["success", "error"]
        assert said == [f"call_{i} {status}" for i, status in enumerate(statuses)]
        assert said_then == ["call_0 success", "call_1 success"]
    assert "refunded 5" in text


@pytest.mark.parametrize("way", ["in an approved tool", "in a plain agent's approved tool"])
async def test_a_stop_in_an_approved_tool(setting: Any, way: str) -> None:
    async with setting(ScriptedModel(script), workflows=[StoppedWorkflow], activities=[pay]) as s:
        handle, notice = await s.pause(way, workflow_class=StoppedWorkflow)
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        await asyncio.wait_for(paying.wait(), SOON)
        await handle.signal(StoppedWorkflow.stop)
        (again,) = (await s.told.next()).pending
        await s.approver.approve(handle.id, again, by=BY)
        result = await s.end(handle)
        outcomes = [record.outcome for record in await s.approver.records(handle.id)]
    assert outcomes == ["approved", "approved"]
    whole = ["call_0 success", "call_1 success"]
    assert result == ["cancelled", ["call_0 success", "call_1 error"], "end_turn", whole, "3\npaid 5"]


async def test_a_stop_that_comes_with_the_question(setting: Any) -> None:
    """One call asks; the other runs and is stopped. Strands reports the question and forgets the stop."""
    async with setting(ScriptedModel(script), workflows=[StoppedWorkflow], activities=[pay]) as s:
        handle = await s.env.start(StoppedWorkflow.run, "beside the question")
        await asyncio.wait_for(paying.wait(), SOON)
        await handle.signal(StoppedWorkflow.stop)
        notice = await s.told.next()  # of the second turn: nobody was asked in the first
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        first, said, second, said_then, _ = await s.end(handle)
        records = await s.approver.records(handle.id)
    assert [record.outcome for record in records] == ["withdrawn", "approved"]
    assert (first, second) == ("cancelled", "end_turn")
    assert sorted(said) == ["call_0 error", "call_1 error"]
    assert sorted(said_then) == ["call_0 success", "call_1 success"]
