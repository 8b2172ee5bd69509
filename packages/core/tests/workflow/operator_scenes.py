"""Shared by the tests of what an operator sees: tools, a scripted model, readers of history and metadata."""

from typing import Any

from strands import tool
from temporalio import activity
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.converter import DataConverter

from strands_temporal.testing import Reply, ScriptedCall, say, use_tool

METADATA = "__temporal_workflow_metadata"


@activity.defn
async def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@activity.defn
async def note(what: str) -> None:
    """Write down what happened."""


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def shout(text: str) -> str:
    """Repeat a text loudly. Hosted on the worker."""
    return text.upper()


ARGUMENTS = {"weather": "city", "shout": "text", "ask": "input"}


def answer(call: ScriptedCall) -> Reply:
    """Call the tool that the prompt names, then say what it returned."""
    if "toolResult" in call.messages[-1]["content"][-1]:
        return say(f"got {call.text}", usage=(100, 10))
    name, _, value = call.text.partition(" ")
    if name == "add":
        return use_tool("add", {"a": 1, "b": 2})
    if name in ARGUMENTS:
        return use_tool(name, {ARGUMENTS[name]: value})
    return say(f"heard {call.text}", usage=(100, 10))


async def summaries(
    history: WorkflowHistory, converter: DataConverter = DataConverter.default
) -> list[tuple[str, str]]:
    """Return type and summary of each activity and timer in a history."""
    found: list[tuple[str, str]] = []
    for event in history.events:
        name = ""
        if event.HasField("activity_task_scheduled_event_attributes"):
            name = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("timer_started_event_attributes"):
            name = "timer"
        if name:
            payload = event.user_metadata.summary
            (text,) = await converter.decode([payload], [str]) if payload.data else ("",)
            found.append((name, text))
    return found


async def metadata(handle: "WorkflowHandle[Any, Any]") -> WorkflowMetadata:
    """Return what the Web UI asks for."""
    return await handle.query(METADATA, result_type=WorkflowMetadata)
