"""Questions about all calls of a message, and calls that share an id: each question is bound to what runs."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, echo
from packages.hitl.tests.what_runs_support import TOOLS, ask, with_input
from strands.hooks import BeforeToolCallEvent, BeforeToolsEvent
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, use_tools
from strands_temporal_hitl import Approvals

pytestmark = pytest.mark.server


@workflow.defn
class WholeMessageWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, growing: bool) -> str:
        agent = TemporalAgent("model", tools=TOOLS, callback_handler=None)

        def ask_once(event: BeforeToolsEvent) -> None:
            if event.interrupt("all", reason="both?") is not True:
                event.cancel = "denied"

        def grow(event: BeforeToolCallEvent) -> None:
            if growing and event.tool_use["input"]["amount"] == 2:
                with_input(event, amount=2000)

        agent.add_hook(ask_once, BeforeToolsEvent)
        agent.add_hook(grow, BeforeToolCallEvent)
        return str(await self.approvals.run(agent, "go")).strip()


@pytest.mark.parametrize("growing", [False, True])
async def test_a_question_about_a_message_shows_all_its_calls(setting: Any, growing: bool) -> None:
    calls = [("transfer", {"amount": 1}, "a"), ("transfer", {"amount": 2}, "b")]
    async with setting(ScriptedModel(use_tools(calls), echo), workflows=[WholeMessageWorkflow]) as s:
        handle, notice = await s.pause(growing, workflow_class=WholeMessageWorkflow)
        (pending,) = notice.pending
        assert (pending.tool, pending.question) == (None, "both?")
        assert [(c.tool, c.arguments) for c in pending.calls] == [
            ("transfer", {"amount": 1}),
            ("transfer", {"amount": 2}),
        ]
        await s.approver.approve(handle.id, pending, by=BY)
        if growing:
            (again,) = (await s.told.next()).pending
            assert (again.tool, again.arguments, again.calls) == ("transfer", {"amount": 2000}, [])
            await s.approver.reject(handle.id, again, by=BY)
        said = await s.end(handle)
    assert said.startswith("1 to bob\n")
    assert ("2 to bob" in said) is not growing


async def test_two_calls_of_one_id_are_two_questions(setting: Any) -> None:
    calls = [
        ("transfer", {"amount": 5, "to": "bob"}, "call_0"),
        ("transfer", {"amount": 5000, "to": "eve"}, "call_0"),
    ]
    model = ScriptedModel(use_tools(calls), echo)
    async with setting(model, workflows=[ChangingAskingWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=ChangingAskingWorkflow)
        bob, eve = sorted(notice.pending, key=lambda p: p.arguments["amount"])
        assert (bob.question, eve.question) == ("transfer 5?", "transfer 5000?")
        assert bob.digest != eve.digest
        await s.approver.approve(handle.id, bob, by=BY)
        await s.approver.reject(handle.id, eve, by=BY, reason="who is eve?")
        assert await s.end(handle) == "5 to bob\ndenied\nRejected: who is eve?"


@workflow.defn
class ChangingAskingWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", tools=TOOLS, callback_handler=None)
        agent.add_hook(ask, BeforeToolCallEvent)
        return str(await self.approvals.run(agent, "go")).strip()
