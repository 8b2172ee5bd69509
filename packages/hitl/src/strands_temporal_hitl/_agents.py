"""Calls agents for `Approvals`, and returns the interrupts with which they pause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.multiagent import MultiAgentBase
from strands.multiagent.base import MultiAgentResult
from strands.types.agent import AgentInput
from strands.types.content import Message

from strands_temporal.extension import (
    is_client_call,
    paused_team_result,
    team_waits_with,
    waiting_interrupts,
)

from ._listening import Listener
from ._state import Pause
from ._turn import Asked, Turn


@dataclass(frozen=True)
class Invoked:
    """The outcome of calling an agent.

    Attributes:
        result: Its result.
        questions: The interrupts for people that it pauses with, and their subjects.
        stopped: Whether the agent was cancelled during the call.
        calls: The interrupts that it pauses with and that clients answer: calls of client tools.
    """

    result: Any
    questions: list[tuple[Interrupt, Asked]]
    stopped: bool = False
    calls: list[Interrupt] = field(default_factory=list[Interrupt])


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
        asked = listener.of_nodes if result.status.value == "interrupted" else []
    else:
        waits = result.stop_reason == "interrupt"
        asked = [(each, listener.about(each.id)) for each in (result.interrupts or ()) if waits]
    questions = [(each, about) for each, about in asked if not is_client_call(each)]
    return Invoked(result, questions, stopped, [each for each, _ in asked if is_client_call(each)])


def id_of(executor: Agent | MultiAgentBase) -> str:
    """Return the id under which the questions of an agent, a graph or a swarm are kept."""
    return executor.agent_id if isinstance(executor, Agent) else executor.id


def interrupt_ids(executor: Agent | MultiAgentBase) -> set[str]:
    """Return Strands' ids of the interrupts that an executor waits with; none if it does not wait."""
    if not isinstance(executor, Agent):
        return set(team_waits_with(executor) or ())
    # Calls the base class's method, because a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(executor, include=["interrupt_state"]).data["interrupt_state"]
    return set(state["interrupts"]) if state["activated"] else set()


def waiting_calls(executor: Agent | MultiAgentBase) -> tuple[list[Interrupt], bool]:
    """Return the client calls for which an executor waits, and whether it waits for people too."""
    if isinstance(executor, Agent):
        waiting = waiting_interrupts(executor)
    else:
        waiting = [each for each in (team_waits_with(executor) or {}).values() if each.response is None]
    calls = [each for each in waiting if is_client_call(each)]
    return calls, len(calls) < len(waiting)


def paused_result(
    agent: Agent | MultiAgentBase, pause: Pause | None, calls: list[Interrupt]
) -> AgentResult | MultiAgentResult:
    """Return the result that Strands returned when the executor paused in an earlier run."""
    questions = pause.questions if pause else []
    interrupts = [Interrupt(q.interrupt_id, q.pending.name, q.pending.question) for q in questions] + calls
    if not isinstance(agent, Agent):
        return paused_team_result(agent, interrupts)
    message: Message = agent.messages[-1] if agent.messages else {"role": "assistant", "content": []}
    return AgentResult("interrupt", message, agent.event_loop_metrics, {}, interrupts)
