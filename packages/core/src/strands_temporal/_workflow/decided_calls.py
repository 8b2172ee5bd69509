"""People's decisions on calls inside child workflows. They are sent with the answers; the child obeys them.

The plugin that asks people runs at the workflow that owns the calling agent. It tells the tool of a child
workflow (`tell_sub_agent`), whose task brings the decisions to the child. If a call in the child differs from
the one that people saw, they are asked again before it runs. The child's model reads why a call was rejected.
"""

import hashlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands import Agent
from strands.hooks import AfterToolCallEvent, BeforeModelCallEvent, BeforeToolCallEvent
from strands.interventions.actions import default_evaluate
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.types.events import ToolResultEvent

from .._upstream.run_local import run_local
from .._wire.reading import read_as
from .._wire.values import decode, encode_any
from .decided_arguments import as_shown
from .edited_calls import Edit, EditedCalls

CHANGED_CALL = "changed call"
"""Prefix of the names of questions about a call that has changed since a person allowed it."""


@dataclass(frozen=True)
class DecidedCall:
    """The decisions of people on one call. Crosses to child workflows: fields are only added, with defaults.

    Attributes:
        path: Ids of the calls from the child's agent to this call, outermost first, and its own id.
        tool: Name of the tool that people allowed to run; None if they allowed nothing.
        arguments: The arguments that they saw.
        written: Their answer, if it was a value. The arguments may be changed to it.
        approved: The response to a question that means a yes.
        reason: Why they rejected the call; empty if they did not.
        edited: The arguments that they changed the call to; None if they did not.
        edited_why: Why they changed them.
    """

    path: list[str] = field(default_factory=list[str])
    tool: str | None = None
    arguments: Any = None
    written: Any = None
    approved: Any = True
    reason: str = ""
    edited: dict[str, Any] | None = None
    edited_why: str = ""

    @property
    def edit(self) -> Edit | None:
        """The edit of the call, if people changed its arguments."""
        return None if self.edited is None else Edit(self.edited, self.edited_why)

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> "DecidedCall":
        """Return the decision in a task."""
        sent = read_as(cls, value)
        return replace(sent, **{name: decode(getattr(sent, name)) for name in _VALUES})

    def to_wire(self) -> dict[str, Any]:
        """Return the decision for a task."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {k: encode_any(v) if k in _VALUES else v for k, v in fields.items()}

    def allows(self, tool: str, arguments: Any) -> bool:
        """Tell whether a call is the one that was allowed, or differs from it only by a person's own values.

        An answer that is an object must contain each changed argument under its name. Any other answer must
        equal each changed argument. True and false never count as equal, because too many arguments have
        these values.
        """
        before, after = self.arguments, arguments
        if _text([self.tool, before]) == _text([tool, after]):
            return True
        written = self.written
        if written is None or self.tool != tool or not (isinstance(before, dict) and isinstance(after, dict)):
            return False
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
        if not old.keys() <= new.keys():
            return False
        changed = [name for name in new if name not in old or _text(old[name]) != _text(new[name])]
        if isinstance(written, dict):
            said = cast("dict[str, Any]", written)
            return all(name in said and _text(said[name]) == _text(new[name]) for name in changed)
        return not isinstance(written, bool) and all(_text(written) == _text(new[n]) for n in changed)

    def name_again(self, tool: str, arguments: Any) -> str:
        """Return the name of the question about a call that changed since it was allowed.

        A yes to the question makes the call the one that is allowed. A person who edits the call gives the
        same answer to Strands, so the answer to this name means nothing while there is an edit.
        """
        name = f"{CHANGED_CALL} {_digest(tool, arguments)}"
        return name if self.edited is None else f"{name} {_digest(self.tool or '', self.edited)}"

    def why_again(self, tool: str, arguments: Any) -> str:
        """Return the question about a call that changed since it was allowed."""
        return (
            "The call is not the one that was decided on. "
            f"It was: {self.tool} {_readable(self.arguments)}. It is now: {tool} {_readable(arguments)}"
        )


_VALUES = ("arguments", "written", "approved", "edited")

CHANGED_AND_REFUSED = "The call changed after it was approved, and was not approved as it is now"
"""The result of a call that people did not allow as it is now."""


def tell_sub_agent(agent: Agent, tool_use_id: str, decided: Sequence[DecidedCall]) -> None:
    """Send decisions to the child workflow of a call, with the answers that start it again.

    Args:
        agent: The agent that makes the call.
        tool_use_id: Id of the call.
        decided: The decisions on the calls inside the child.
    """
    run_local(_Told).setdefault(agent, {})[tool_use_id] = list(decided)


def told(agent: Agent, tool_use_id: str) -> list[dict[str, Any]]:
    """Return the decisions for the child workflow of a call, as a task takes them."""
    return [one.to_wire() for one in run_local(_Told).get(agent, {}).get(tool_use_id, ())]


def keep_to(agent: Agent, decided: Sequence[DecidedCall]) -> None:
    """Bind an agent's calls to people's decisions, and give the agent people's reasons."""
    kept = run_local(_Kept)
    if agent not in kept:
        kept[agent] = _Decisions(agent)
    kept[agent].decided = list(decided)


class _Told(WeakKeyDictionary[Agent, dict[str, list[DecidedCall]]]):
    """The decisions for the child workflows of a run, by agent and call."""


class _Decisions:
    """The decisions on the calls of one agent, and its middleware and hooks that keep to them."""

    def __init__(self, agent: Agent) -> None:
        self.decided: list[DecidedCall] = []
        self._edits = EditedCalls()
        self._ids: dict[int, str] = {}  # the ids of calls in their messages, by the hooks' events
        agent.add_middleware(ExecuteToolStage, self._guard)
        agent.hooks.add_callback(BeforeToolCallEvent, self._before_call, order=-inf)
        agent.hooks.add_callback(BeforeToolCallEvent, self._about_to_call, order=inf)
        agent.hooks.add_callback(AfterToolCallEvent, self._after_call)
        agent.hooks.add_callback(BeforeModelCallEvent, self._before_model)

    def _before_model(self, event: BeforeModelCallEvent) -> None:
        self.decided = []  # the calls of the message have ended

    def _before_call(self, event: BeforeToolCallEvent[Any]) -> None:
        own = self._ids[id(event)] = event.tool_use["toolUseId"]
        decided, _ = self._of(own)
        self._edits.begin(event, next((one.edit for one in decided if one.edit), None))

    def _about_to_call(self, event: BeforeToolCallEvent[Any]) -> None:
        self._edits.check(event, self._ids.pop(id(event)))

    async def _guard(self, context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
        use, tool, agent = context.tool_use, context.tool, context.agent
        own, below = self._of(use["toolUseId"])
        name, arguments = tool.tool_name if tool else use["name"], as_shown(use["input"], tool)
        for one in own:
            if one.tool is not None and not one.allows(name, arguments):
                again = one.name_again(name, arguments)
                answer = context.interrupt(again, reason=one.why_again(name, arguments)).response
                if one.edit or (answer != one.approved and not default_evaluate(answer)):
                    self._edits.forget(use["toolUseId"])
                    content: Any = [{"text": CHANGED_AND_REFUSED}]
                    yield ToolResultEvent(
                        {"toolUseId": use["toolUseId"], "status": "error", "content": content}
                    )
                    return
        self._edits.runs(use["toolUseId"], arguments)
        inner = getattr(tool, "agent", None)
        if isinstance(inner, Agent) and inner is not agent:
            keep_to(inner, below)
        elif isinstance(agent, Agent) and below:
            tell_sub_agent(agent, use["toolUseId"], below)
        async for event in next_fn(context):
            yield event

    def _after_call(self, event: AfterToolCallEvent[Any]) -> None:
        own, _ = self._of(event.tool_use["toolUseId"])
        self._edits.end(event, event.tool_use["toolUseId"])
        for one in own:
            content = event.result["content"]
            if one.reason and not any(one.reason in str(block.get("text")) for block in content):
                event.result = {**event.result, "content": [*content, {"text": f"Rejected: {one.reason}"}]}

    def _of(self, tool_use_id: str) -> tuple[list[DecidedCall], list[DecidedCall]]:
        """Return the decisions on a call, and those on the calls below it, with their paths from there."""
        of = [one for one in self.decided if one.path[:1] == [tool_use_id]]
        below = [replace(one, path=one.path[1:]) for one in of if len(one.path) > 1]
        return [one for one in of if len(one.path) == 1], below


class _Kept(WeakKeyDictionary[Agent, _Decisions]):
    """The decisions in a run, by agent."""


def _text(value: Any) -> str:
    """Return a value's canonical JSON, to compare values: in Python 1 == True."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)


def _readable(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _digest(tool: str, arguments: Any) -> str:
    return f"sha256:{hashlib.sha256(_text([tool, arguments]).encode()).hexdigest()}"
