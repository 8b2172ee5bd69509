"""Publishes what a workflow's run knows of its agents, in the order of the run. One object for each run."""

import asyncio
import base64
from dataclasses import dataclass, field, replace
from typing import Any, cast
from weakref import WeakKeyDictionary, ref

from strands import Agent
from strands.multiagent import MultiAgentBase
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal.extension import (
    ModelCallNote,
    QuestionNote,
    RunNote,
    describe_query,
    listen_to_notes,
    run_local,
)
from strands_temporal.workflow import AgentCancelledError

from ._control import control_topic, from_control, to_control
from ._cut import as_json, counts, dumped, error_text
from ._decision_types import QuestionAsked, QuestionDecided
from ._json import from_json, to_json
from ._life_types import ControlEvent, HandedOver, ModelCallEnded, ModelCallFailed, ModelCallStarted
from ._limits import BoundedLog, StreamLimit
from ._places import HERE, Place
from ._snapshot import SNAPSHOT_QUERY, snapshot_of
from ._state import LiveState
from ._types import ToolCall, ToolResult, TurnEnd

LIFE_PATCH = "strands-temporal-streaming-life"
"""Patch id. In histories without it, the stream has only tool calls, their results and the ends of turns, and
drops nothing. A reader that polls by update is answered when an item comes, so a replay must have the same
items."""

_CARRIED_CHARACTERS = 32 * 1024
"""Most characters of the open questions in a carry."""

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


class Life:
    """The events of one run. `run_local(Life)` returns the run's object.

    Attributes:
        state: The state after all events.
        runs: The agents that run.
        topic: The topic of the last event.
        is_former: Whether the run's history is of an older release (`LIFE_PATCH`).
        follows: Whether agents inside others are followed.
        interrupted: Ids of the tool calls that a hook stopped with a question.
        cancelled: The agents whose turn a hook cancelled, and why.
        teams: The graphs and swarms that run: their places, and the place of the task before.
    """

    def __init__(self) -> None:
        self.state = LiveState()
        self.runs: WeakKeyDictionary[Agent, AgentRun] = WeakKeyDictionary()
        self.topic: str | None = None
        self.is_former = False
        self.follows = False
        self.interrupted: set[str] = set()
        self.cancelled: WeakKeyDictionary[Agent, str] = WeakKeyDictionary()
        self.teams: WeakKeyDictionary[MultiAgentBase, tuple[Place, Place | None]] = WeakKeyDictionary()
        self._log: BoundedLog | None = None
        self._stream: WorkflowStream | None = None
        self._agent: ref[Agent] | None = None
        self._paths: dict[str, tuple[str, ...]] = {}
        self._carried: dict[str, Any] = {}

    @property
    def is_attached(self) -> bool:
        """Whether the run has a stream."""
        return self._stream is not None

    def attach(self, stream: WorkflowStream, limit: StreamLimit | None) -> None:
        """Publish to a stream from now on. Later calls in the run do nothing."""
        if self._stream is not None:
            return
        self.is_former = not workflow.patched(LIFE_PATCH)
        self._stream, self._log = stream, BoundedLog(stream, None if self.is_former else limit)
        if self.is_former:
            return
        topic = self._take_over(self._log)
        self._restore()
        if workflow.get_query_handler(SNAPSHOT_QUERY) is None:
            workflow.set_query_handler(SNAPSHOT_QUERY, self._snapshot)
            describe_query(SNAPSHOT_QUERY, "For readers of the stream: the present state of the agents")
        listen_to_notes(self._noted)
        if topic is not None and workflow.info().continued_run_id:
            self.publish(HandedOver(run_id=workflow.info().continued_run_id or ""), Place(topic))

    def _take_over(self, log: BoundedLog) -> str | None:
        """Learn the state from the log of the previous run. Return the topic of the log's last event."""
        topic, converter = None, workflow.payload_converter()
        for item in log.items(0):
            name, dot, kind = item.topic.rpartition(".")
            if control_topic(name) != f"{name}{dot}{kind}":
                continue
            payload = Payload.FromString(base64.b64decode(item.data))
            event = from_control(converter.from_payload(payload), item.offset)
            if event is not None:
                topic = name
                self.state.apply(event, item.offset)
        return topic

    def _restore(self) -> None:
        """Correct the state by what the previous run carried: its log may have lost events."""
        state, carried = self.state, self._carried
        if not carried:
            return
        state.turn = max(state.turn, int(carried.get("turn", 0)))
        state.usage = dict(carried.get("usage", {}))
        state.is_open, state.waits = bool(carried.get("is_open")), bool(carried.get("waits"))
        for each in carried.get("questions", ()):
            question = from_json(each)
            if isinstance(question, QuestionAsked):
                state.questions.setdefault(question.id, question)

    def carry(self) -> dict[str, Any]:
        """Return JSON values of what the log may no longer tell in the next run."""
        state = self.state
        questions = [to_json(each) for each in state.questions.values()]
        is_small = len(dumped(questions)) <= _CARRIED_CHARACTERS
        return {
            "turn": state.turn,
            "usage": state.usage,
            "is_open": state.is_open,
            "waits": state.waits,
            "questions": questions if is_small else [],
        }

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
        self.state.apply(event, self._log.stop)
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
        self._paths[agent.name] = run.place.path

    def _noted(self, note: RunNote) -> None:
        if isinstance(note, QuestionNote):
            self._question(note)
            return
        run = None if note.agent is None else self.runs.get(note.agent)
        place = run.place if run else HERE.get()
        if place is not None:
            self.publish(_of_call(note), place, note.agent.name if note.agent else "")

    def _question(self, note: QuestionNote) -> None:
        if self.topic is None:
            return
        place = Place(self.topic, self._paths.get(note.agent, ()))
        if note.outcome is None:
            reason, cut = as_json(note.reason)
            event: ControlEvent = QuestionAsked(
                id=note.id,
                name=note.name,
                reason=reason,
                truncated=cut,
                tool_use_id=note.tool_use_id,
                deadline=note.deadline,
            )
        else:
            answer, cut = as_json(note.answer)
            event = QuestionDecided(
                id=note.id,
                name=note.name,
                outcome=note.outcome,
                by=note.by,
                at=note.at,
                answer=answer,
                truncated=cut,
            )
        self.publish(event, place, note.agent)

    def _snapshot(self, *_: Any) -> dict[str, Any]:
        agent = self._agent() if self._agent else None
        messages: list[Any] = agent.messages if agent else []
        assert self._log is not None  # noqa: S101  # the query is registered after it
        return snapshot_of(self.state, self._log, messages, agent.name if agent else "", self.topic)


def _of_call(note: ModelCallNote) -> ControlEvent:
    if isinstance(note.error, (AgentCancelledError, asyncio.CancelledError)):
        return ModelCallEnded(call=note.call, stop_reason="cancelled")
    if note.error is not None:
        name, message = error_text(note.error)
        return ModelCallFailed(call=note.call, error=name, message=message)
    if note.stop_reason is None:
        return ModelCallStarted(call=note.call, model=note.model)
    return ModelCallEnded(
        call=note.call,
        stop_reason=note.stop_reason,
        usage=counts(note.usage),
        metrics=counts(note.metrics),
    )


def life() -> Life:
    """Return this run's object."""
    return run_local(Life)
