"""Finds out which tool call each question of a sub-agent is about, for people who answer at its caller.

Strands' result does not say it. The events of the agent's stream name the call that asks, and a hook that
runs last sees it as the other hooks left it.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, cast

from strands import Agent
from strands.hooks import BeforeToolCallEvent
from strands.interrupt import Interrupt

from .._upstream.private_api import sub_agents
from .._wire.values import decode, encode_any


class SubAgentQuestion(Interrupt):
    """A question of a sub-agent in a child workflow, as its caller raises it.

    Attributes:
        agent: Name of the agent that asks.
        tool: Name of the tool whose call asks.
        arguments: The call's arguments, after all hooks.
        outer: The calls between the sub-agent and the agent that asks, outermost first, each with `agent`,
            `tool` and `arguments`.
    """

    # No dataclass: Strands makes `Interrupt(**fields)` of what it has stored.
    def __init__(self, id: str, name: str, reason: Any, call: Mapping[str, Any]) -> None:
        super().__init__(id, name, reason)
        self.agent: str = str(call.get("agent", ""))
        self.tool: str = str(call.get("tool", ""))
        self.arguments: Any = decode(call.get("arguments"))
        self.outer: list[dict[str, Any]] = [
            {**one, "arguments": decode(one.get("arguments"))} for one in call.get("outer", [])
        ]


class AskedCalls:
    """The calls that an agent's questions are about.

    Args:
        agent: The agent. Its calls, and those of the agents that are its tools, are watched from now on.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._made: dict[tuple[int, str], tuple[Agent, Any]] = {}  # calls by agent and tool use id
        self._below: dict[tuple[int, str], dict[str, Any]] = {}  # what sub-agents ask: by the call of them
        self._asked: dict[str, dict[str, Any]] = {}
        self._watch(agent, set())

    def hear(self, event: Mapping[str, Any]) -> None:
        """Process one event of the agent's stream."""
        self._asked |= self._heard(event, self._agent)

    def named(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the questions, each with its `call`, encoded, as a `SubAgentQuestion` takes it."""
        asked = self._asked
        return [{**one, "call": asked[one["id"]]} if one["id"] in asked else one for one in questions]

    def _watch(self, agent: Agent, watched: set[int]) -> None:
        if id(agent) in watched:
            return
        watched.add(id(agent))

        def note(event: BeforeToolCallEvent[Any]) -> None:
            self._made[id(agent), event.tool_use["toolUseId"]] = agent, event.tool_use

        agent.hooks.add_callback(BeforeToolCallEvent, note, order=inf)
        for inner in sub_agents(agent).values():
            self._watch(inner, watched)

    def _heard(self, event: Mapping[str, Any], agent: Agent) -> dict[str, dict[str, Any]]:
        """Return the calls that an event's questions are about, by the questions' ids in `agent`."""
        if (part := event.get("tool_stream_event")) is not None:
            use, data = part["tool_use"], part.get("data")
            inner = sub_agents(agent).get(use["name"])
            if inner is None or not isinstance(data, Mapping):
                return {}
            below = self._below.setdefault((id(agent), use["toolUseId"]), {})
            for id_, asked in self._heard(cast("Mapping[str, Any]", data), inner).items():
                below[id_] = {**asked, "outer": [self._made_by(agent, use), *asked["outer"]]}
        elif (part := event.get("tool_interrupt_event")) is not None:
            return {one.id: self._about(one, agent, part["tool_use"]) for one in part["interrupts"]}
        return {}

    def _about(self, asked: Interrupt, agent: Agent, use: Mapping[str, Any]) -> dict[str, Any]:
        call = self._made_by(agent, use)
        if isinstance(asked, SubAgentQuestion):  # of a child workflow of the child
            outer = [{**one, "arguments": encode_any(one["arguments"])} for one in asked.outer]
            below = {"agent": asked.agent, "tool": asked.tool, "arguments": encode_any(asked.arguments)}
            return {**below, "outer": [call, *outer]}
        # A sub-agent's own caller has put a prefix before the id. Strands shows the events of a delegate as
        # those of its caller.
        heard = {**self._asked, **self._below.get((id(agent), use["toolUseId"]), {})}
        known = [id_ for id_ in heard if asked.id != id_ and asked.id.endswith(f":{id_}")]
        if not known:
            return {**call, "outer": []}
        found = heard[max(known, key=len)]
        return found if call in found["outer"] else {**found, "outer": [call, *found["outer"]]}

    def _made_by(self, agent: Agent, use: Mapping[str, Any]) -> dict[str, Any]:
        """Return a call as the hooks left it. It may be a delegate's, whose events look like `agent`'s."""
        id_ = use["toolUseId"]
        maker, made = self._made.get((id(agent), id_), (agent, use))
        if use["name"] not in agent.tool_registry.registry:
            others = [
                (by, of) for (_, each), (by, of) in self._made.items() if each == id_ and by is not agent
            ]
            maker, made = others[0] if others else (maker, made)
        try:
            arguments = encode_any(made["input"])
        except TypeError:  # a hook has put something into them that is not JSON
            arguments = encode_any(str(made["input"]))
        return {"agent": maker.name, "tool": made["name"], "arguments": arguments}
