"""An agent with hooks: one callback takes notes in the workflow, another runs as an activity."""

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
    """The record of a tool call. The event itself holds its agent, so it cannot be sent to an activity."""

    name: str
    input: dict[str, Any]
    status: str


@activity.defn
async def record_tool_call(call: ToolCall) -> None:
    """Record a tool call. This example prints it to the worker's terminal."""
    print(f"record: {call.name} {json.dumps(call.input)}: {call.status}", flush=True)


def to_record(event: AfterToolCallEvent) -> ToolCall:
    """Extract the activity's input from the event. Runs in the workflow."""
    return ToolCall(event.tool_use["name"], event.tool_use["input"], event.result["status"])


class Watch(HookProvider):
    """Notes what the agent does, and records its tool calls."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """See base class."""
        registry.add_callback(AfterModelCallEvent, self._note_model_call)
        registry.add_callback(AfterToolCallEvent, self._note_tool_call)
        # The agent waits for the activity. If the activity fails for good, so does the run.
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
    """The agent's answer and the hooks' notes.

    Attributes:
        text: The agent's answer.
        notes: One for each model and tool call, in order.
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
        except MaxTokensReachedException:  # as in a plain agent; a small model may not come to an end
            text = "(the answer did not end within the model's limit)"
        return Answer(text, self.watch.notes)
