"""What the agents of a run do now, for the current details and for the query `conversation`."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from strands import Agent

from .._upstream.run_local import run_local
from .current_details import set_details_line
from .summaries import shortened
from .usage import WorkflowUsage

_KEPT = 8  # agents whose conversation can be read although the workflow has dropped them
_SHOWN = 20  # agents in the current details
_LONGEST_NAME = 64  # characters of a name in the current details


@dataclass
class AgentView:
    """What one agent does in this run.

    Attributes:
        turns_before: Turns in earlier runs.
        resumes: Invocations in this run that went on with a turn which had paused.
        turns: When each turn in progress began, in seconds.
        models: Names of the models that are being called.
        tools: Tools in progress with the time when they began, by tool use id.
        attempts: Attempts that the activities of tool calls took, by tool use id.
        waiting: Whether the last turn paused with a question.
    """

    turns_before: int = 0
    resumes: int = 0
    turns: list[float] = field(default_factory=list[float])
    models: list[str] = field(default_factory=list[str])
    tools: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    waiting: bool = False

    def state(self) -> str:
        """Return what the agent does now, in a few words."""
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
        """Whether the agent neither does something nor waits for an answer."""
        return not (self.turns or self.tools or self.models or self.waiting)


class AgentViews:
    """The views of one run's agents."""

    def __init__(self) -> None:
        self._views: WeakKeyDictionary[Agent, AgentView] = WeakKeyDictionary()
        self._latest: deque[Agent] = deque(maxlen=_KEPT)

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
            self.keep(agent)
        return view

    def keep(self, agent: Agent) -> None:
        """Keep an agent, so that its conversation can be read when the workflow has dropped it."""
        if agent in self._latest:
            self._latest.remove(agent)
        self._latest.append(agent)

    def named(self) -> Iterator[tuple[str, Agent, AgentView]]:
        """Yield the agents with their names, made unequal, in the order of their first appearance."""
        taken: dict[str, int] = {}
        for agent, view in list(self._views.items()):
            taken[agent.name] = taken.get(agent.name, 0) + 1
            yield agent.name if taken[agent.name] == 1 else f"{agent.name} #{taken[agent.name]}", agent, view

    def details(self) -> str | None:
        """Return the agents and the tokens for the workflow's current details."""
        agents = list(self.named())
        # Rather an early agent that does something than a later one that is idle.
        by_interest = sorted(range(len(agents)), key=lambda place: (agents[place][2].is_idle, -place))
        lines = [
            f"**{shortened(name, _LONGEST_NAME)}**: {view.state()}, turn {turn_of(agent, view)}"
            for name, agent, view in (agents[place] for place in sorted(by_interest[:_SHOWN]))
        ]
        if len(agents) > _SHOWN:
            lines.append(f"{len(agents) - _SHOWN} more agents")
        total = run_local(WorkflowUsage).total()
        calls = "1 model call" if total.model_calls == 1 else f"{total.model_calls:,} model calls"
        lines.append(f"{calls}, {total.input_tokens:,} tokens in, {total.output_tokens:,} tokens out")
        return "\n\n".join(lines)


def turn_of(agent: Agent, view: AgentView) -> int:
    """Return the number of an agent's turn, from 1, counted over all runs that it was carried through.

    An invocation that answers the agent's question goes on with the same turn.
    """
    return view.turns_before + len(agent.event_loop_metrics.agent_invocations) - view.resumes
