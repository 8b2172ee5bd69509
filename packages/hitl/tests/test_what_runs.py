"""People see and approve the call that runs, however hooks and middleware change it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from conftest import at_rest
from packages.hitl.tests.approvals_support import BY, echo, until
from packages.hitl.tests.what_runs_support import TOOLS, ask, estimate, with_input
from strands import Agent
from strands.hooks import BeforeToolCallEvent
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.testing import ScriptedModel, use_tool
from strands_temporal_hitl import Approvals, ApprovalsCarry, digest_of

pytestmark = pytest.mark.server


class Ways:
    """Hooks and middleware that change a call, by name. Each installs itself on a new agent."""

    def __init__(self) -> None:
        self.passes = 0

    def halved_before(self, agent: Agent) -> None:
        agent.add_hook(lambda event: with_input(event, amount=50), BeforeToolCallEvent)
        agent.add_hook(ask, BeforeToolCallEvent)

    def halved_after(self, agent: Agent) -> None:
        agent.add_hook(ask, BeforeToolCallEvent)
        agent.add_hook(lambda event: with_input(event, amount=50), BeforeToolCallEvent)

    def halved_in_place(self, agent: Agent) -> None:
        agent.add_hook(lambda event: event.tool_use["input"].update(amount=50), BeforeToolCallEvent)
        agent.add_hook(ask, BeforeToolCallEvent)

    def another_tool(self, agent: Agent) -> None:
        agent.add_hook(lambda event: setattr(event, "selected_tool", estimate), BeforeToolCallEvent)
        agent.add_hook(ask, BeforeToolCallEvent)

    def another_name(self, agent: Agent) -> None:
        agent.add_hook(
            lambda event: setattr(event, "tool_use", {**event.tool_use, "name": "estimate"}),
            BeforeToolCallEvent,
        )
        agent.add_hook(ask, BeforeToolCallEvent)

    def another_id(self, agent: Agent) -> None:
        agent.add_hook(
            lambda event: setattr(event, "tool_use", {**event.tool_use, "toolUseId": "other"}),
            BeforeToolCallEvent,
        )
        self.halved_before(agent)

    def asked_in_the_tool(self, agent: Agent) -> None:
        agent.add_hook(lambda event: with_input(event, amount=50), BeforeToolCallEvent)

    def grown_meanwhile(self, agent: Agent) -> None:
        def grow(event: BeforeToolCallEvent) -> None:
            self.passes += 1
            if self.passes > 1:
                with_input(event, amount=5000)

        agent.add_hook(grow, BeforeToolCallEvent)
        agent.add_hook(ask, BeforeToolCallEvent)

    def another_id_and_grown_meanwhile(self, agent: Agent) -> None:
        agent.add_hook(
            lambda event: setattr(event, "tool_use", {**event.tool_use, "toolUseId": "other"}),
            BeforeToolCallEvent,
        )
        self.grown_meanwhile(agent)

    def another_tool_meanwhile(self, agent: Agent) -> None:
        def switch(event: BeforeToolCallEvent) -> None:
            self.passes += 1
            if self.passes > 1:
                event.selected_tool = estimate

        agent.add_hook(switch, BeforeToolCallEvent)
        agent.add_hook(ask, BeforeToolCallEvent)

    def changed_by_middleware(self, agent: Agent) -> None:
        async def change(context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
            use: Any = {**context.tool_use, "input": {**context.tool_use["input"], "to": "eve"}}
            async for event in next_fn(context.replace(tool_use=use)):
                yield event

        agent.add_middleware(ExecuteToolStage, change)
        agent.add_hook(ask, BeforeToolCallEvent)

    def edited_by_the_answer(self, agent: Agent) -> None:
        def edit(event: BeforeToolCallEvent) -> None:
            answer = event.interrupt("edit", reason="how much?")
            with_input(event, **(answer if isinstance(answer, dict) else {"amount": answer}))

        agent.add_hook(edit, BeforeToolCallEvent)

    def not_what_the_answer_says(self, agent: Agent) -> None:
        def edit(event: BeforeToolCallEvent) -> None:
            answer = event.interrupt("edit", reason="how much?")
            with_input(event, amount=answer["amount"] * 100)

        agent.add_hook(edit, BeforeToolCallEvent)

    def more_than_the_answer(self, agent: Agent) -> None:
        def edit(event: BeforeToolCallEvent) -> None:
            with_input(event, amount=event.interrupt("edit", reason="how much?"), to="eve")

        agent.add_hook(edit, BeforeToolCallEvent)


@workflow.defn
class ChangingWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        agent = TemporalAgent("model", tools=TOOLS, callback_handler=None)
        getattr(Ways(), way)(agent)
        return str(await self.approvals.run(agent, "go")).strip()


def transfers(name: str = "transfer") -> ScriptedModel:
    return ScriptedModel(use_tool(name, {"amount": 100}), echo)


@pytest.mark.parametrize(
    ("way", "tool_name", "arguments", "result"),
    [
        ("halved_before", "transfer", {"amount": 50}, "50 to bob"),
        ("halved_after", "transfer", {"amount": 50}, "50 to bob"),
        ("halved_in_place", "transfer", {"amount": 50}, "50 to bob"),
        ("another_tool", "estimate", {"amount": 100}, "100 to bob costs 1"),
        ("another_name", "estimate", {"amount": 100}, "100 to bob costs 1"),
        ("another_id", "transfer", {"amount": 50}, "50 to bob"),
        ("asked_in_the_tool", "transfer_if_agreed", {"amount": 50}, "50: True"),
    ],
)
async def test_the_call_that_runs_is_shown(
    setting: Any, way: str, tool_name: str, arguments: Any, result: str
) -> None:
    model = transfers("transfer_if_agreed" if way == "asked_in_the_tool" else "transfer")
    async with setting(model, workflows=[ChangingWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=ChangingWorkflow)
        (pending,) = notice.pending
        assert (pending.tool, pending.arguments) == (tool_name, arguments)
        assert pending.digest == digest_of(tool_name, arguments)
        await s.approver.approve(handle.id, pending, by=BY)
        assert await s.end(handle) == result
        (record,) = await s.approver.records(handle.id)
    assert (record.tool, record.digest) == (pending.tool, pending.digest)


@pytest.mark.parametrize("verdict", ["approve", "reject", "respond"])
@pytest.mark.parametrize(
    ("way", "tool_name", "arguments", "result"),
    [
        ("grown_meanwhile", "transfer", {"amount": 5000}, "5000 to bob"),
        ("another_id_and_grown_meanwhile", "transfer", {"amount": 5000}, "5000 to bob"),
        ("another_tool_meanwhile", "estimate", {"amount": 100}, "100 to bob costs 1"),
        ("changed_by_middleware", "transfer", {"amount": 100, "to": "eve"}, "100 to eve"),
    ],
)
async def test_a_call_that_is_another_one_by_then_is_asked_about_again(
    setting: Any, way: str, tool_name: str, arguments: Any, result: str, verdict: str
) -> None:
    async with setting(transfers(), workflows=[ChangingWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=ChangingWorkflow)
        (first,) = notice.pending
        assert (first.tool, first.arguments) == ("transfer", {"amount": 100})
        await s.approver.approve(handle.id, first, by=BY)
        (again,) = (await s.told.next()).pending
        assert (again.tool, again.arguments) == (tool_name, arguments)
        assert again.digest == digest_of(tool_name, arguments)
        assert 'It was: transfer {"amount": 100}. It is now: ' in again.question
        if verdict == "respond":
            await s.approver.respond(handle.id, again, "no, never", by=BY)
        else:
            await getattr(s.approver, verdict)(handle.id, again, by=BY, reason="seen")
        said = await s.end(handle)
    denied = "The call changed after it was approved, and was not approved as it is now"
    assert said == {"approve": result, "reject": f"{denied}\nRejected: seen", "respond": denied}[verdict]


@pytest.mark.parametrize(
    ("way", "answer", "result"),
    [
        ("edited_by_the_answer", 70, "70 to bob"),
        ("edited_by_the_answer", {"amount": 70, "to": "eve"}, "70 to eve"),
        ("more_than_the_answer", 70, None),
        ("not_what_the_answer_says", {"amount": 70}, None),
        ("edited_by_the_answer", True, None),  # a bare yes carries no arguments
    ],
)
async def test_what_a_person_wrote_need_not_be_shown_to_them(
    setting: Any, way: str, answer: Any, result: str | None
) -> None:
    async with setting(transfers(), workflows=[ChangingWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=ChangingWorkflow)
        await s.approver.respond(handle.id, notice.pending[0], answer, by=BY)
        if result is None:
            (again,) = (await s.told.next()).pending
            assert again.name.startswith("changed call ")
            await handle.terminate()
            await s.assert_replays(handle)
        else:
            assert await s.end(handle) == result


# --- Over continue-as-new


@workflow.defn
class TwoQuestionsWorkflow:
    """One call asks twice, the second time in another run, where a hook changes the call."""

    @workflow.init
    def __init__(
        self, growing: bool, carry: AgentCarry | None = None, approvals: ApprovalsCarry | None = None
    ) -> None:
        self.go = False
        self.approvals = Approvals(carry=approvals)

    @workflow.run
    async def run(
        self, growing: bool, carry: AgentCarry | None = None, approvals: ApprovalsCarry | None = None
    ) -> str:
        agent = TemporalAgent("model", tools=TOOLS, callback_handler=None, carry=carry)
        again = carry is not None

        def ask_first(event: BeforeToolCallEvent) -> None:
            if event.interrupt("first", reason="first?") is not True:
                event.cancel_tool = "denied"
            event.interrupt("second", reason="a receipt too?")  # a no does not stop the call

        def grow(event: BeforeToolCallEvent) -> None:
            if growing and again:
                with_input(event, amount=5000)

        agent.add_hook(grow, BeforeToolCallEvent)
        agent.add_hook(ask_first, BeforeToolCallEvent)
        result = await self.approvals.run(
            agent, None if carry else "go", stop_waiting_when=None if carry else lambda: self.go
        )
        if result.stop_reason == "interrupt":
            kept = agent.carry()
            workflow.continue_as_new(args=[growing, kept, self.approvals.carry(kept)])
        return str(result).strip()

    @workflow.signal
    def hand_over(self) -> None:
        self.go = True


@pytest.mark.parametrize("growing", [False, True])
async def test_what_was_granted_goes_into_the_next_run(setting: Any, growing: bool) -> None:
    async with setting(transfers(), workflows=[TwoQuestionsWorkflow]) as s:
        handle, notice = await s.pause(growing, workflow_class=TwoQuestionsWorkflow)
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        (second,) = (await s.told.next()).pending
        assert second.question == "a receipt too?"
        await at_rest(handle)
        await handle.signal(TwoQuestionsWorkflow.hand_over)
        latest = s.env.client.get_workflow_handle(handle.id)
        await until(latest.describe, lambda found: found.run_id != handle.first_execution_run_id)
        await s.approver.reject(handle.id, second, by=BY)
        if growing:
            (again,) = (await s.told.next()).pending
            assert again.arguments == {"amount": 5000}
            await s.approver.approve(handle.id, again, by=BY)
        assert await s.end(handle) == f"{5000 if growing else 100} to bob"


# --- Strands' own intervention


@workflow.defn
class InterventionWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", tools=TOOLS, interventions=[HumanInTheLoop()], callback_handler=None)
        Ways().halved_before(agent)
        agent.hooks.add_callback(BeforeToolCallEvent, self.note)
        return str(await self.approvals.run(agent, "go")).strip()

    def note(self, event: BeforeToolCallEvent) -> None:
        """A hook that only observes."""


async def test_strands_own_intervention_shows_what_runs(setting: Any) -> None:
    async with setting(transfers(), workflows=[InterventionWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=InterventionWorkflow)
        assert {p.digest for p in notice.pending} == {digest_of("transfer", {"amount": 50})}
        for pending in notice.pending:
            await s.approver.approve(handle.id, pending, by=BY)
        assert await s.end(handle) == "50 to bob"
