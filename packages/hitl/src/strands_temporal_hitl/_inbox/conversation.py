"""The words around a question: the latest messages, if the workflow is a `Conversation`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from strands_temporal import ConversationClient

from .values import brief, readable_json

_LATEST = 8  # messages
_TIMEOUT = 3.0  # seconds
_LONGEST = 4_000  # characters of a part


@dataclass(frozen=True)
class Said:
    """A part of a message.

    Attributes:
        who: "person", "agent", "call" or "result".
        text: The text, or what the call or its result is.
        name: With "call": the tool's name.
    """

    who: str
    text: str
    name: str = ""


async def said_before(client: Client, workflow_id: str) -> list[Said]:
    """Return what was said and done last in a conversation; nothing for other workflows."""
    chat = ConversationClient(client, workflow_id)
    try:
        messages = await asyncio.wait_for(chat.messages(-_LATEST), _TIMEOUT)
    except (RPCError, WorkflowQueryFailedError, TemporalError, asyncio.TimeoutError):
        return []
    except (TypeError, ValueError):  # another workflow's query of that name
        return []
    return [said for message in messages for said in _said(message)]


def _said(message: Mapping[str, Any]) -> Sequence[Said]:
    who = "person" if message.get("role") == "user" else "agent"
    found: list[Said] = []
    for block in cast("list[Any]", message.get("content") or []):
        if not isinstance(block, Mapping):
            continue
        one = cast("Mapping[str, Any]", block)
        if isinstance(one.get("text"), str):
            found.append(Said(who, _cut(one["text"])))
        elif isinstance(use := one.get("toolUse"), Mapping):
            call = cast("Mapping[str, Any]", use)
            found.append(Said("call", brief(call.get("input")), str(call.get("name", ""))))
        elif isinstance(result := one.get("toolResult"), Mapping):
            found.append(Said("result", _cut(_result(cast("Mapping[str, Any]", result)))))
    return found


def _result(result: Mapping[str, Any]) -> str:
    parts = cast("list[Any]", result.get("content") or [])
    texts = [str(part["text"]) if "text" in part else readable_json(part, indent=None) for part in parts]
    return " ".join(texts)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
