"""Finds out from an agent's events which call each of its interrupts belongs to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strands.interrupt import Interrupt

from ._shown import digest_of
from ._state import Place
from ._turn import Asked, Turn
from ._values import as_json


class Listener:
    """Follows the events of one agent, or of the nodes of a graph or swarm, during a call.

    The agent's result does not say to which call an interrupt belongs, and an interrupt's id must not be
    parsed. For the questions of a sub-agent, the middleware of the agent that calls it does this work
    (`_watch.py`).

    Args:
        turn: The turn.
        place: The place at which the agent was called.
    """

    def __init__(self, turn: Turn, place: Place) -> None:
        self.of_nodes: list[tuple[Interrupt, Asked]] = []
        self._turn = turn
        self._place = place
        self._asked: dict[str, Asked] = {}
        self._nodes: dict[str, Listener] = {}

    def hear(self, event: Mapping[str, Any]) -> None:
        """Process one event."""
        if "tool_interrupt_event" in event:
            self._hear_question(event["tool_interrupt_event"])
        elif event.get("type") == "multiagent_node_stream":
            self._node(event["node_id"]).hear(event["event"])
        elif event.get("type") == "multiagent_node_interrupt":
            node = self._node(event["node_id"])
            inner = {interrupt.id: asked for interrupt, asked in node.of_nodes}
            for each in event["interrupts"]:
                asked = inner.get(each.id) or node.about(each.id)
                self.of_nodes.append((each, asked if asked.agent else replace(asked, agent=event["node_id"])))

    def about(self, interrupt_id: str) -> Asked:
        """Return the subject of an interrupt of this agent."""
        watch = self._turn.watches.get(self._place)
        known = self._asked.get(interrupt_id) or (watch and watch.raised(interrupt_id))
        return known or (watch.asked() if watch else Asked())

    def ending(self, interrupt_id: str) -> Asked:
        """Return the subject of an interrupt to whose id the agent's caller has added a prefix."""
        fitting = [each for each in self._asked if interrupt_id.endswith(each)]
        return self.about(max(fitting, key=len, default=interrupt_id))

    def _hear_question(self, raised: Mapping[str, Any]) -> None:
        use = raised["tool_use"]
        watch = self._turn.watches.get(self._place)
        former = digest_of(as_json(use["name"]), as_json(use["input"]))
        for interrupt in raised["interrupts"]:
            # An interrupt that the call did not raise is a hook's: it is asked before the call runs.
            asked = (watch.raised(interrupt.id) or watch.asked_before(use)) if watch else Asked()
            self._asked[interrupt.id] = replace(asked, former_digest=former)

    def _node(self, node_id: str) -> "Listener":
        return self._nodes.setdefault(node_id, Listener(self._turn, (*self._place, node_place(node_id))))


def node_place(node_id: str) -> str:
    """Return the item that stands for a node in a `place`."""
    return f"node {node_id}"
