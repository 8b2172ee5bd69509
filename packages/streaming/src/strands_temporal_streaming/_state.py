"""The state of a conversation as its events tell it: what runs, what waits. Runs in the workflow."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ._cut import as_json
from ._decision_types import QuestionAsked, QuestionDecided
from ._json import from_json, to_json
from ._life_types import (
    AgentEnded,
    AgentStarted,
    ControlEvent,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    TurnStarted,
)
from ._request_types import RequestEnded
from ._snapshot_types import RunningAgent, RunningCall
from ._types import ToolCall, ToolResult, TurnEnd

_PLACES = 50

_CARRIED_CHARACTERS = 32 * 1024
"""Most characters of the open questions in a carry, and of the open tool calls."""


@dataclass
class LiveState:
    """The state after the events so far.

    Attributes:
        turn: Number of the last turn.
        is_open: Whether the turn runs, or waits for answers.
        waits: Whether the turn has paused for answers.
        usage: Tokens of the conversation, with Strands' names.
        turn_usage: Tokens of the turn.
        agents: The sub-agents and nodes that run.
        calls: The model calls that run, with the offsets of their starts.
        tools: The tool calls without a result, by their ids.
        questions: The questions that wait, by their ids.
        places: Agent, path and turn of the last calls, by the calls' ids.
        outermost: Which outermost agent or team each of the above belongs to, by its kind and key.
        turns: The open turns, by the names of the outermost agents: whether they have paused.
    """

    turn: int = 0
    is_open: bool = False
    waits: bool = False
    usage: dict[str, int] = field(default_factory=dict[str, int])
    turn_usage: dict[str, int] = field(default_factory=dict[str, int])
    agents: dict[tuple[tuple[str, ...], str | None], RunningAgent] = field(default_factory=dict[Any, Any])
    calls: dict[str, tuple[RunningCall, int]] = field(default_factory=dict[Any, Any])
    tools: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    questions: dict[str, QuestionAsked] = field(default_factory=dict[str, QuestionAsked])
    places: dict[str, tuple[str, tuple[str, ...], int]] = field(default_factory=dict[Any, Any])
    outermost: dict[tuple[str, Any], str] = field(default_factory=dict[tuple[str, Any], str])
    turns: dict[str, bool] = field(default_factory=dict[str, bool])

    @property
    def status(self) -> str:
        """`idle`, `running` or `waiting`."""
        if self.questions and (self.waits or not self.is_open):
            return "waiting"
        return "running" if self.is_open and not self.waits else "idle"

    def carry(self) -> dict[str, Any]:
        """Return JSON values of what the log of the next run may no longer tell."""
        return {
            "turn": self.turn,
            "usage": self.usage,
            "turn_usage": self.turn_usage,
            "is_open": self.is_open,
            "waits": self.waits,
            "questions": _carried(self.questions.values(), "reason"),
            "tools": _carried(self.tools.values(), "input"),
        }

    def restore(self, carried: Mapping[str, Any]) -> None:
        """Correct the state by what `carry` returned in the previous run."""
        self.turn = max(self.turn, int(carried.get("turn", 0)))
        self.usage = dict(carried.get("usage", {}))
        self.turn_usage = dict(carried.get("turn_usage", {}))
        self.is_open, self.waits = bool(carried.get("is_open")), bool(carried.get("waits"))
        for each in (*carried.get("questions", ()), *carried.get("tools", ())):
            match from_json(each):
                case QuestionAsked() as question:
                    self.questions.setdefault(question.id, question)
                case ToolCall() as call:
                    self.tools.setdefault(call.tool_use_id, call)
                case _:
                    pass

    def agents_of(self, outermost: str) -> list[RunningAgent]:
        """Return what runs below an outermost agent or team."""
        return [one for key, one in self.agents.items() if self._is_of("agent", key, outermost)]

    def apply(self, event: ControlEvent, offset: int, outermost: str = "") -> None:
        """Take an event in.

        Args:
            event: The event.
            offset: Its offset.
            outermost: Name of the outermost agent or team that it belongs to; "" if it is not known.
        """
        match event:
            case TurnStarted():
                if not self.is_open:
                    self.turn_usage = {}
                self.turn, self.is_open, self.waits = max(self.turn, event.turn), True, False
                self.turns[event.agent] = False
            case TurnEnd():
                self._end_turn(event)
            case RequestEnded(stop_reason=reason) if reason != "interrupt" and self.waits:
                # Somebody stopped the turn while it waited: no agent ran that could end it.
                self._close_turn()
                self.turns.clear()
            case ModelCallStarted():
                call = RunningCall(call=event.call, agent=event.agent, path=event.path, model=event.model)
                self.calls[event.call] = (call, offset)
                self.outermost["call", event.call] = outermost
                self.places[event.call] = (event.agent, event.path, event.turn)
                if len(self.places) > _PLACES:
                    del self.places[next(iter(self.places))]
            case ModelCallEnded():
                self.calls.pop(event.call, None)
                self.outermost.pop(("call", event.call), None)
                self._count(event.usage)
            case ModelCallFailed():
                self.calls.pop(event.call, None)
                self.outermost.pop(("call", event.call), None)
            case ToolCall():
                self.tools[event.tool_use_id] = event
                self.outermost["tool", event.tool_use_id] = outermost
            case ToolResult():
                self.tools.pop(event.tool_use_id, None)
                self.outermost.pop(("tool", event.tool_use_id), None)
            case QuestionAsked():
                self.questions[event.id] = event
                self.outermost["question", event.id] = outermost
            case QuestionDecided():
                self.questions.pop(event.id, None)
                self.outermost.pop(("question", event.id), None)
            case AgentStarted() | NodeStarted():
                at = getattr(event, "tool_use_id", None)
                child = getattr(event, "workflow_id", "")
                running = RunningAgent(agent=event.agent, path=event.path, tool_use_id=at, workflow_id=child)
                self.agents[event.path, at] = running
                self.outermost["agent", (event.path, at)] = outermost
            case AgentEnded() | NodeEnded():
                if isinstance(event, AgentEnded) and event.workflow_id:
                    self._count(event.usage)  # its model calls are in its own stream
                ended = (event.path, getattr(event, "tool_use_id", None))
                self.agents.pop(ended, None)
                self.outermost.pop(("agent", ended), None)
            case _:
                pass

    def _count(self, usage: Mapping[str, int]) -> None:
        for name, count in usage.items():
            self.usage[name] = self.usage.get(name, 0) + count
            self.turn_usage[name] = self.turn_usage.get(name, 0) + count

    def _is_of(self, kind: str, key: Any, outermost: str) -> bool:
        """Tell whether something belongs to an outermost agent, as far as it is known."""
        return self.outermost.get((kind, key), "") in ("", outermost) or not outermost

    def _end_turn(self, event: TurnEnd) -> None:
        """End the turn of one outermost agent. Others may run meanwhile."""
        self.turn = max(self.turn, event.turn)
        self.turns.pop(event.agent, None)
        if pauses := event.stop_reason == "interrupt":
            self.turns[event.agent] = True
        self.is_open, self.waits = bool(self.turns), bool(self.turns) and all(self.turns.values())
        self._drop("agent", self.agents, event.agent)
        self._drop("call", self.calls, event.agent)
        if not pauses:
            self._drop("tool", self.tools, event.agent)
            self._drop("question", self.questions, event.agent)
        if not self.turns:
            self._close_turn()

    def _drop(self, kind: str, known: dict[Any, Any], outermost: str) -> None:
        for key in [key for key in known if self._is_of(kind, key, outermost)]:
            del known[key]

    def _close_turn(self) -> None:
        self.waits = self.is_open = False
        self.tools.clear()
        self.questions.clear()
        self.outermost.clear()


def _carried(events: Collection[Any], large: str) -> list[Any]:
    """Return events as JSON values. Their field that may be large is cut so that all fit."""
    room = _CARRIED_CHARACTERS // max(1, len(events))
    carried: list[Any] = []
    for event in events:
        value, is_cut = as_json(getattr(event, large), room)
        carried.append(to_json(replace(event, **{large: value, "truncated": event.truncated or is_cut})))
    return carried
