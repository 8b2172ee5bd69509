"""People see and approve the call that runs later, in another run of the workflow or in the background."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from conftest import at_rest
from packages.hitl.tests.approvals_support import BY, until
from strands import ToolContext, tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolSpec, ToolUse
from temporalio import workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal_hitl import Approvals, ApprovalsCarry, digest_of

pytestmark = pytest.mark.server


@tool
def refund(amount: int) -> str:
    """Refund."""
    return f"refunded {amount}"


@tool(context=True)
def refund_if_agreed(amount: int, tool_context: ToolContext) -> str:
    """Refund, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('agree', reason='agree?')}"


def ask(event: BeforeToolCallEvent) -> None:
    if event.tool_use["name"] == "refund":
        amount = event.tool_use["input"]["amount"]
        if event.interrupt("approval", reason=f"refund {amount}?") is not True:
            event.cancel_tool = f"{amount} denied"


# --- A sub-agent's call, in the next run


def script(call: ScriptedCall) -> Reply:
    if "toolResult" in str(call.messages[-1]["content"]):
        return say(call.text)
    name = call.tool_names[0]
    return use_tool(name, {"input": "go"} if name == "clerk" else {"amount": 5}, tool_use_id="call_0")


@workflow.defn
class HandedOverWorkflow:
    @workflow.init
    def __init__(
        self, growing: bool, carry: AgentCarry | None = None, approvals: ApprovalsCarry | None = None
    ) -> None:
        self.go = False
        self.approvals = Approvals(carry=approvals)
        clerk = TemporalAgent("model", name="clerk", tools=[refund], callback_handler=None)

        def grow(event: BeforeToolCallEvent) -> None:
            if growing and carry is not None:
                event.tool_use = {**event.tool_use, "input": {"amount": 500}}

        clerk.add_hook(grow, BeforeToolCallEvent)
        clerk.add_hook(ask, BeforeToolCallEvent)
        tools = [clerk.as_tool(name="clerk", description="Refunds.")]
        self.agent = TemporalAgent("model", name="head", tools=tools, carry=carry, callback_handler=None)

    @workflow.run
    async def run(
        self, growing: bool, carry: AgentCarry | None = None, approvals: ApprovalsCarry | None = None
    ) -> str:
        hand_over = None if carry else lambda: self.go
        result = await self.approvals.run(self.agent, None if carry else "go", stop_waiting_when=hand_over)
        if result.stop_reason == "interrupt":
            kept = self.agent.carry()
            workflow.continue_as_new(args=[growing, kept, self.approvals.carry(kept)])
        return str(result).strip()

    @workflow.signal
    def hand_over(self) -> None:
        self.go = True


async def handed_over(s: Any, growing: bool) -> tuple[Any, Any]:
    handle, notice = await s.pause(growing, workflow_class=HandedOverWorkflow)
    await at_rest(handle)  # otherwise the next run tells the notifier again
    await handle.signal(HandedOverWorkflow.hand_over)
    latest = s.env.client.get_workflow_handle(handle.id)
    await until(latest.describe, lambda found: found.run_id != handle.first_execution_run_id)
    (pending,) = await s.approver.pending(handle.id)
    assert pending == notice.pending[0]
    assert (pending.tool, pending.arguments, pending.agent) == ("refund", {"amount": 5}, "clerk")
    return handle, pending


async def test_a_reason_goes_to_the_sub_agents_call_in_the_next_run(setting: Any) -> None:
    model = ScriptedModel(script)
    async with setting(model, workflows=[HandedOverWorkflow]) as s:
        handle, pending = await handed_over(s, False)
        await s.approver.reject(handle.id, pending, by=BY, reason="not today")
        assert await s.end(handle) == "5 denied\nRejected: not today"
    assert "Rejected: not today" in model.calls[2].text  # the clerk read it


@pytest.mark.parametrize("growing", [False, True])
async def test_a_sub_agents_call_is_bound_in_the_next_run(setting: Any, growing: bool) -> None:
    async with setting(ScriptedModel(script), workflows=[HandedOverWorkflow]) as s:
        handle, pending = await handed_over(s, growing)
        await s.approver.approve(handle.id, pending, by=BY)
        if growing:
            (again,) = (await s.told.next()).pending
            assert (again.tool, again.arguments, again.agent) == ("refund", {"amount": 500}, "clerk")
            assert [call.tool for call in again.outer] == ["clerk"]
            await s.approver.approve(handle.id, again, by=BY)
        assert await s.end(handle) == ("refunded 500" if growing else "refunded 5")


# --- Background tasks


@workflow.defn
class BackgroundWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, config: Any) -> str:
        agent = TemporalAgent(
            "model", tools=[refund, refund_if_agreed, Asks()], background_tasks=config, callback_handler=None
        )
        agent.add_hook(ask, BeforeToolCallEvent)
        said: list[str] = []
        agent.add_hook(lambda event: said.append(str(event.result["content"][0])), AfterToolCallEvent)
        await self.approvals.run(agent, "go")
        return " ".join(said)


def in_the_background(name: str, **arguments: Any) -> ScriptedModel:
    def answer(call: ScriptedCall) -> Reply:
        return use_tool(name, {"amount": 5, **arguments}) if len(call.messages) == 1 else say("done")

    return ScriptedModel(answer)


async def test_what_a_background_task_asks_shows_its_call(setting: Any) -> None:
    model = in_the_background("refund_if_agreed")
    async with setting(model, workflows=[BackgroundWorkflow]) as s:
        handle, notice = await s.pause({"always": ["*"]}, workflow_class=BackgroundWorkflow)
        (pending,) = notice.pending
        assert (pending.tool, pending.arguments) == ("refund_if_agreed", {"amount": 5})
        await s.approver.approve(handle.id, pending, by=BY)
        assert "5: True" in await s.end(handle)


class Asks(AgentTool):
    """A tool that raises its question as an exception, like a tool hosted on the worker."""

    @property
    def tool_name(self) -> str:
        return "asks"

    @property
    def tool_spec(self) -> ToolSpec:
        return {"name": "asks", "description": "Ask.", "inputSchema": {"json": {"type": "object"}}}

    @property
    def tool_type(self) -> str:
        return "python"

    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        answer = kwargs["_tool_context"].interrupt("agree", reason="agree?")
        yield ToolResultEvent(
            {
                "toolUseId": tool_use["toolUseId"],
                "status": "success",
                "content": [{"text": f"agreed: {answer}"}],
            }
        )


async def test_what_a_background_task_asks_by_an_exception_shows_its_call(setting: Any) -> None:
    async with setting(in_the_background("asks"), workflows=[BackgroundWorkflow]) as s:
        handle, notice = await s.pause({"always": ["*"]}, workflow_class=BackgroundWorkflow)
        (pending,) = notice.pending
        assert (pending.tool, pending.arguments) == ("asks", {"amount": 5})
        await s.approver.approve(handle.id, pending, by=BY)
        assert "agreed: True" in await s.end(handle)


async def test_the_models_choice_of_the_background_is_no_argument(setting: Any) -> None:
    """Strands removes this argument after the hooks. The call that runs is still the one that people saw."""
    model = in_the_background("refund", _background_execution=True)
    async with setting(model, workflows=[BackgroundWorkflow]) as s:
        handle, notice = await s.pause({"agentic": ["*"]}, workflow_class=BackgroundWorkflow)
        (pending,) = notice.pending
        assert (pending.tool, pending.arguments) == ("refund", {"amount": 5})
        assert pending.digest == digest_of("refund", {"amount": 5})
        await s.approver.approve(handle.id, pending, by=BY)
        assert "refunded 5" in await s.end(handle)
        assert len(await s.approver.records(handle.id)) == 1


async def test_a_hooks_question_about_a_background_call_takes_an_edit(setting: Any) -> None:
    model = in_the_background("refund")
    async with setting(model, workflows=[BackgroundWorkflow]) as s:
        handle, notice = await s.pause({"always": ["*"]}, workflow_class=BackgroundWorkflow)
        await s.approver.edit(handle.id, notice.pending[0], {"amount": 3}, by=BY)
        assert "refunded 3" in await s.end(handle)


# --- A call that a hook repeats


@workflow.defn
class AgainWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, growing: bool) -> str:
        agent = TemporalAgent("model", tools=[refund], callback_handler=None)
        made: list[Any] = []

        def grow(event: BeforeToolCallEvent) -> None:
            if growing and made:
                event.tool_use = {**event.tool_use, "input": {"amount": 500}}

        def again(event: AfterToolCallEvent) -> None:
            made.append(event.tool_use["input"]["amount"])
            event.retry = len(made) == 1

        agent.add_hook(grow, BeforeToolCallEvent)
        agent.add_hook(ask, BeforeToolCallEvent)
        agent.add_hook(again, AfterToolCallEvent)
        await self.approvals.run(agent, "go")
        return str(made)


@pytest.mark.parametrize("growing", [False, True])
async def test_a_call_that_a_hook_has_made_again_is_bound_too(setting: Any, growing: bool) -> None:
    async with setting(ScriptedModel(script), workflows=[AgainWorkflow]) as s:
        handle, notice = await s.pause(growing, workflow_class=AgainWorkflow)
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        if growing:
            (again,) = (await s.told.next()).pending
            assert again.arguments == {"amount": 500}
            await s.approver.approve(handle.id, again, by=BY)
        assert await s.end(handle) == ("[5, 500]" if growing else "[5, 5]")
