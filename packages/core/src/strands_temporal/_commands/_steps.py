"""Makes a run's events into the steps of its agents: turns, model calls, tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.exceptions import ApplicationError
from typing_extensions import override

from .._wire.model_call import ModelCall, ModelResult
from .._wire.tool_call import ToolOutcome
from .._wire.values import decode
from .._workflow.message_texts import message_text
from ._answers import (
    MODEL_ACTIVITIES,
    AnswerText,
    SentMessages,
    ToolUse,
    agent_and_turn,
    answer_text,
    prompt_in,
    tool_of,
    tool_results,
)
from ._other_steps import OtherSteps, Step, as_text, json_value, reading_into, unreadable
from ._payloads import Unreadable
from ._run_events import ReadEvent, RunEvents, error_text, is_hook, tool_header

_LONGEST_PROMPT = 20_000  # characters
_INTERRUPT = "InterruptException"


@dataclass
class _Turn:
    """The turn of an agent at one place of the history.

    Attributes:
        number: Its number, from 1; 0 before the first one.
        agent: The agent's name, if a summary tells it.
        told: Whether a summary told the number. Summaries may be missing, or be the user's own.
        answered: Whether the latest answer asked for no tool.
    """

    number: int = 0
    agent: str | None = None
    told: bool = False
    answered: bool = False

    def goes_on(self, agent: str | None, number: int | None, has_prompt: bool, *, unknown: bool) -> bool:
        """Note the next model call. Return whether a turn begins with it.

        Args:
            agent: The agent's name, if the summary tells it.
            number: The turn's number, if the summary tells it.
            has_prompt: Whether the call ends with a person's message.
            unknown: Whether its messages are not in history, or repeat such a message.
        """
        if self.told and number is not None:
            begins = number != self.number
        else:
            begins = not self.number or has_prompt or (unknown and self.answered)
        self.agent = agent or self.agent
        self.number = number or self.number + begins
        self.told = number is not None
        self.answered = False
        return begins


@dataclass(frozen=True)
class _Sent:
    """What a model call sent.

    Attributes:
        messages: The messages that follow the last answer; None if they are not in history.
        prompt: Text of the last one, if it is a person's.
        results: Results of tools in them, by the ids of their calls.
    """

    messages: Sequence[Mapping[str, Any]] | None
    prompt: str | None
    results: Mapping[str, Mapping[str, Any]]


class RunSteps(OtherSteps):
    """The steps of one run.

    Args:
        events: The run's events, read.
        pending: Activities that have not ended, by id, as the server describes them.
    """

    def __init__(self, events: RunEvents, pending: Mapping[str, Any]) -> None:
        super().__init__(events)
        self._pending = pending
        self._asked: dict[str, tuple[Step, ToolUse]] = {}  # what models asked for, by the calls' ids
        self._turns: dict[int, _Turn] = {}  # by the agent's number
        self._sent: dict[int, SentMessages] = {}  # by the agent's number
        self._activities: dict[int, str] = {}  # ids, by the event that scheduled it

    @override
    def steps(self) -> list[Step]:
        """See base class."""
        steps = super().steps()
        for number, step in self._open.items():
            if number in self._activities:
                self._describe_pending(step, self._activities[number])
        return steps

    def _activity_task_scheduled(self, event: ReadEvent) -> None:
        activity_type = event.attributes.activity_type.name
        summary = self._events.value(event, "summary")
        self._activities[event.id] = event.attributes.activity_id
        header = tool_of(tool_header(event.attributes.header.fields), activity_type)
        if activity_type in MODEL_ACTIVITIES:
            step = self._model_call(event, summary)
        elif header is not None:
            step = self._tool_call(event, activity_type, *header)
        else:
            kind = "hook" if is_hook(event.attributes.header.fields) else "activity"
            step = self._add(event, kind, activity=activity_type, summary=as_text(summary))
        step["event"] = event.id
        step["status"] = "scheduled"
        step["input_bytes"] = event.sizes.get("input", 0)
        self._open[event.id] = step

    def _activity_task_started(self, event: ReadEvent) -> None:
        step = self._open.get(event.attributes.scheduled_event_id)
        if step is not None:
            step.update(status="running", attempts=event.attributes.attempt, worker=event.attributes.identity)

    def _activity_task_completed(self, event: ReadEvent) -> None:
        step = self._ended(event, "completed")
        if step is None:
            return
        value = self._events.value(event, "result")
        step["result_bytes"] = event.sizes.get("result", 0)
        with reading_into(step):
            if isinstance(value, Unreadable):
                step["unreadable"] = str(value)
            elif step["kind"] == "model":
                self._answered(step, value)
            elif step["kind"] == "tool":
                step.update(_outcome(value))
            elif value is not None:
                step["result"] = json_value(value)

    def _activity_task_failed(self, event: ReadEvent) -> None:
        step = self._ended(event, "failed")
        if step is None:
            return
        failure = event.failure
        if isinstance(failure, ApplicationError) and failure.type == _INTERRUPT:
            details: Any = failure.details[0] if failure.details else {}
            question = cast("dict[str, Any]", details) if isinstance(details, dict) else {}
            step["status"] = "question"
            with reading_into(step):
                step["question"] = {"name": question.get("name"), "reason": decode(question.get("reason"))}
            return
        step["error"] = error_text(failure)

    def _activity_task_timed_out(self, event: ReadEvent) -> None:
        if step := self._ended(event, "timed out"):
            step["error"] = error_text(event.failure)

    def _activity_task_canceled(self, event: ReadEvent) -> None:
        self._ended(event, "cancelled")

    def _model_call(self, event: ReadEvent, summary: object) -> Step:
        value = self._events.value(event, "input")
        wire = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if "transcript" not in wire:
            return self._add(event, "model", agent_number=0, unreadable=str(cast("object", value)))
        try:
            call = ModelCall.from_wire(wire)
            sent = self._sent_with(call)
        except Exception as error:  # noqa: BLE001  # a damaged value may raise anything
            return self._add(event, "model", agent_number=0, unreadable=unreadable(error))
        number = call.transcript.agent
        turn = self._turns.setdefault(number, _Turn())
        began = turn.goes_on(*agent_and_turn(summary), sent.prompt is not None, unknown=not sent.messages)
        self._ran_in_the_workflow(event, sent.results)
        if began:
            self._add(
                event,
                "turn",
                agent=turn.agent,
                agent_number=number,
                turn=turn.number,
                prompt=sent.prompt,
                fetched=True if sent.messages is None else None,  # too large for history
            )
        return self._add(
            event,
            "model",
            agent=turn.agent,
            agent_number=number,
            turn=turn.number,
            model=call.model or "default",
            call=call.transcript.call,
        )

    def _sent_with(self, call: ModelCall) -> _Sent:
        messages = self._sent.setdefault(call.transcript.agent, SentMessages()).new_in(call)
        prompt = prompt_in(messages) if messages else None
        return _Sent(
            messages,
            message_text(prompt, _LONGEST_PROMPT).removeprefix("user: ") if prompt else None,
            tool_results(messages or []),
        )

    def _answered(self, step: Step, value: Any) -> None:
        result = ModelResult.from_wire(value)
        answer: AnswerText = answer_text(result)
        step.update(
            text=answer.text,
            stop_reason=answer.stop_reason,
            tool_calls=[
                {"id": use.id, "tool": use.name, "arguments": use.arguments} for use in answer.tool_uses
            ],
            input_tokens=_count(answer.usage.get("inputTokens")),
            output_tokens=_count(answer.usage.get("outputTokens")),
            total_tokens=_count(answer.usage.get("totalTokens")),
        )
        if answer.other:
            step["other_content"] = list(answer.other)
        self._turns.setdefault(step["agent_number"], _Turn()).answered = answer.stop_reason != "tool_use"
        for use in answer.tool_uses:
            self._asked[use.id] = step, use

    def _tool_call(self, event: ReadEvent, activity_type: str, use_id: str, tool: str) -> Step:
        _, use = self._asked.get(use_id, (None, None))
        step = self._add(
            event, "tool", tool=tool, tool_use_id=use_id, activity=activity_type, where="activity"
        )
        if use is not None and use.name == tool:
            step["arguments"] = use.arguments
            self._asked[use_id] = step, use
        return step

    def _ran_in_the_workflow(self, event: ReadEvent, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Add the tools that had no activity: their results are in the next call's messages."""
        for use_id, result in results.items():
            asked, use = self._asked.pop(use_id, (None, None))
            if asked is None or use is None or asked["kind"] == "tool":
                continue
            self._add(
                event,
                "tool",
                tool=use.name,
                tool_use_id=use_id,
                where="workflow",
                arguments=use.arguments,
                status=result.get("status") or "success",
                result=json_value(result.get("content")),
            )

    def _ended(self, event: ReadEvent, status: str) -> Step | None:
        step = self._open.pop(event.attributes.scheduled_event_id, None)
        if step is not None:
            step["status"] = status
            step["seconds"] = (event.at - datetime.fromisoformat(step["at"])).total_seconds()
        return step

    def _describe_pending(self, step: Step, activity_id: str) -> None:
        pending = self._pending.get(activity_id)
        if pending is None:
            return
        step["attempts"] = pending.attempt
        if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            step["status"] = "running"
        elif pending.attempt > 1:
            step["status"] = "waits for a retry"
        if pending.HasField("last_failure"):
            step["last_failure"] = pending.last_failure.message


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _outcome(value: Any) -> Step:
    """Return the fields of an activity's answer to a tool call."""
    outcome = ToolOutcome.from_wire(value)
    if outcome is None:  # a worker without the plugin, or a tool that speaks for itself
        if isinstance(value, dict) and "status" in value and "content" in value:
            result = cast("dict[str, Any]", value)
            return {"status": result["status"], "result": json_value(result["content"])}
        return {"status": "success", "result": json_value(value)}
    fields: Step = {"attempts": outcome.attempt} if outcome.attempt > 1 else {}
    if outcome.result is None:
        return {**fields, "status": "success", "result": [{"text": decode(outcome.text)}]}
    result = decode(outcome.result)
    return {**fields, "status": result.get("status", "success"), "result": json_value(result.get("content"))}
