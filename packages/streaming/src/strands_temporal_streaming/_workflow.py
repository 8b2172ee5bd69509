"""The workflow's side: publishes events that the model's own stream does not contain."""

import json
from typing import Any

from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolCallEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from strands.types.tools import ToolResult as StrandsToolResult
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalModel
from strands_temporal.extension import utf8_text

from ._control import control_topic, to_control
from ._life_types import ControlEvent
from ._types import DEFAULT_TOPIC, PendingInterrupt, ToolCall, ToolResult, TurnEnd

RESULT_CHARACTERS = 2000
"""Characters of a tool's result that subscribers get. Temporal's own reader gets the text as an update's
result, so each such reader adds it to history again."""

INPUT_CHARACTERS = 16_000
"""Characters of JSON that subscribers get of a tool's input, and of an interrupt's reason.

Without a limit the server ends the workflow: the answer to a poll may have at most 2 MiB.
"""


class StreamHooks(HookProvider):
    """Publishes an agent's tool calls, tool results and ends of turns to the workflow's own stream.

    Give it to the agent: `TemporalAgent(streaming_topic="events", hooks=[StreamHooks(self.stream)])`. It
    appends to the stream in the workflow, so it costs no activity, signal or timer. `AgentStream` reads it.

    Args:
        stream: The workflow's stream.
        topic: The topic of the `AgentStream`. If None, the agent's own `streaming_topic`; `events` if the
            agent does not have one.
    """

    def __init__(self, stream: WorkflowStream, topic: str | None = None) -> None:
        self._stream = stream
        self._topic = topic

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """See base class."""
        registry.add_callback(MessageAddedEvent, self._message_added)
        registry.add_callback(AfterToolCallEvent, self._tool_ended)
        registry.add_callback(AfterInvocationEvent, self._turn_ended)

    def _message_added(self, event: MessageAddedEvent) -> None:
        if event.message["role"] != "assistant":
            return
        for block in event.message["content"]:
            if "toolUse" in block:
                use = block["toolUse"]
                asked, cut = _json(use["input"], INPUT_CHARACTERS)
                self._publish(
                    event.agent,
                    ToolCall(use["name"], use["toolUseId"], asked, event.agent.name, truncated=cut),
                )

    def _tool_ended(self, event: AfterToolCallEvent) -> None:
        if event.retry:
            return
        text = _text(event.result)
        self._publish(
            event.agent,
            ToolResult(
                event.tool_use["name"],
                event.tool_use["toolUseId"],
                event.result["status"],
                text[:RESULT_CHARACTERS],
                len(text) > RESULT_CHARACTERS,
                event.agent.name,
            ),
        )

    def _turn_ended(self, event: AfterInvocationEvent) -> None:
        if event.resume is not None:  # the turn continues
            return
        result = event.result
        asked = (result.interrupts if result else None) or ()
        interrupts = tuple(
            PendingInterrupt(one.id, one.name, *_json(one.reason, INPUT_CHARACTERS // len(asked)))
            for one in asked
        )
        self._publish(
            event.agent, TurnEnd(result.stop_reason if result else None, interrupts, event.agent.name)
        )

    def _publish(self, agent: Agent, event: ControlEvent) -> None:
        topic = self._topic
        if topic is None and isinstance(agent.model, TemporalModel):
            topic = agent.model.streaming_topic
        self._stream.topic(control_topic(topic or DEFAULT_TOPIC)).publish(to_control(event))


def _text(result: StrandsToolResult) -> str:
    return utf8_text("\n".join(_block_text(block) for block in result["content"]), "replace")


def _block_text(block: Any) -> str:
    if "text" in block:
        return block["text"]
    if "json" in block:
        return _dumped(block["json"])
    return "".join(f"[{kind}]" for kind in block)  # an image, a document


def _json(value: Any, characters: int) -> tuple[Any, bool]:
    """Return `value` in JSON values, or the beginning of its JSON text, and whether it was truncated."""
    text = _dumped(value)
    if len(text) > characters:
        return text[:characters], True
    return json.loads(text), False


def _dumped(value: Any) -> str:
    """Return `value` as JSON, with text in place of other objects. An error here would harm the agent."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    except (TypeError, ValueError, RecursionError):  # it contains itself, or its `__str__` does not work
        text = json.dumps(f"<{type(value).__name__}>")
    return utf8_text(text, "replace")
