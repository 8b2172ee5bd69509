"""Finds the tool call that each question of a sub-agent is about, to show it where the question is answered.

Strands' result does not name the call. The events of the agent's stream do. A hook that runs last sees the
call's arguments as the other hooks left them.
"""

from collections.abc import AsyncGenerator, Mapping
from math import inf
from typing import Any, cast

from strands import Agent
from strands.hooks import BeforeToolCallEvent
from strands.interrupt import Interrupt, InterruptException
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.types.tools import AgentTool

from .._upstream.sub_agents import sub_agents
from .._wire.values import decode, encode_any
from .decided_arguments import as_shown
from .decided_calls import CHANGED_CALL
from .edited_calls import schema_of


class SubAgentQuestion(Interrupt):
    """A question of a sub-agent in a child workflow, as its caller raises it.

    Attributes:
        agent: Name of the agent that asks.
        tool: Name of the tool whose call asks.
        arguments: The call's arguments, after all hooks.
        outer: The calls between the sub-agent and the agent that asks, outermost first, each with `agent`,
            `tool` and `arguments`.
        path: Ids of the calls in the child from its agent to the call that asks, and that call's own id.
            Empty if the release that made the question did not tell them.
        schema: JSON schema of the call's arguments, if people may edit them: the question is asked before the
            call runs, and the child's release applies edits.
    """

    # Not a dataclass: Strands restores a stored interrupt as `Interrupt(**fields)`.
    def __init__(self, id: str, name: str, reason: Any, call: Mapping[str, Any]) -> None:
        super().__init__(id, name, reason)
        self.agent: str = str(call.get("agent", ""))
        self.tool: str = str(call.get("tool", ""))
        self.arguments: Any = decode(call.get("arguments"))
        self.outer: list[dict[str, Any]] = [
            {**one, "arguments": decode(one.get("arguments"))} for one in call.get("outer", [])
        ]
        ids = [one.get("id") for one in [*self.outer, call]]
        self.path: list[str] = [str(each) for each in ids] if all(ids) else []
        schema = call.get("schema")
        self.schema: dict[str, Any] | None = schema if isinstance(schema, dict) else None


class AskedCalls:
    """The calls that an agent's questions are about.

    Watches the calls of the agent, and of the agents that are its tools, from now on.

    Args:
        agent: The agent.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._made: dict[tuple[int, str], tuple[Agent, Any]] = {}  # calls by agent and tool use id
        self._begun: dict[int, tuple[AgentTool | None, str]] = {}
        self._below: dict[tuple[int, str], dict[str, Any]] = {}  # what sub-agents ask: by the call of them
        self._asked: dict[str, dict[str, Any]] = {}
        self._inner: dict[tuple[int, str], Agent] = {}  # agents that tools built: by the call of the tool
        self._watched: set[int] = set()
        self._running: set[str] = set()  # ids of questions that a call asks while it runs
        self._watch(agent)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Process one event of the agent's stream."""
        self._asked |= self._heard(event, self._agent)

    def named(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the questions, each with the encoded `call` that `SubAgentQuestion` takes."""
        asked = self._asked
        return [{**one, "call": asked[one["id"]]} if one["id"] in asked else one for one in questions]

    def _watch(self, agent: Agent) -> None:
        if id(agent) in self._watched:
            return
        self._watched.add(id(agent))

        def begin(event: BeforeToolCallEvent[Any]) -> None:
            self._begun[id(event)] = event.selected_tool, event.tool_use["name"]

        def note(event: BeforeToolCallEvent[Any]) -> None:
            use, tool = event.tool_use, event.selected_tool
            selected, name = self._begun.pop(id(event), (tool, use["name"]))
            if tool is selected and use["name"] != name:  # renamed: Strands takes the new name's tool
                tool = agent.tool_registry.registry.get(use["name"])
            self._note(agent, use, tool)

        async def note_run(context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
            self._note(agent, context.tool_use, context.tool)  # the user's middleware may have changed it
            try:
                async for event in next_fn(context):
                    if "tool_interrupt_event" in event:
                        self._running.update(one.id for one in event["tool_interrupt_event"]["interrupts"])
                    yield event
            except InterruptException as error:
                if not error.interrupt.name.startswith(CHANGED_CALL):
                    self._running.add(error.interrupt.id)
                raise

        agent.hooks.add_callback(BeforeToolCallEvent, begin, order=-inf)
        agent.hooks.add_callback(BeforeToolCallEvent, note, order=inf)
        agent.add_middleware(ExecuteToolStage, note_run)
        for inner in sub_agents(agent).values():
            self._watch(inner)

    def _note(self, agent: Agent, use: Mapping[str, Any], tool: AgentTool | None) -> None:
        name, arguments = tool.tool_name if tool else use["name"], as_shown(use["input"], tool)
        made = {"toolUseId": use["toolUseId"], "name": name, "input": arguments, "tool": tool}
        self._made[id(agent), use["toolUseId"]] = agent, made

    def _heard(self, event: Mapping[str, Any], agent: Agent) -> dict[str, dict[str, Any]]:
        """Return the calls that an event's questions are about, by the questions' ids in `agent`."""
        if (part := event.get("tool_stream_event")) is not None:
            use, data = part["tool_use"], part.get("data")
            if not isinstance(data, Mapping):
                return {}
            at = id(agent), use["toolUseId"]
            built = cast("Mapping[str, Any]", data).get("agent")
            if isinstance(built, Agent) and built is not agent:  # events of a model's answer name the agent
                self._inner[at] = built
                self._watch(built)
            inner = sub_agents(agent).get(use["name"]) or self._inner.get(at)
            if inner is None:
                return {}
            below = self._below.setdefault(at, {})
            for id_, asked in self._heard(cast("Mapping[str, Any]", data), inner).items():
                below[id_] = {**asked, "outer": [self._made_by(agent, use), *asked["outer"]]}
        elif (part := event.get("tool_interrupt_event")) is not None:
            return {one.id: self._about(one, agent, part["tool_use"]) for one in part["interrupts"]}
        return {}

    def _about(self, asked: Interrupt, agent: Agent, use: Mapping[str, Any]) -> dict[str, Any]:
        call = self._made_by(agent, use)
        if isinstance(asked, SubAgentQuestion):  # it comes from a child workflow of the child
            outer = [{**one, "arguments": encode_any(one["arguments"])} for one in asked.outer]
            below = {
                "agent": asked.agent,
                "tool": asked.tool,
                "arguments": encode_any(asked.arguments),
                "id": asked.path[-1] if asked.path else "",
                "schema": asked.schema,
            }
            return {**below, "outer": [call, *outer]}
        # A sub-agent's own caller has put a prefix before the id. Strands shows the events of a delegate as
        # those of its caller.
        below = self._below.get((id(agent), use["toolUseId"]), {})
        if asked.id in below:  # a tool that built the agent itself puts no prefix before the id
            return below[asked.id]
        heard = {**self._asked, **below}
        known = [id_ for id_ in heard if asked.id != id_ and asked.id.endswith(f":{id_}")]
        if not known:
            return {**call, "outer": [], "schema": self._schema_for(asked, agent, use)}
        found = heard[max(known, key=len)]
        return found if call in found["outer"] else {**found, "outer": [call, *found["outer"]]}

    def _schema_for(self, asked: Interrupt, agent: Agent, use: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the schema of a call's arguments, if the question is asked before the call runs."""
        _, made = self._maker_of(agent, use)
        return None if asked.id in self._running else schema_of(made.get("tool"))

    def _made_by(self, agent: Agent, use: Mapping[str, Any]) -> dict[str, Any]:
        """Return a call as the hooks left it."""
        maker, made = self._maker_of(agent, use)
        arguments = encode_any(as_shown(made["input"], None) if made is use else made["input"])
        return {"agent": maker.name, "tool": made["name"], "arguments": arguments, "id": made["toolUseId"]}

    def _maker_of(self, agent: Agent, use: Mapping[str, Any]) -> tuple[Agent, Any]:
        """Return the agent that made a call. It may be a delegate, whose events look like `agent`'s."""
        id_ = use["toolUseId"]
        if use["name"] not in agent.tool_registry.registry:
            for (_, each), (maker, made) in self._made.items():
                if each == id_ and maker is not agent:
                    return maker, made
        return self._made.get((id(agent), id_), (agent, use))
