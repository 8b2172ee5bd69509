"""Views of the agents of a run, for the current details and for the query `conversation`.

Nothing here keeps an agent alive. If the workflow drops an agent, its latest page of messages remains.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from strands import Agent
from strands.telemetry.metrics import EventLoopMetrics

from .._upstream.run_local import run_local
from .current_details import set_details_line
from .message_texts import PAGE_CHARACTERS, message_text
from .summaries import shortened
from .usage import WorkflowUsage

_KEPT = 8  # agents whose latest messages can be read although the workflow has dropped them
_SHOWN = 20  # agents in the current details
_LONGEST_NAME = 64  # characters of a name in the current details


@dataclass(eq=False)
class AgentView:
    """The state of one agent in this run, as operators see it.

    Attributes:
        name: Its name.
        messages: Its messages. Empty if the workflow has dropped the agent.
        kept: The latest messages of a dropped agent as text, the latest first, at most `PAGE_CHARACTERS`.
        metrics: Strands' metrics of the agent. They count its invocations in this run.
        turns_before: Turns in earlier runs.
        resumes: Invocations in this run that went on with a turn which had paused.
        turns: When each turn in progress began, in seconds.
        models: Names of the models that are being called.
        tools: Tools in progress with the time when they began, by tool use id.
        attempts: Attempts that the activities of tool calls took, by tool use id.
        waiting: Whether the last turn paused with a question.
        latest: Number, among all turns of the run, of this agent's latest turn.
        agent: The agent, while the workflow has it.
    """

    name: str = ""
    messages: list[Any] = field(default_factory=list[Any])
    kept: list[str] | None = None
    metrics: EventLoopMetrics = field(default_factory=EventLoopMetrics)
    turns_before: int = 0
    resumes: int = 0
    turns: list[float] = field(default_factory=list[float])
    models: list[str] = field(default_factory=list[str])
    tools: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    waiting: bool = False
    latest: int = 0
    agent: ReferenceType[Agent] | None = None
    _messages_dropped: int = 0

    @property
    def turn(self) -> int:
        """The number of the agent's turn, from 1, counted over all runs that it was carried through.

        An invocation that answers the agent's question goes on with the same turn.
        """
        return self.turns_before + len(self.metrics.agent_invocations) - self.resumes

    @property
    def message_count(self) -> int:
        """How many messages the agent has, or had when it was dropped."""
        return self._messages_dropped + len(self.messages)

    def look(self, agent: Agent) -> None:
        """Take the agent's current messages and metrics. Strands may replace both objects."""
        self.name, self.messages, self.metrics = str(agent.name), agent.messages, agent.event_loop_metrics

    def latest_texts(self, room: int) -> Iterator[str]:
        """Yield the messages as text, the latest first, at most `room` characters of each."""
        if self.kept is not None:
            yield from (shortened(text, room) for text in self.kept)
        for message in reversed(self.messages):
            yield message_text(message, room)

    def drop(self) -> None:
        """Keep the latest messages as text, and drop everything else that belongs to the agent."""
        kept: list[str] = []
        room = PAGE_CHARACTERS
        for text in self.latest_texts(PAGE_CHARACTERS):
            room -= len(text)
            if room < 0:
                break
            kept.append(text)
        self._messages_dropped, self.kept, self.messages = len(self.messages), kept, []
        self.turns_before, self.resumes, self.metrics = self.turn, 0, EventLoopMetrics()
        self.agent = None

    def state(self) -> str:
        """Return the agent's current action, in a few words."""
        if self.tools:
            names = sorted({shortened(name, _LONGEST_NAME) for name, _ in self.tools.values()})
            return f"in tool {', '.join(names)}" if len(names) == 1 else f"in tools {', '.join(names)}"
        if self.models:
            return f"calling model {shortened(self.models[-1], _LONGEST_NAME)}"
        if self.turns:
            return "working"
        return "waiting for people" if self.waiting else "idle"

    @property
    def is_idle(self) -> bool:
        """Whether the agent has no work in progress and no open question."""
        return not (self.turns or self.tools or self.models or self.waiting)


class AgentViews:
    """The views of one run's agents."""

    def __init__(self) -> None:
        self._views: WeakKeyDictionary[Agent, AgentView] = WeakKeyDictionary()
        self._all: list[AgentView] = []  # in the order of their first appearance
        self._turns = count(1)

    @classmethod
    def of_this_run(cls) -> "AgentViews":
        """Return the views of this run. The first use adds the agents to the current details."""
        views = run_local(cls)
        set_details_line("agents", views.details)
        return views

    def of(self, agent: Agent) -> AgentView:
        """Return the view of an agent."""
        view = self._views.get(agent)
        if view is None:
            view = self._views[agent] = AgentView()
            view.agent = ref(agent, lambda _, view=view: self._dropped(view))
            self._all.append(view)
            self.note_turn(view)
        view.look(agent)
        return view

    def note_turn(self, view: AgentView) -> None:
        """Note that an agent has a turn. The dropped agents with the latest turns are kept."""
        view.latest = next(self._turns)

    def named(self) -> Iterator[tuple[str, AgentView]]:
        """Yield the agents in the order of their first appearance, each with a unique name."""
        taken: dict[str, int] = {}
        for view in list(self._all):
            agent = view.agent and view.agent()
            if agent is not None:
                view.look(agent)
            name = view.name
            taken[name] = taken.get(name, 0) + 1
            yield name if taken[name] == 1 else f"{name} #{taken[name]}", view

    def _dropped(self, view: AgentView) -> None:
        """Python calls this in any thread, when an agent is garbage-collected. Must not use the workflow."""
        view.drop()
        dropped = [each for each in self._all if each.agent is None]
        if len(dropped) > _KEPT:
            self._all.remove(min(dropped, key=lambda each: each.latest))

    def details(self) -> str | None:
        """Return the agents and the tokens for the workflow's current details."""
        agents = list(self.named())
        # Prefer active agents, then those that appeared last.
        by_interest = sorted(range(len(agents)), key=lambda place: (agents[place][1].is_idle, -place))
        lines = [
            f"**{shortened(name, _LONGEST_NAME)}**: {view.state()}, turn {view.turn}"
            for name, view in (agents[place] for place in sorted(by_interest[:_SHOWN]))
        ]
        if len(agents) > _SHOWN:
            lines.append(f"{len(agents) - _SHOWN} more agents")
        total = run_local(WorkflowUsage).total()
        calls = "1 model call" if total.model_calls == 1 else f"{total.model_calls:,} model calls"
        lines.append(f"{calls}, {total.input_tokens:,} tokens in, {total.output_tokens:,} tokens out")
        return "\n\n".join(lines)
