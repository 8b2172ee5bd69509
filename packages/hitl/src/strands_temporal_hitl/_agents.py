"""Agents as approvals see them: what they pause with, and how they take a rejection's reason."""

import weakref
from typing import Any

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterToolCallEvent
from strands.interrupt import Interrupt
from strands.types.agent import AgentInput
from strands.types.content import Message
from strands.types.tools import ToolUse

from ._state import Pause


class Reasons:
    """Shows the reasons of rejections to the model, beside the results of the tool calls."""

    def __init__(self) -> None:
        self._by_agent: weakref.WeakKeyDictionary[Agent, dict[str, str]] = weakref.WeakKeyDictionary()

    def of(self, agent: Agent) -> dict[str, str]:
        """Return an agent's reasons by tool call, to be filled; what is in it is shown once."""
        reasons = self._by_agent.get(agent)
        if reasons is None:
            reasons = self._by_agent[agent] = {}
            shown = reasons

            def show_reason(event: AfterToolCallEvent) -> None:
                reason = shown.pop(event.tool_use["toolUseId"], None)
                content = event.result["content"]
                if reason is not None and not any(reason in str(block.get("text")) for block in content):
                    event.result = {**event.result, "content": [*content, {"text": f"Rejected: {reason}"}]}

            agent.add_hook(show_reason, AfterToolCallEvent)
        return reasons


async def invoke(
    agent: Agent, prompt: AgentInput, kwargs: dict[str, Any]
) -> tuple[AgentResult, dict[str, ToolUse]]:
    """Call the agent as `invoke_async` does; also return the tool calls of its interrupts, by their ids.

    The events say which call an interrupt belongs to; the result does not, and the id is not for parsing.
    """
    event: dict[str, Any] = {}
    tool_uses: dict[str, ToolUse] = {}
    async for event in agent.stream_async(prompt, **kwargs):
        if "tool_interrupt_event" in event:
            raised = event["tool_interrupt_event"]
            tool_uses |= {interrupt.id: raised["tool_use"] for interrupt in raised["interrupts"]}
    return event["result"], tool_uses


def interrupt_ids(agent: Agent) -> set[str]:
    """Return Strands' ids of what an agent waits with; none, if it does not wait."""
    # The base class's method: a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    return set(state["interrupts"]) if state["activated"] else set()


def paused_result(agent: Agent, pause: Pause) -> AgentResult:
    """Return what Strands returned when the agent paused, in an earlier run."""
    interrupts = [Interrupt(q.interrupt_id, q.pending.name, q.pending.question) for q in pause.questions]
    message: Message = agent.messages[-1] if agent.messages else {"role": "assistant", "content": []}
    return AgentResult("interrupt", message, agent.event_loop_metrics, {}, interrupts)
