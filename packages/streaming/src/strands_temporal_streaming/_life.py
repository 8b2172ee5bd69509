"""Publishes what a workflow's run knows of its agents, in the order of the run. One object for each run."""

from dataclasses import dataclass, field, replace
from typing import Any, cast
from weakref import WeakKeyDictionary, ref

from strands import Agent
from strands.multiagent import MultiAgentBase
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal.extension import describe_query, run_local

from ._control import control_topic, from_control, is_control_topic, to_control
from ._deciding import Deciding
from ._items import payload_of, value_of
from ._json import to_json
from ._life_types import ControlEvent, HandedOver
from ._limits import BoundedLog, StreamLimit
from ._places import Place
from ._snapshot import SNAPSHOT_QUERY, snapshot_of
from ._state import LiveState
from ._types import ToolCall, ToolResult, TurnEnd

LIFE_PATCH = "strands-temporal-streaming-life"
"""Patch id. In histories without it, the stream has only tool calls, their results and the ends of turns, and
drops nothing. A reader that polls by update is answered when an item comes, so a replay must have the same
items."""

_FORMERLY: dict[type[ControlEvent], tuple[str, ...]] = {
    ToolCall: ("name", "tool_use_id", "input", "agent", "truncated"),
    ToolResult: ("name", "tool_use_id", "status", "text", "truncated", "agent"),
    TurnEnd: ("stop_reason", "interrupts", "agent"),
}
"""The events and their fields without `LIFE_PATCH`, in the order of their JSON."""


@dataclass
class AgentRun:
    """An agent that runs.

    Attributes:
        place: Its place.
        before: The place of the task before.
        is_early: Whether it was noticed before its hooks.
        continues: Whether a hook made it go on after the end of an invocation.
        state: Its `agent.state`, as last published.
    """

    place: Place
    before: Place | None
    is_early: bool = False
    continues: bool = False
    state: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class TeamRun:
    """A graph or a swarm that runs.

    Attributes:
        place: Its place.
        before: The place of the task before.
        is_told: Whether its begin has been published, as far as it is.
    """

    place: Place
    before: Place | None
    is_told: bool


class Life:
    """The events of one run. `run_local(Life)` returns the run's object.

    Attributes:
        state: The state after all events.
        runs: The agents that run.
        topic: The topic of the last event.
        is_former: Whether the run's history is of an older release (`LIFE_PATCH`).
        follows: Whether agents inside others are followed.
        cancelled: The agents whose turn a hook cancelled, and why.
        teams: The graphs and swarms that run.
        limits: The limits of the run's `StreamHooks`. The first one counts.
    """

    def __init__(self) -> None:
        self.state = LiveState()
        self.runs: WeakKeyDictionary[Agent, AgentRun] = WeakKeyDictionary()
        self.topic: str | None = None
        self.is_former = False
        self.follows = False
        self.cancelled: WeakKeyDictionary[Agent, str] = WeakKeyDictionary()
        self.teams: WeakKeyDictionary[MultiAgentBase, TeamRun] = WeakKeyDictionary()
        self.limits: list[StreamLimit | None] = []
        self._log: BoundedLog | None = None
        self._stream: WorkflowStream | None = None
        self._agent: ref[Agent] | None = None
        self._places: dict[str, Place] = {}
        self._carried: dict[str, Any] = {}

    @property
    def is_attached(self) -> bool:
        """Whether the run has a stream."""
        return self._stream is not None

    def attach(self, stream: WorkflowStream) -> bool:
        """Publish to a stream from now on. Later calls in the run do nothing.

        Returns:
            Whether all events begin with this call.
        """
        if self._stream is not None:
            return False
        self.is_former = not workflow.patched(LIFE_PATCH)
        limit = None if self.is_former else self.limits[0]
        self._stream, self._log = stream, BoundedLog(stream, limit, follows=not self.is_former)
        if self.is_former:
            return False
        topic = self._take_over(self._log) or self._carried.get("topic")
        if self._carried:  # the log may have lost events
            self.state.restore(self._carried)
            run_local(Deciding).restore(self._carried.get("asking"))
        if not self.state.is_open:
            self._log.turn_start = self._log.stop
        if workflow.get_query_handler(SNAPSHOT_QUERY) is None:
            workflow.set_query_handler(SNAPSHOT_QUERY, self._snapshot)
            describe_query(SNAPSHOT_QUERY, "For readers of the stream: the present state of the agents")
        info = workflow.info()
        if topic is not None and info.continued_run_id:
            self.publish(HandedOver(run_id=info.continued_run_id, new_run_id=info.run_id), Place(topic))
        return True

    def _take_over(self, log: BoundedLog) -> str | None:
        """Learn the state from the log of the previous run. Return the topic of the log's last event."""
        topic, converter = None, workflow.payload_converter()
        for item in log.items(0):
            if not is_control_topic(item.topic):
                continue
            event = from_control(value_of(payload_of(item), converter), item.offset)
            if event is not None:
                topic = item.topic.rpartition(".")[0]
                self.state.apply(event, item.offset)
        return topic

    @property
    def publishers(self) -> set[str]:
        """Ids of the publishers of this run's activities, as far as they are known."""
        return self._log.publishers if self._log else set()

    def carry(self) -> dict[str, Any]:
        """Return JSON values of what the log may no longer tell in the next run."""
        return {**self.state.carry(), "asking": run_local(Deciding).carry(), "topic": self.topic}

    def restore(self, carried: Any) -> None:
        """Take over what `carry` returned in the previous run. Call it before `attach`."""
        self._carried = cast("dict[str, Any]", carried) if isinstance(carried, dict) else {}

    def shows(self, agent: Agent) -> None:
        """Remember the outermost agent: a snapshot has its messages."""
        self._agent = ref(agent)

    def publish(self, event: ControlEvent, place: Place, agent: str | None = None) -> None:
        """Append an event to the stream.

        Args:
            event: The event. Its path, turn, time and agent are set here.
            place: The place that it is about.
            agent: Name of the agent; None if the event has it.
        """
        if self._stream is None or self._log is None or not workflow.in_workflow():
            return
        self.topic = place.topic
        named: Any = {} if agent is None else {"agent": agent}
        if self.is_former:
            if (names := _FORMERLY.get(type(event))) is not None:
                values = to_json(replace(event, **named))
                former = {"type": values["type"], **{name: values[name] for name in names}}
                self._stream.topic(control_topic(place.topic)).publish(former)
            return
        event = replace(
            event,
            path=place.path,
            turn=self.state.turn,
            time=workflow.now().isoformat(timespec="milliseconds"),
            **named,
        )
        self.state.apply(event, self._log.stop, place.outermost)
        self._stream.topic(control_topic(place.topic)).publish(to_control(event))
        self._log.trim()

    def begin_turn(self, *, goes_on: bool) -> None:
        """Count a turn of the outermost agent.

        Args:
            goes_on: Whether it has no prompt: an answer, or the rest of a turn of the previous run.
        """
        if not (goes_on and self.state.is_open):
            self.state.turn += 1
            self.state.is_open = False
            if self._log is not None:
                self._log.turn_start = self._log.stop

    def has_agents_in(self, place: Place, tool_use_id: str) -> bool:
        """Tell whether sub-agents run inside a tool call of the agent at `place`."""
        depth = len(place.path)
        return any(
            running.tool_use_id == tool_use_id and len(running.path) > depth
            for running in self.state.agents.values()
        )

    def runs_at(self, agent: Agent, run: AgentRun) -> None:
        """Remember that an agent runs."""
        self.runs[agent] = run
        self._places[agent.name] = run.place

    def place_of(self, agent: str, topic: str) -> Place:
        """Return the place of the agent that last ran under a name, with the topic `topic`."""
        known = self._places.get(agent, Place(topic))
        return Place(topic, known.path, outermost=known.outermost)

    def _snapshot(self, *_: Any) -> dict[str, Any]:
        agent = self._agent() if self._agent else None
        messages: list[Any] = agent.messages if agent else []
        assert self._log is not None  # noqa: S101  # the query is registered after it
        return snapshot_of(self.state, self._log, messages, agent.name if agent else "", self.topic)


def life() -> Life:
    """Return this run's object."""
    return run_local(Life)
