"""Reads what agents and their workers wrote into a history: model calls, answers, tool calls."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .._wire.model_call import MODEL_ACTIVITY, STREAMING_MODEL_ACTIVITY, ModelCall, ModelResult
from .._wire.transcript_parts import Answer, Kept, New, part_from_wire
from .._wire.values import decode

MODEL_ACTIVITIES = (MODEL_ACTIVITY, STREAMING_MODEL_ACTIVITY)

_TURN = re.compile(r"turn (\d+)")


@dataclass(frozen=True)
class ToolUse:
    """A tool call that a model asked for.

    Attributes:
        id: The provider's id.
        name: The tool.
        arguments: JSON values; the text if it is no JSON.
    """

    id: str
    name: str
    arguments: Any = None


@dataclass(frozen=True)
class AnswerText:
    """A model's answer.

    Attributes:
        text: Its text.
        tool_uses: The tool calls that it asks for.
        other: Kinds of its other blocks: "reasoningContent".
        stop_reason: Strands' stop reason.
        usage: Tokens, as in Strands' `Usage`.
    """

    text: str = ""
    tool_uses: Sequence[ToolUse] = ()
    other: Sequence[str] = ()
    stop_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict[str, int])


def answer_text(result: ModelResult) -> AnswerText:
    """Return the content of a model's answer."""
    texts: list[str] = []
    uses: list[tuple[dict[str, Any], list[str]]] = []
    other: dict[str, None] = {}
    stop_reason, usage = None, cast("Mapping[str, int]", {})
    events: list[dict[str, Any]] = decode(result.events)
    for event in events:
        if "contentBlockStart" in event:
            start = cast("dict[str, Any]", event["contentBlockStart"].get("start") or {})
            if use := start.get("toolUse"):
                uses.append((use, []))
        elif "contentBlockDelta" in event:
            delta: dict[str, Any] = event["contentBlockDelta"].get("delta") or {"nothing": None}
            ((kind, value),) = delta.items()
            if kind == "text":
                texts.append(value)
            elif kind == "toolUse" and uses:
                uses[-1][1].append(value.get("input", ""))
            else:
                other[kind] = None
        elif "messageStop" in event:
            stop_reason = event["messageStop"].get("stopReason")
        elif "metadata" in event:
            usage = event["metadata"].get("usage") or usage
    tool_uses = [
        ToolUse(str(use.get("toolUseId")), str(use.get("name")), _json("".join(text))) for use, text in uses
    ]
    return AnswerText("".join(texts), tool_uses, list(other), stop_reason, usage)


class SentMessages:
    """The messages of one agent's calls, as far as history has them."""

    def __init__(self) -> None:
        self._messages: list[Mapping[str, Any] | None] = []  # None for a message that is not in history

    def new_in(self, call: ModelCall) -> list[Mapping[str, Any]] | None:
        """Return the messages that follow the last answer; None if the worker asked the workflow for them.

        A message that an earlier call had, such as a repeated prompt, is sent as a range of that call.
        """
        if call.transcript.messages is None:
            self._messages = []
            return None
        before, self._messages = self._messages, []
        for part in map(part_from_wire, call.transcript.messages):
            match part:
                case Kept(start, stop):
                    known = before[start:stop]
                    self._messages += [*known, *[None] * (stop - start - len(known))]
                case Answer():
                    self._messages.append({"role": "assistant"})
                case New(encoded):
                    self._messages.append(decode(encoded))
        new: list[Mapping[str, Any]] = []
        for message in reversed(self._messages):
            if message is None or message.get("role") == "assistant":
                break
            new.insert(0, message)
        return new


def prompt_in(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the last message if it is a person's: a user's message without a tool's result."""
    last = messages[-1] if messages else None
    if last is None or last.get("role") != "user" or any("toolResult" in block for block in last["content"]):
        return None
    return last


def tool_results(messages: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the tools' results in messages, by the ids of their calls."""
    blocks = [block for message in messages for block in message.get("content") or ()]
    return {
        str(block["toolResult"].get("toolUseId")): block["toolResult"]
        for block in blocks
        if "toolResult" in block
    }


def agent_and_turn(summary: object) -> tuple[str | None, int | None]:
    """Return the agent and the turn that the summary of a model call names (see `summaries.summary_of`)."""
    parts = summary.split(" · ") if isinstance(summary, str) else []
    found = _TURN.fullmatch(parts[-1]) if parts else None
    if found is None:
        return None, None
    return (parts[1] if len(parts) == 3 else None), int(found[1])  # model, agent, turn


def tool_of(header: object, activity_type: str) -> tuple[str, str] | None:
    """Return a tool call's id and the tool's name, from the activity's header; None without one."""
    if not isinstance(header, list) or len(cast("list[Any]", header)) < 2:
        return None
    _, use_id, *rest = cast("list[Any]", header)
    return str(use_id), next((part for part in rest if isinstance(part, str)), activity_type)


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text
