"""Calls agents for `Approvals`, and tells with which interrupts they pause."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.multiagent import MultiAgentBase
from strands.multiagent.base import MultiAgentResult
from strands.types.agent import AgentInput
from strands.types.content import Message

from ._listening import Listener
from ._state import Pause
from ._turn import Asked, Turn


@dataclass(frozen=True)
class Invoked:
    """The outcome of calling an agent.

    Attributes:
        result: Its result.
        questions: The interrupts that it pauses with, and their subjects; empty if it does not pause.
        stopped: Whether the agent was cancelled during the call.
    """

    result: Any
    questions: list[tuple[Interrupt, Asked]]
    stopped: bool = False


async def invoke(
    executor: Agent | MultiAgentBase, turn: Turn, prompt: AgentInput, kwargs: dict[str, Any]
) -> Invoked:
    """Call an agent, a graph or a swarm as `invoke_async` does."""
    event: Mapping[str, Any] = {}
    listener = Listener(turn, ())
    stopped = False
    async for event in executor.stream_async(cast("Any", prompt), **kwargs):
        listener.hear(event)
        if isinstance(executor, Agent) and "result" in event:
            stopped = executor.cancel_signal.is_set()  # it is cleared when the stream ends
    result = event["result"]
    if isinstance(result, MultiAgentResult):
        return Invoked(result, listener.of_nodes if result.status.value == "interrupted" else [])
    waits = result.stop_reason == "interrupt"
    asked = [(each, listener.about(each.id)) for each in (result.interrupts or ()) if waits]
    return Invoked(result, asked, stopped)


def interrupt_ids(executor: Agent | MultiAgentBase) -> set[str]:
    """Return Strands' ids of the interrupts that an agent waits with; none if it does not wait."""
    if not isinstance(executor, Agent):
        return set()
    # The base class's method: a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(executor, include=["interrupt_state"]).data["interrupt_state"]
    return set(state["interrupts"]) if state["activated"] else set()


def paused_result(agent: Agent, pause: Pause) -> AgentResult:
    """Return the result that Strands returned when the agent paused in an earlier run."""
    interrupts = [Interrupt(q.interrupt_id, q.pending.name, q.pending.question) for q in pause.questions]
    message: Message = agent.messages[-1] if agent.messages else {"role": "assistant", "content": []}
    return AgentResult("interrupt", message, agent.event_loop_metrics, {}, interrupts)
