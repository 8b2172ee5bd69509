"""The state of a conversation as its events tell it: what runs, what waits. Runs in the workflow."""

from dataclasses import dataclass, field
from typing import Any

from ._decision_types import QuestionAsked, QuestionDecided
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
from ._snapshot_types import RunningAgent, RunningCall
from ._types import ToolCall, ToolResult, TurnEnd

_PLACES = 50


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

    @property
    def status(self) -> str:
        """`idle`, `running` or `waiting`."""
        if self.questions and (self.waits or not self.is_open):
            return "waiting"
        return "running" if self.is_open and not self.waits else "idle"

    def apply(self, event: ControlEvent, offset: int) -> None:
        """Take an event in."""
        match event:
            case TurnStarted():
                if not self.is_open:
                    self.turn_usage = {}
                self.turn, self.is_open, self.waits = max(self.turn, event.turn), True, False
            case TurnEnd():
                self._end_turn(event)
            case ModelCallStarted():
                call = RunningCall(call=event.call, agent=event.agent, path=event.path, model=event.model)
                self.calls[event.call] = (call, offset)
                self.places[event.call] = (event.agent, event.path, event.turn)
                if len(self.places) > _PLACES:
                    del self.places[next(iter(self.places))]
            case ModelCallEnded():
                self.calls.pop(event.call, None)
                for name, count in event.usage.items():
                    self.usage[name] = self.usage.get(name, 0) + count
                    self.turn_usage[name] = self.turn_usage.get(name, 0) + count
            case ModelCallFailed():
                self.calls.pop(event.call, None)
            case ToolCall():
                self.tools[event.tool_use_id] = event
            case ToolResult():
                self.tools.pop(event.tool_use_id, None)
            case QuestionAsked():
                self.questions[event.id] = event
            case QuestionDecided():
                self.questions.pop(event.id, None)
            case AgentStarted() | NodeStarted():
                at = getattr(event, "tool_use_id", None)
                running = RunningAgent(agent=event.agent, path=event.path, tool_use_id=at)
                self.agents[event.path, at] = running
            case AgentEnded() | NodeEnded():
                self.agents.pop((event.path, getattr(event, "tool_use_id", None)), None)
            case _:
                pass

    def _end_turn(self, event: TurnEnd) -> None:
        self.turn = max(self.turn, event.turn)
        self.waits = event.stop_reason == "interrupt"
        self.is_open = self.waits
        self.agents.clear()
        self.calls.clear()
        if not self.waits:
            self.tools.clear()
            self.questions.clear()
