"""The guide's human in the loop: a query shows the question of a hook or an activity; a signal answers it."""

import asyncio
import logging
from datetime import timedelta
from typing import Any, Optional

import pytest
from conftest import Agents
from strands import tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.interrupt import Interrupt, InterruptException
from strands.types.interrupt import InterruptResponseContent
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from strands_temporal import TemporalAgent
from strands_temporal.testing import AgentEnvironment, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

APPROVED: set[str] = set()


@tool
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


@activity.defn
async def delete_thing(name: str) -> str:
    """Delete a thing, when it was asked before."""
    if name not in APPROVED:
        APPROVED.add(name)
        raise InterruptException(Interrupt(id=f"delete:{name}", name="approval", reason=f"delete {name}?"))
    return f"deleted {name}"


class ApprovalHook(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        registry.add_callback(BeforeToolCallEvent, self._gate)

    def _gate(self, event: BeforeToolCallEvent[Any]) -> None:
        if event.tool_use["name"] != "delete_file":
            return
        path = event.tool_use["input"]["path"]
        if event.interrupt("approval", reason=f"delete {path}?") != "approve":
            event.cancel_tool = "denied"


@workflow.defn
class HumanInTheLoopWorkflow:
    def __init__(self) -> None:
        thing = activity_as_tool(delete_thing, start_to_close_timeout=timedelta(seconds=30))
        self.agent = TemporalAgent(
            model="m",
            start_to_close_timeout=timedelta(seconds=60),
            tools=[delete_file, thing],
            hooks=[ApprovalHook()],
        )
        self._approval: Optional[str] = None  # noqa: UP045  # as the guide has it: Temporal reads the hints
        self._reasons: list[str] = []

    @workflow.signal
    def approve(self, response: str) -> None:
        self._approval = response

    @workflow.query
    def pending_approval(self) -> Optional[str]:  # noqa: UP045
        return " ".join(self._reasons) or None

    @workflow.run
    async def run(self, prompt: str) -> str:
        result = await self.agent.invoke_async(prompt)
        while result.stop_reason == "interrupt":
            interrupts = list(result.interrupts or [])
            self._reasons = [interrupt.reason for interrupt in interrupts]
            await workflow.wait_condition(lambda: self._approval is not None)
            response, self._approval, self._reasons = self._approval, None, []
            responses: list[InterruptResponseContent] = [
                {"interruptResponse": {"interruptId": i.id, "response": response}} for i in interrupts
            ]
            result = await self.agent.invoke_async(responses)
        return str(result)


async def pending(handle: "WorkflowHandle[Any, Any]") -> str:
    """Wait at most ten seconds until the workflow asks; return its question."""
    for _ in range(500):
        if reason := await handle.query(HumanInTheLoopWorkflow.pending_approval):
            return reason
        await asyncio.sleep(0.02)
    raise AssertionError("nothing is pending")


async def answered(env: AgentEnvironment, response: str, asked: str) -> str:
    """Run the workflow, answer its one question, replay it, and return its result."""
    handle = await env.start(HumanInTheLoopWorkflow.run, "delete it")
    assert await pending(handle) == asked
    await handle.signal(HumanInTheLoopWorkflow.approve, response)
    result = await handle.result()
    assert await handle.query(HumanInTheLoopWorkflow.pending_approval) is None
    await env.assert_replays(handle)
    return result


@pytest.mark.parametrize(("response", "said"), [("approve", "deleted /tmp/x"), ("no", "denied")])
async def test_a_signal_answers_the_hook(agents: Agents, response: str, said: str) -> None:
    model = ScriptedModel(use_tool("delete_file", {"path": "/tmp/x"}), lambda call: say(call.text))  # noqa: S108
    async with agents(
        workflows=[HumanInTheLoopWorkflow], activities=[delete_thing], models={"m": lambda: model}
    ) as env:
        assert await answered(env, response, "delete /tmp/x?") == f"{said}\n"
    assert len(model.calls) == 2  # the pause cost no model call


async def test_a_signal_answers_an_activity_and_the_pause_is_no_failure_on_the_worker(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    APPROVED.clear()
    model = ScriptedModel(use_tool("delete_thing", {"name": "db"}), lambda call: say(call.text))
    with caplog.at_level(logging.INFO, "temporalio.activity"):
        async with agents(
            workflows=[HumanInTheLoopWorkflow], activities=[delete_thing], models={"m": lambda: model}
        ) as env:
            assert await answered(env, "approve", "delete db?") == "deleted db\n"
    assert [record.getMessage() for record in caplog.records if "failed" in record.getMessage()] == []


async def test_a_hook_and_an_activity_ask_in_one_turn(agents: Agents) -> None:
    APPROVED.clear()
    calls: list[Any] = [("delete_file", {"path": "/x"}, "a"), ("delete_thing", {"name": "db"}, "b")]
    model = ScriptedModel(use_tools(calls), lambda call: say(call.text))
    async with agents(
        workflows=[HumanInTheLoopWorkflow], activities=[delete_thing], models={"m": lambda: model}
    ) as env:
        assert await answered(env, "approve", "delete /x? delete db?") == "deleted /x\ndeleted db\n"
