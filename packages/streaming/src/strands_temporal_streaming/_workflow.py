"""The workflow's side: what the model's own stream does not say."""

import json
from typing import Any

from strands.hooks import (
    AfterInvocationEvent,
    AfterToolCallEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from strands.types.tools import ToolResult as StrandsToolResult
from temporalio.contrib.workflow_streams import WorkflowStream

from ._types import ControlEvent, PendingInterrupt, ToolCall, ToolResult, TurnEnd, control_topic, to_control

RESULT_CHARACTERS = 2000
"""What of a tool's result goes to subscribers: each of them costs the history what it reads."""


class StreamHooks(HookProvider):
    """Publishes an agent's tool calls, tool results and ends of turns to the workflow's own stream.

    Give it to the agent: `TemporalAgent(streaming_topic="events", hooks=[StreamHooks(self.stream)])`. It
    appends to the stream in the workflow, so it costs no activity, signal or timer. `AgentStream` reads it.

    Args:
        stream: The workflow's stream.
        topic: The agent's `streaming_topic`.
    """

    def __init__(self, stream: WorkflowStream, topic: str = "events") -> None:
        self._control = stream.topic(control_topic(topic))

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
                self._publish(ToolCall(use["name"], use["toolUseId"], _json(use["input"]), event.agent.name))

    def _tool_ended(self, event: AfterToolCallEvent) -> None:
        if event.retry:
            return
        text = _text(event.result)
        self._publish(
            ToolResult(
                event.tool_use["name"],
                event.tool_use["toolUseId"],
                event.result["status"],
                text[:RESULT_CHARACTERS],
                len(text) > RESULT_CHARACTERS,
                event.agent.name,
            )
        )

    def _turn_ended(self, event: AfterInvocationEvent) -> None:
        if event.resume is not None:  # the turn goes on
            return
        result = event.result
        interrupts = tuple(
            PendingInterrupt(one.id, one.name, _json(one.reason))
            for one in (result.interrupts if result else None) or ()
        )
        self._publish(TurnEnd(result.stop_reason if result else None, interrupts, event.agent.name))

    def _publish(self, event: ControlEvent) -> None:
        self._control.publish(to_control(event))


def _text(result: StrandsToolResult) -> str:
    return "\n".join(_block_text(block) for block in result["content"])


def _block_text(block: Any) -> str:
    if "text" in block:
        return block["text"]
    if "json" in block:
        return json.dumps(block["json"], ensure_ascii=False, default=str)
    return "".join(f"[{kind}]" for kind in block)  # an image, a document


def _json(value: Any) -> Any:
    """Return `value` as JSON values; what is none, as text."""
    return json.loads(json.dumps(value, default=str))
