"""Turns the events of one turn of a conversation into AG-UI events, without I/O.

The same events always give the same AG-UI events. So a reader that comes back goes on where it was.

A turn is one run, or several: at a question or a call of a front-end tool the run ends, and what comes after
the answer is the next run. See docs/front-ends.md for the table.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    Message,
    MessagesSnapshotEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateSnapshotEvent,
)

from .._decision_types import Decision, QuestionAsked, QuestionDecided
from .._json import to_json
from .._life_types import (
    AgentEnded,
    AgentEvent,
    AgentStarted,
    Failed,
    HandedOver,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    StateChanged,
    ToolCallDelta,
    ToolProgress,
    ToolStarted,
    TurnStarted,
)
from .._request_types import RequestEnded, RequestStarted
from .._types import (
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    End,
    MessageEnd,
    OutputLost,
    PendingInterrupt,
    ReasoningDelta,
    SandboxOutput,
    StreamGap,
    TextDelta,
    TextRedacted,
    ToolCall,
    ToolResult,
    TurnEnd,
)
from .agent_state import AgentState
from .interrupts import Questions
from .steps import Steps
from .subagents import Subagents
from .transcript import ToolCalls, Transcript
from .usage import RunUsage

PROTOCOL = "1.0"

_CUSTOM = (SandboxOutput, ToolProgress, Decision, QuestionDecided, OutputLost, StreamGap)
"""Events that AG-UI has no event for. They go out as `CUSTOM`, named `strands_temporal.<class>`."""


_GOES_ON = (
    TurnStarted,
    ModelCallStarted,
    CallStarted,
    ToolStarted,
    ToolCall,
    ToolResult,
    AgentStarted,
    NodeStarted,
)
"""Events that show that a turn goes on after a pause."""


_DETAILS = (
    *(TurnStarted, TurnEnd, RequestEnded, Failed, HandedOver, End),
    *(ModelCallStarted, ModelCallEnded, ModelCallFailed, AttemptFailed, AttemptRestarted),
    *(ToolStarted, QuestionAsked, QuestionDecided, Decision),
    *(AgentStarted, AgentEnded, NodeStarted, NodeEnded),
)
"""Further events that a reader gets as `CUSTOM` if it asks for details, also while no run is open."""

_NOT_SHOWN = ("type", "seq", "offset", "state", "structured_output", "interrupts", "prompt", "result")
"""Fields that AG-UI's own events tell, or that no reader needs."""


class TurnMapper:
    """Maps the events of one turn, from its `RequestStarted` on.

    Args:
        thread: The thread's id.
        request: Id of the turn's request, which is the id of the first run.
        history: The messages before the turn, and the message that began it.
        before: The turn before, whose tool calls this one may answer.
        added: For a reader that wants details: the messages that began the turn, if it has those before. It
            gets these alone in place of a snapshot; None is a snapshot.
        details: Whether the reader wants details.

    Attributes:
        run: Id of the current run, or of the last one.
        is_running: Whether a run has begun and not ended.
        is_over: Whether the turn has ended.
        pauses: How often the turn has paused, for people or for clients.
        segment: How often it had paused before the current run.
        names: Ids of runs that a front end has given, by the number of pauses before each.
        paused_with: The interrupts of the latest pause.
    """

    def __init__(
        self,
        thread: str,
        request: str,
        history: Sequence[Message] = (),
        before: "TurnMapper | None" = None,
        *,
        added: Sequence[Message] | None = None,
        details: bool = False,
    ) -> None:
        self.run = request
        self.is_running, self.is_over = False, False
        self.pauses, self.segment = 0, 0
        self.names: dict[int, str] = {}
        self.paused_with: tuple[PendingInterrupt, ...] = ()
        self._thread, self._request = thread, request
        self._added, self._details = added, details
        self._steps = Steps()
        self._subagents = Subagents()
        self._said = Transcript(history, self._subagents, before.tools if before else None)
        self._usage = RunUsage()
        self._questions = Questions()
        self._state = AgentState()

    def events(self, event: AgentEvent) -> Iterator[BaseEvent]:
        """Yield the AG-UI events of an event."""
        at, is_told = _milliseconds(event.time), False
        for each in () if self.is_over else self._mapped(event):
            if at is not None and each.timestamp is None:
                each.timestamp = at
            is_told = is_told or isinstance(each, CustomEvent)
            yield each
        if self._details and not is_told and isinstance(event, _DETAILS):
            yield self._custom(event, at)

    def set_history(self, history: Sequence[Message]) -> None:
        """Set the messages before the turn, before its first event."""
        self._said.messages = list(history)

    @property
    def messages(self) -> list[Message]:
        """The thread's messages so far."""
        return list(self._said.messages)

    @property
    def tools(self) -> ToolCalls:
        """The tool calls so far."""
        return self._said.tools

    @property
    def request(self) -> str:
        """Id of the turn's request."""
        return self._request

    def begin(self, run: str) -> RunStartedEvent:
        """Begin a run, and return its first event."""
        self.run, self.is_running, self.segment = run, True, self.pauses
        self._usage = RunUsage()
        return RunStartedEvent(thread_id=self._thread, run_id=run, protocol_version=PROTOCOL)

    def go_on(self, run: str) -> Iterator[BaseEvent]:
        """Begin the run that follows a pause."""
        yield self.begin(run)
        yield self._state.snapshot()

    def pause(self, asked: Sequence[PendingInterrupt]) -> Iterator[BaseEvent]:
        """End the run because the turn waits for people or clients."""
        yield from self._close_all(suspended=True)
        self.paused_with = tuple(asked)
        self.is_running = False
        yield self._finished(self._questions.outcome(asked, self._said.tools))

    def snapshot(self, messages: Sequence[Message]) -> MessagesSnapshotEvent:
        """Replace all messages: for a reader that missed a part of the stream."""
        self._said.messages = list(messages)
        return self._said.snapshot()

    def miss(self) -> None:
        """Take note that a part of the stream is missing: pieces of unknown calls are shown."""
        self._said.is_lossy = True

    def fail(self, message: str, code: str) -> Iterator[BaseEvent]:
        """End the run with an error."""
        yield from self._close_all()
        self.is_running, self.is_over = False, True
        yield RunErrorEvent(message=message, code=code, usage=self._usage.entries() or None)

    def _mapped(self, event: AgentEvent) -> Iterator[BaseEvent]:
        if isinstance(event, RequestStarted):
            if event.request == self._request:
                yield from self._start(event)
            return
        if self.pauses and not self.is_running and not isinstance(event, End):
            ended_without_answer = isinstance(event, RequestEnded) and event.stop_reason != "interrupt"
            if isinstance(event, _GOES_ON) or ended_without_answer:
                yield from self.go_on(self.names.get(self.pauses, f"{self._request}/{self.pauses + 1}"))
            elif not isinstance(event, RequestEnded):
                return
        match event:
            case CallStarted() | ModelCallStarted():
                self._said.call(event.call).model = event.model
                self._said.latest[event.path] = self._said.call(event.call)
            case TextDelta() | ReasoningDelta():
                yield from self._said.piece(event)
            case ToolCallDelta():
                yield from self._said.arguments(event)
            case MessageEnd():
                yield from self._said.message_end(event)
            case TextRedacted(text=text, call=call):
                yield from self._said.retract(call)
                yield from self._said.piece(TextDelta(text, call, path=event.path))
            case AttemptFailed(call=call) | AttemptRestarted(call=call):
                if isinstance(event, AttemptRestarted):
                    self._said.call(call).model = event.model or self._said.call(call).model
                yield from self._said.retract(call)
            case ToolCall():
                yield from self._said.tool_call(event)
            case ToolResult():
                yield from self._said.tool_result(event)
            case AgentStarted():
                yield from self._subagents.started(event)
            case AgentEnded():
                yield from self._subagents.ended(event)
            case NodeStarted():
                yield from self._steps.started(event)
            case NodeEnded():
                yield from self._steps.ended(event)
            case StateChanged():
                yield from self._state.changed(event)
            case ModelCallEnded():
                self._usage.add(self._said.call(event.call).model, event.usage)
            case QuestionAsked():
                self._questions.asked(event)
            case TurnEnd(stop_reason="interrupt", path=()):
                yield from self.pause(event.interrupts)
                self.pauses += 1
            case TurnEnd(path=()):
                yield from self._said.whole_text(event.result)
            case RequestEnded():
                if event.request == self._request:
                    yield from self._finish(event)
            case End(status=status):
                yield from self._end_of_workflow(status)
            case _:
                self._said.is_lossy = self._said.is_lossy or isinstance(event, (StreamGap, OutputLost))
                if isinstance(event, _CUSTOM):
                    yield self._custom(event)

    def _custom(self, event: AgentEvent, at: int | None = None) -> CustomEvent:
        value = {name: v for name, v in to_json(event).items() if name not in _NOT_SHOWN}
        tool = self._said.tools.shown_id(getattr(event, "tool_use_id", None)) if self._details else None
        if tool is not None:
            value["toolCallId"] = tool
        return CustomEvent(name=f"strands_temporal.{type(event).__name__}", value=value, timestamp=at)

    # --- Runs

    def _start(self, event: RequestStarted) -> Iterator[BaseEvent]:
        if not self.is_running:  # else the one who asked was told at once
            yield self.begin(self._request)
        yield self._state.begin(event.state)
        if self._added is None:
            yield self._said.snapshot()
        else:
            shown = [message.model_dump(by_alias=True, mode="json") for message in self._added]
            yield CustomEvent(name="strands_temporal.Messages", value={"messages": shown})

    def _finish(self, event: RequestEnded) -> Iterator[BaseEvent]:
        if self.is_running and not self.pauses:  # else the tokens are those of several runs
            self._usage.fill(event.usage, self._said.models)
        if self.is_running and event.error_type:
            yield from self.fail(event.error, event.error_type)
        elif self.is_running:
            yield from self._close_all()
            if event.state is not None:
                yield StateSnapshotEvent(snapshot=event.state)
            self.is_running, self.is_over = False, True
            cancelled = event.stop_reason == "cancelled"
            outcome: Any = RunFinishedCancelledOutcome() if cancelled else RunFinishedSuccessOutcome()
            yield self._finished(outcome, event)
        self.is_running, self.is_over = False, True

    def _finished(self, outcome: Any, event: RequestEnded | None = None) -> RunFinishedEvent:
        reason = event.stop_reason if event else None
        return RunFinishedEvent(
            thread_id=self._thread,
            run_id=self.run,
            outcome=outcome,
            result=event.structured_output if event else None,
            usage=self._usage.entries() or None,
            metadata={"stopReason": reason} if reason not in (None, "end_turn", "cancelled") else None,
        )

    def _end_of_workflow(self, status: str) -> Iterator[BaseEvent]:
        if self.is_running:
            text = f"The conversation's workflow ended ({status.lower() or 'unknown'})"
            yield from self.fail(text, f"WORKFLOW_{status or 'UNKNOWN'}")
        self.is_over = True

    def _close_all(self, *, suspended: bool = False) -> Iterator[BaseEvent]:
        """Close everything that is open: a run must not end otherwise."""
        yield from self._said.close()
        yield from self._steps.close()
        yield from self._subagents.close(suspended=suspended)


def _milliseconds(time: str) -> int | None:
    return round(datetime.fromisoformat(time).timestamp() * 1000) if time else None
