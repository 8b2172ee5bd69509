"""An agent that is watched: one callback notes in the workflow, one runs as an activity."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from strands import tool  # pyright: ignore[reportUnknownVariableType]  # a bare dict in `tool`
from strands.hooks import AfterModelCallEvent, AfterToolCallEvent, HookProvider, HookRegistry
from strands.types.exceptions import MaxTokensReachedException
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_hook

TASK_QUEUE = "strands-hooks"
MODEL = "chosen"


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: One letter.
    """
    return word.lower().count(letter.lower())


@dataclass
class ToolCall:
    """What the record keeps of a call: an event itself, with its agent, cannot cross to an activity."""

    name: str
    input: dict[str, Any]
    status: str


@activity.defn
async def record_tool_call(call: ToolCall) -> None:
    """Write the call down where it lasts. Here that is the worker's terminal."""
    print(f"record: {call.name} {json.dumps(call.input)}: {call.status}", flush=True)


def to_record(event: AfterToolCallEvent) -> ToolCall:
    """Take from the event what the activity needs. Runs in the workflow."""
    return ToolCall(event.tool_use["name"], event.tool_use["input"], event.result["status"])


class Watch(HookProvider):
    """Notes what the agent does, and has its tool calls recorded."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """See base class."""
        registry.add_callback(AfterModelCallEvent, self._note_model_call)
        registry.add_callback(AfterToolCallEvent, self._note_tool_call)
        # The agent waits for the activity; if it fails for good, so does the run.
        registry.add_callback(
            AfterToolCallEvent,
            activity_as_hook(
                record_tool_call, activity_input=to_record, start_to_close_timeout=timedelta(seconds=15)
            ),
        )

    def _note_model_call(self, event: AfterModelCallEvent) -> None:
        stop = event.stop_response.stop_reason if event.stop_response else "failed"
        self.notes.append(f"model ({stop})")

    def _note_tool_call(self, event: AfterToolCallEvent) -> None:
        self.notes.append(event.tool_use["name"])


@dataclass
class Answer:
    """What the agent said, and what the hooks noted.

    Attributes:
        text: The agent's answer.
        notes: One for each model and tool call, in their order.
    """

    text: str
    notes: list[str] = field(default_factory=list[str])


@workflow.defn
class HooksWorkflow:
    """Answers one prompt."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.agent = TemporalAgent(
            model=MODEL,
            system_prompt="Use your tools. Answer in one short sentence.",
            tools=[letter_counter],
            hooks=[self.watch],
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> Answer:
        """Ask the agent."""
        try:
            text = str(await self.agent.invoke_async(prompt)).strip()
        except MaxTokensReachedException:  # the class that a plain agent raises: a small model rambles
            text = "(the answer did not end within the model's limit)"
        return Answer(text, self.watch.notes)
