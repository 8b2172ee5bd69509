"""What the model and the tools of one turn have said, as AG-UI events and messages."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ag_ui.core import (
    AssistantMessage,
    BaseEvent,
    FunctionCall,
    Message,
    MessagesSnapshotEvent,
    ReasoningEndEvent,
    ReasoningMessage,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
)
from ag_ui.core import ToolCall as FunctionToolCall

from .._life_types import ToolCallDelta
from .._types import MessageEnd, ReasoningDelta, TextDelta, ToolCall, ToolResult
from .partial_json import completion
from .subagents import Subagents


@dataclass
class Call:
    """A model call, and what it has said so far.

    Attributes:
        id: Its identity in the stream.
        model: Name of the model; None is the plugin's default.
        subagent: Id of the sub-agent that makes it; None for the outermost agent.
        open_kind: What is open: "text", "reasoning", "tool", or nothing.
        open_id: Id of the open message or tool call.
        messages: The messages that it has made.
        tools: The tool calls that it has asked for.
    """

    id: str
    model: str | None = None
    subagent: str | None = None
    open_kind: str = ""
    open_id: str = ""
    messages: list[Message] = field(default_factory=list[Any])
    tools: list[str] = field(default_factory=list[str])
    _made: int = 0

    def new_id(self) -> str:
        """Return the id of its next message."""
        self._made += 1
        return self.id if self._made == 1 else f"{self.id}:{self._made}"

    def begin(self, kind: str) -> str:
        """Open a message, and return its id."""
        self.open_kind, self.open_id = kind, self.new_id()
        return self.open_id


class ToolCalls:
    """The tool calls of a turn, by the ids that the reader sees.

    If a call comes again in another attempt under the same id, the reader sees another id.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.functions: dict[str, FunctionCall] = {}
        self._shown: dict[str, str] = {}

    def begin(self, tool_use_id: str) -> str:
        """Begin a call, and return the id that the reader sees."""
        id_, number = tool_use_id, 1
        while id_ in self.texts:
            number += 1
            id_ = f"{tool_use_id}#{number}"
        self.texts[id_] = ""
        self._shown[tool_use_id] = id_
        return id_

    def shown_id(self, tool_use_id: str | None) -> str | None:
        """Return the id that the reader sees; None if there is no such call."""
        return self._shown.get(tool_use_id or "")

    def forget(self, ids: Sequence[str]) -> None:
        """Forget calls that do not count."""
        self._shown = {use: id_ for use, id_ in self._shown.items() if id_ not in ids}


class Transcript:
    """Maps what models and tools say, and keeps the messages that it makes up.

    Args:
        history: The messages before.
        subagents: The turn's sub-agents.
        tools: The tool calls of the turn before.

    Attributes:
        messages: The messages so far.
        tools: The tool calls.
        is_lossy: Whether a part of the stream is missing.
    """

    def __init__(
        self, history: Sequence[Message], subagents: Subagents, tools: ToolCalls | None = None
    ) -> None:
        self.messages: list[Message] = list(history)
        self.tools = tools or ToolCalls()
        self.is_lossy = False
        self._subagents = subagents
        self._calls: dict[str, Call] = {}
        self._last_call: dict[tuple[str, ...], Call] = {}
        self.latest: dict[tuple[str, ...], Call] = {}

    def snapshot(self) -> MessagesSnapshotEvent:
        """Return all messages as one event."""
        return MessagesSnapshotEvent(messages=[message.model_copy(deep=True) for message in self.messages])

    @property
    def models(self) -> list[str]:
        """The names of the models that were called."""
        return sorted({call.model for call in self._calls.values() if call.model})

    def call(self, id_: str) -> Call:
        """Return a model call. From now on its pieces are shown."""
        return self._calls.setdefault(id_, Call(id_))

    def message_end(self, event: MessageEnd) -> Iterator[BaseEvent]:
        """Map the end of a model's message."""
        call = self.call(event.call)
        yield from self._end_call(call)
        self._last_call[event.path] = call

    def close(self) -> Iterator[BaseEvent]:
        """Close everything that is open."""
        for call in self._calls.values():
            yield from self._end_call(call)

    def piece(self, event: TextDelta | ReasoningDelta) -> Iterator[BaseEvent]:
        """Map a piece of text or reasoning."""
        if event.call not in self._calls and not self.is_lossy:
            return  # a call of an earlier turn that was given up, and still sends
        call, is_text = self.call(event.call), isinstance(event, TextDelta)
        yield from self._subagents.lazily(event.path, event.agent)
        if call.open_kind not in ("", "text" if is_text else "reasoning"):
            yield from self._end_part(call)
        sub = call.subagent = call.subagent or self._subagents.run_id(event.path)
        if not call.open_kind:
            id_ = call.begin("text" if is_text else "reasoning")
            message: Message
            if is_text:
                message = AssistantMessage(id=id_, content="", subagent_run_id=sub)
                yield TextMessageStartEvent(message_id=id_, role="assistant", subagent_run_id=sub)
            else:
                message = ReasoningMessage(id=id_, content="", subagent_run_id=sub)
                yield ReasoningStartEvent(message_id=id_, subagent_run_id=sub)
                yield ReasoningMessageStartEvent(message_id=id_, subagent_run_id=sub)
            self.messages.append(message)
            call.messages.append(message)
        said = cast("AssistantMessage | ReasoningMessage", call.messages[-1])
        said.content = f"{said.content}{event.text}"
        kind = TextMessageContentEvent if is_text else ReasoningMessageContentEvent
        yield kind(message_id=call.open_id, delta=event.text, subagent_run_id=sub)

    def whole_text(self, text: str) -> Iterator[BaseEvent]:
        """Map the text of the last message if none of it came as a stream: the agent has no topic."""
        call = self.latest.get(())
        if call is None or not text.strip() or any(isinstance(m, AssistantMessage) for m in call.messages):
            return
        yield from self.piece(TextDelta(text, call.id))
        yield from self._end_call(call)

    def _end_part(self, call: Call) -> Iterator[BaseEvent]:
        """Close the text, the reasoning or the tool call that a model call has open."""
        kind, id_, sub = call.open_kind, call.open_id, call.subagent
        call.open_kind = ""
        if kind == "text":
            yield TextMessageEndEvent(message_id=id_, subagent_run_id=sub)
        elif kind == "reasoning":
            yield ReasoningMessageEndEvent(message_id=id_, subagent_run_id=sub)
            yield ReasoningEndEvent(message_id=id_, subagent_run_id=sub)
        elif kind == "tool":
            rest = completion(self.tools.texts[id_])
            if rest:
                yield self._more(id_, rest, sub)
            yield ToolCallEndEvent(tool_call_id=id_, subagent_run_id=sub)

    def _end_call(self, call: Call) -> Iterator[BaseEvent]:
        if call.open_kind:
            yield from self._end_part(call)

    def retract(self, id_: str) -> Iterator[BaseEvent]:
        """Take back what a model call has said: it does not count, and may come again."""
        call = self.call(id_)
        yield from self._end_call(call)
        if call.messages:
            gone = {message.id for message in call.messages}
            self.messages = [message for message in self.messages if message.id not in gone]
            self.tools.forget(call.tools)
            call.messages, call.tools = [], []
            yield self.snapshot()

    def arguments(self, event: ToolCallDelta) -> Iterator[BaseEvent]:
        """Map a piece of a tool call's arguments."""
        if event.call not in self._calls and not self.is_lossy:
            return
        call = self.call(event.call)
        yield from self._subagents.lazily(event.path, event.agent)
        call.subagent = call.subagent or self._subagents.run_id(event.path)
        id_ = self.tools.shown_id(event.tool_use_id)
        if id_ is None or call.open_id != id_ or call.open_kind != "tool":
            yield from self._end_call(call)
            id_, start = self._tool_start(event.tool_use_id, event.name, call)
            yield start
            call.open_kind, call.open_id = "tool", id_
        if event.text:
            yield self._more(id_, event.text, call.subagent)

    def tool_call(self, event: ToolCall) -> Iterator[BaseEvent]:
        """Map a tool call that the agent is about to run."""
        call = self._last_call.get(event.path) or self.call(f"{event.agent or 'agent'}-{event.offset}")
        yield from self._subagents.lazily(event.path, event.agent)
        call.subagent = call.subagent or self._subagents.run_id(event.path)
        if self.tools.shown_id(event.tool_use_id) in call.tools:
            return  # its arguments came while the model wrote them
        yield from self._end_call(call)
        id_, start = self._tool_start(event.tool_use_id, event.name, call)
        given = {"truncated": event.input} if event.truncated else event.input
        yield start
        yield self._more(id_, json.dumps(given, ensure_ascii=False), call.subagent)
        yield ToolCallEndEvent(tool_call_id=id_, subagent_run_id=call.subagent)

    def _tool_start(self, tool_use_id: str, name: str, call: Call) -> tuple[str, BaseEvent]:
        """Begin a tool call in the message of its model call. Return the id that the reader sees."""
        id_ = self.tools.begin(tool_use_id)
        parent = next((m for m in reversed(call.messages) if isinstance(m, AssistantMessage)), None)
        if parent is None:
            parent = AssistantMessage(id=call.new_id(), content="", subagent_run_id=call.subagent)
            self.messages.append(parent)
            call.messages.append(parent)
        function = FunctionCall(name=name, arguments="")
        parent.tool_calls = [*(parent.tool_calls or []), FunctionToolCall(id=id_, function=function)]
        self.tools.functions[id_] = function
        call.tools.append(id_)
        return id_, ToolCallStartEvent(
            tool_call_id=id_,
            tool_call_name=name,
            parent_message_id=parent.id,
            subagent_run_id=call.subagent,
        )

    def _more(self, id_: str, text: str, subagent: str | None) -> BaseEvent:
        self.tools.texts[id_] += text
        self.tools.functions[id_].arguments = self.tools.texts[id_]
        return ToolCallArgsEvent(tool_call_id=id_, delta=text, subagent_run_id=subagent)

    def tool_result(self, event: ToolResult) -> Iterator[BaseEvent]:
        """Map the result of a tool."""
        id_ = self.tools.shown_id(event.tool_use_id)
        if id_ is None:  # its call lies in a gap of the stream
            yield from self.tool_call(ToolCall(event.name, event.tool_use_id, {}, path=event.path))
            id_ = cast("str", self.tools.shown_id(event.tool_use_id))
        sub = self._subagents.run_id(event.path)
        about: dict[str, Any] = {"status": event.status} if event.status != "success" else {}
        if event.truncated:
            about |= {"truncated": True, "size": event.size, "reference": event.reference}
        message = ToolMessage(
            id=f"{id_}:result",
            content=event.text,
            tool_call_id=id_,
            error=event.text if event.status == "error" else None,
            subagent_run_id=sub,
        )
        self.messages.append(message)
        yield ToolCallResultEvent(
            message_id=message.id,
            tool_call_id=id_,
            content=event.text,
            subagent_run_id=sub,
            metadata={"strands_temporal": about} if about else None,
        )
