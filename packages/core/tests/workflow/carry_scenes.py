"""What the tests of continue-as-new share: a tool that asks, and how a run hands over to the next."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from strands.agent.conversation_manager import SlidingWindowConversationManager
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import AnsweredUpdates, activity_as_tool


@activity.defn
async def delete_file(path: str, tool_context: ToolContext) -> str:
    """Delete a file, if a person agrees."""
    return f"deleted {path}: {tool_context.interrupt('approval', reason=path)}"


async def next_run(handle: "WorkflowHandle[Any, Any]", run_id: str | None) -> str:
    """Wait until the workflow has gone on in another run, and return its id; ten seconds at most."""
    for _ in range(1000):
        current = (await handle.describe()).run_id
        if current != run_id:
            return current
        await asyncio.sleep(0.01)
    raise AssertionError("there was no other run")


@dataclass
class CarriedInput:
    carry: AgentCarry | None = None
    updates: dict[str, Any] = field(default_factory=dict[str, Any])


class HandsOver:
    """Goes on until a signal has the run hand over to the next one."""

    _handover = False

    @workflow.signal
    def hand_over(self) -> None:
        self._handover = True

    async def until_handed_over(self) -> None:
        await workflow.wait_condition(lambda: self._handover)
        await workflow.wait_condition(workflow.all_handlers_finished)


@workflow.defn
class CarriedWorkflow(HandsOver):
    @workflow.init
    def __init__(self, input: CarriedInput) -> None:
        self._updates = AnsweredUpdates(input.updates)
        self._agent = TemporalAgent(
            "m",
            carry=input.carry,
            tools=[activity_as_tool(delete_file)],
            conversation_manager=SlidingWindowConversationManager(window_size=4),
            system_prompt="Be brief.",
            state={"turns": 0},
            callback_handler=None,
        )

    @workflow.update
    async def turn(self, prompt: str) -> dict[str, Any]:
        return await self._updates.once(lambda: self._turn(prompt))

    @workflow.update
    async def resume(self, response: str) -> dict[str, Any]:
        result = self._pending
        return await self._turn(
            [{"interruptResponse": {"interruptId": i, "response": response}} for i in result]
        )

    @property
    def _pending(self) -> list[str]:
        return list(self._agent.state.get("pending") or [])

    async def _turn(self, prompt: Any) -> dict[str, Any]:
        result = await self._agent.invoke_async(prompt)
        self._agent.state.set("turns", self._agent.state.get("turns") + 1)
        self._agent.state.set("pending", [interrupt.id for interrupt in result.interrupts or ()])
        return {
            "text": str(result).strip(),
            "stop": result.stop_reason,
            "turns": self._agent.state.get("turns"),
            "tokens": result.metrics.accumulated_usage["totalTokens"],
            "cycles": result.metrics.cycle_count,
        }

    @workflow.run
    async def run(self, input: CarriedInput) -> None:
        await self.until_handed_over()
        workflow.continue_as_new(CarriedInput(self._agent.carry(), self._updates.carry()))


async def hand_over(chat: Any) -> None:
    run_id = (await chat.describe()).run_id
    await chat.signal(HandsOver.hand_over)
    await next_run(chat, run_id)
