"""The part of `strands-temporal chat` that shows an answer while the model writes it."""

import json
from typing import Any

from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStreamClient

from strands_temporal.extension import ChatScreen

from ._client import AgentStream
from ._life_types import AgentEvent
from ._types import (
    AttemptFailed,
    AttemptRestarted,
    MessageEnd,
    TextDelta,
    TextRedacted,
    ToolCall,
    ToolResult,
    TurnEnd,
)

_LONGEST = 200
"""Characters of a tool's arguments or result that are shown."""


class ChatStreamPart:
    """Shows the text and the tool calls of a conversation as they come.

    Args:
        client: The chat's client.
        workflow_id: The conversation.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._client = client
        self._workflow_id = workflow_id

    async def follow(self, screen: ChatScreen) -> None:
        """Follow the conversation's stream. Return at once if the answers are to come whole."""
        if not screen.is_live:
            return
        offset = 0 if screen.is_new else await self._offset()
        screen.follows_turns(True)
        try:
            async for event in AgentStream(self._client, self._workflow_id, from_offset=offset):
                _show(screen, event)
        except ValueError:  # the workflow has no stream: its worker does not have this package
            return
        finally:
            screen.follows_turns(False)

    async def _offset(self) -> int:
        return await WorkflowStreamClient.create(self._client, self._workflow_id).get_offset()


def _show(screen: ChatScreen, event: AgentEvent) -> None:
    indent = "  " * (len(event.path) + 1)
    match event:
        case ToolCall(name=name, input=given):
            screen.note(f"{indent}{name} {_short(given)}")
        case ToolResult(name=name, status=status, text=text):
            screen.note(f"{indent}{name}: {status}: {_short(text)}")
        case _ if event.path:  # sub-agents speak to the agent, not to the person
            pass
        case TextDelta(text=text):
            screen.text(text)
        case TextRedacted(text=text):
            screen.restart()
            screen.text(text)
        case MessageEnd():
            screen.message_end()
        case TurnEnd(stop_reason=reason) if reason != "interrupt":  # else the turn goes on with the answer
            screen.turn_end()
        case AttemptFailed() | AttemptRestarted():
            screen.restart()
        case _:
            pass


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
