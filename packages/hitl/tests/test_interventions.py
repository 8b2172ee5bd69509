"""Sources of questions: Strands' own intervention, the guide's way, and activities."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import BY, delete_file, deletes, echo
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import (
    ScriptedModel,
    use_tool,
)
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import (
    Approvals,
)

pytestmark = pytest.mark.server


@workflow.defn
class HumanInTheLoopWorkflow:
    """Strands' own intervention, unchanged."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "model",
            tools=[delete_file],
            interventions=[HumanInTheLoop(enable_trust=True)],
            callback_handler=None,
        )
        first = await self.approvals.run(agent, "go")
        second = await self.approvals.run(agent, "again")
        return f"{str(first).strip()} | {str(second).strip()}"


# --- Strands' HumanInTheLoop


async def test_strands_human_in_the_loop_is_driven_unchanged(setting: Any) -> None:
    script = [use_tool("delete_file", {"path": f"/{i}"}, tool_use_id=f"use-{i}") for i in range(3)]
    model = ScriptedModel(
        script[0], script[1], script[2], echo, use_tool("delete_file", {"path": "/3"}), echo
    )
    async with setting(model, workflows=[HumanInTheLoopWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=HumanInTheLoopWorkflow)
        assert notice.pending[0].name == HumanInTheLoop.name
        assert notice.pending[0].question == 'Approve "delete_file"?\n  Input: {"path": "/0"}'
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        notice = await s.told.next()
        assert model.calls[1].text == "deleted /0"
        await s.approver.reject(handle.id, notice.pending[0], by=BY, reason="yes, but not now")
        notice = await s.told.next()
        assert model.calls[2].text.startswith('CONFIRMATION_FAILED: Approve "delete_file"?')
        assert model.calls[2].text.endswith("Rejected: yes, but not now")
        await s.approver.respond(handle.id, notice.pending[0], "trust", by=BY)
        # Trusted from now on: the second prompt's call asks nobody.
        assert await s.end(handle) == "deleted /2 | deleted /3"


@workflow.defn
class PlainResumeWorkflow:
    """The guide's way: a signal's answer, and `invoke_async` with responses."""

    def __init__(self) -> None:
        self.answer: str | None = None

    @workflow.signal
    def approve(self, answer: str) -> None:
        self.answer = answer

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "model", tools=[delete_file], interventions=[HumanInTheLoop()], callback_handler=None
        )
        result = await agent.invoke_async("go")
        while result.stop_reason == "interrupt":
            await workflow.wait_condition(lambda: self.answer is not None)
            answers: Any = [
                {"interruptResponse": {"interruptId": interrupt.id, "response": self.answer}}
                for interrupt in result.interrupts or ()
            ]
            self.answer = None
            result = await agent.invoke_async(answers)
        return str(result).strip()


@pytest.mark.parametrize(("answer", "text"), [("y", "deleted /etc"), ("n", "CONFIRMATION_FAILED")])
async def test_strands_human_in_the_loop_with_plain_resume(agents: Agents, answer: str, text: str) -> None:
    model = deletes("/etc")
    async with agents(workflows=[PlainResumeWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(PlainResumeWorkflow.run)
        await handle.signal(PlainResumeWorkflow.approve, answer)
        assert (await asyncio.wait_for(handle.result(), 30)).startswith(text)
        await env.assert_replays(handle)


# --- Activities


@activity.defn
async def drop_table(name: str, tool_context: ActivityToolContext) -> str:
    """Drop a table."""
    approved = tool_context.interrupt("approval", reason=f"drop {name}?")
    return f"dropped {name}" if approved is True else f"kept {name}"


@workflow.defn
class ActivityWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", tools=[activity_as_tool(drop_table)], callback_handler=None)
        return str(await self.approvals.run(agent, "go")).strip()


@pytest.mark.parametrize(
    ("verdict", "text"), [("approve", "dropped t"), ("reject", "kept t\nRejected: too dear")]
)
async def test_an_activity_reads_the_decision(setting: Any, verdict: str, text: str) -> None:
    model = ScriptedModel(use_tool("drop_table", {"name": "t"}), echo)
    async with setting(model, workflows=[ActivityWorkflow], activities=[drop_table]) as s:
        handle, notice = await s.pause(workflow_class=ActivityWorkflow)
        (pending,) = notice.pending
        assert (pending.question, pending.tool, pending.arguments) == ("drop t?", "drop_table", {"name": "t"})
        await getattr(s.approver, verdict)(handle.id, pending, by=BY, reason="too dear")
        assert await s.end(handle) == text
