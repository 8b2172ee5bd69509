"""Helpers that call a scripted model and read its answers."""

from collections.abc import Sequence
from typing import Any

from strands.types.content import Messages
from strands.types.streaming import StreamEvent

from strands_temporal.testing import ScriptedModel

HELLO: Messages = [{"role": "user", "content": [{"text": "hello"}]}]


async def play(model: ScriptedModel, messages: Messages = HELLO, **arguments: Any) -> list[StreamEvent]:
    return [event async for event in model.stream(messages, **arguments)]


def texts_of(events: Sequence[StreamEvent]) -> list[str]:
    return [
        event["contentBlockDelta"]["delta"]["text"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  # a text delta
        for event in events
        if "contentBlockDelta" in event
    ]
