"""Tools that run in the background until a test releases them, and the model that starts them."""

import asyncio
import json

import pytest
from strands import tool
from temporalio import activity

from strands_temporal.testing import Reply, ScriptedCall, say

gates: dict[str, asyncio.Event] = {}
"""What a tool waits for, by its topic."""
told: list[str] = []
"""Topics of the activities that learned of their cancellation."""


def gate(topic: str) -> asyncio.Event:
    return gates.setdefault(topic, asyncio.Event())


async def found(topic: str) -> str:
    await asyncio.wait_for(gate(topic).wait(), 30)
    if topic == "nothing":
        raise LookupError("nothing there")
    return f"{topic} is blue"


@activity.defn
async def research(topic: str) -> str:
    """Look something up, for long."""
    try:
        return await found(topic)
    except asyncio.CancelledError:
        told.append(topic)
        raise


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def delivered(call: ScriptedCall) -> Reply:
    """Answer with the results of the background tasks, as the model reads them."""
    results = [
        block["toolResult"]
        for message in call.messages
        for block in message["content"]
        if "toolResult" in block
    ]
    brought = [
        [content["json"]["status"], content["json"].get("error"), result["content"][1:]]
        for result in results
        for content in result["content"]
        if "json" in content and "status" in content["json"]
    ]
    return say(json.dumps(brought))


CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
