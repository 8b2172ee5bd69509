"""Agents as approvals run them: how they are called, what they pause with, and which call asks what."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.multiagent import MultiAgentBase
from strands.multiagent.base import MultiAgentResult
from strands.types.agent import AgentInput
from strands.types.content import Message

from ._state import Pause, Place
from ._turn import Asked, Turn
from ._types import as_json, digest_of
from ._watch import node_place


@dataclass(frozen=True)
class Invoked:
    """How a call of an agent ended.

    Attributes:
        result: Its result.
        questions: What it pauses with, and what that is about; empty if it does not pause.
        stopped: Whether it was cancelled meanwhile.
    """

    result: Any
    questions: list[tuple[Interrupt, Asked]]
    stopped: bool = False


async def invoke(
    executor: Agent | MultiAgentBase, turn: Turn, prompt: AgentInput, kwargs: dict[str, Any]
) -> Invoked:
    """Call an agent, a graph or a swarm as `invoke_async` does."""
    event: Mapping[str, Any] = {}
    listener = _Listener(turn, ())
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


class _Listener:
    """Hears from the events of an agent, and of those that it calls, which call each interrupt belongs to.

    The result does not say, and an interrupt's id is not for parsing.
    """

    def __init__(self, turn: Turn, place: Place) -> None:
        self.of_nodes: list[tuple[Interrupt, Asked]] = []
        self._turn = turn
        self._place = place
        self._asked: dict[str, Asked] = {}
        self._inner: dict[str, _Listener] = {}

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        if "tool_interrupt_event" in event:
            self._hear_question(event["tool_interrupt_event"])
        elif "tool_stream_event" in event:
            said = event["tool_stream_event"]
            own = self._own_id(said["tool_use"])
            if (*self._place, own) in self._turn.watches and isinstance(said.get("data"), Mapping):
                self._within(own).hear(said["data"])
        elif event.get("type") == "multiagent_node_stream":
            self._within(node_place(event["node_id"])).hear(event["event"])
        elif event.get("type") == "multiagent_node_interrupt":
            node = self._within(node_place(event["node_id"]))
            inner = {interrupt.id: asked for interrupt, asked in node.of_nodes}
            for each in event["interrupts"]:
                self.of_nodes.append((each, inner.get(each.id) or node.about(each.id)))

    def about(self, interrupt_id: str) -> Asked:
        """Return what an interrupt of this agent is about."""
        asked = self._asked.get(interrupt_id) or self._turn.raised.get(interrupt_id)
        if asked is None:
            watch = self._turn.watches.get(self._place)
            asked = watch.asked() if watch else Asked()
        return asked

    def _hear_question(self, raised: Mapping[str, Any]) -> None:
        use = raised["tool_use"]
        watch = self._turn.watches.get(self._place)
        inner = self._inner.get(self._own_id(use))
        former = digest_of(as_json(use["name"]), as_json(use["input"]))
        for interrupt in raised["interrupts"]:
            own = watch.asked_by(use) if watch else Asked()
            asked = inner.ending(interrupt.id) if inner else own
            self._asked[interrupt.id] = replace(asked, former_digest=former)

    def ending(self, interrupt_id: str) -> Asked:
        """Return what an interrupt is about that the agent's caller passes on, with the id at the end."""
        fitting = [each for each in self._asked if interrupt_id.endswith(each)]
        return self.about(max(fitting, key=len, default=interrupt_id))

    def _own_id(self, use: Mapping[str, Any]) -> str:
        watch = self._turn.watches.get(self._place)
        return watch.own_id(use["toolUseId"]) if watch else use["toolUseId"]

    def _within(self, part: str) -> "_Listener":
        return self._inner.setdefault(part, _Listener(self._turn, (*self._place, part)))


def interrupt_ids(executor: Agent | MultiAgentBase) -> set[str]:
    """Return Strands' ids of what an agent waits with; none, if it does not wait."""
    if not isinstance(executor, Agent):
        return set()
    # The base class's method: a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(executor, include=["interrupt_state"]).data["interrupt_state"]
    return set(state["interrupts"]) if state["activated"] else set()


def paused_result(agent: Agent, pause: Pause) -> AgentResult:
    """Return what Strands returned when the agent paused, in an earlier run."""
    interrupts = [Interrupt(q.interrupt_id, q.pending.name, q.pending.question) for q in pause.questions]
    message: Message = agent.messages[-1] if agent.messages else {"role": "assistant", "content": []}
    return AgentResult("interrupt", message, agent.event_loop_metrics, {}, interrupts)
