"""A durable chat: the agent's loop runs in this workflow, its model calls and its clock are activities."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from strands import tool  # pyright: ignore[reportUnknownVariableType]  # its inputSchema is a bare dict
from strands.types.content import Messages
from strands.types.exceptions import MaxTokensReachedException
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamState

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_tool
from strands_temporal_streaming import StreamHooks

MODEL = "demo"
"""Name of the model in the worker's `StrandsPlugin(models=...)`."""

CUT = " […]"
"""Mark at the end of an answer that the token limit cut off."""

HEARTBEAT_TIMEOUT = timedelta(seconds=5)
"""How long after its last heartbeat the server takes a model call's worker for dead, unless the chat says."""

# Time between two batches. While somebody reads, each batch adds about eight events to the history. A person
# reads no faster.
BATCH_INTERVAL = timedelta(milliseconds=200)

# Items of the stream that a reader may still want after continue-as-new. They go into the new run's input.
_CARRIED_ITEMS = 1000


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: One letter.
    """
    return word.lower().count(letter.lower())


@activity.defn
async def current_time(timezone: str) -> str:
    """Tell the current time in a time zone.

    Args:
        timezone: IANA name, for example `Asia/Tokyo`.
    """
    return datetime.now(ZoneInfo(timezone)).isoformat(timespec="minutes")


@dataclass
class ChatInput:
    """How a chat starts.

    Attributes:
        tools: Whether the agent gets tools.
        messages: The conversation so far, if this run continues another.
        streaming: Whether answers can be read while they arrive.
        heartbeat_timeout: How soon another worker gets the call of a killed one.
        stream: The stream so far, if this run continues another.
    """

    tools: bool = False
    messages: Messages = field(default_factory=Messages)
    streaming: bool = False
    heartbeat_timeout: timedelta = HEARTBEAT_TIMEOUT
    stream: WorkflowStreamState | None = None


@workflow.defn
class ChatWorkflow:
    """A conversation that outlives the workers it runs on. Each turn is an update; a signal ends it."""

    @workflow.init
    def __init__(self, chat: ChatInput) -> None:
        self._done = False
        self._lock = asyncio.Lock()
        self._stream = WorkflowStream(prior_state=chat.stream) if chat.streaming else None
        self._agent = TemporalAgent(
            model=MODEL,
            system_prompt="You are a helpful assistant. Keep your answers short.",
            messages=list(chat.messages),
            tools=[letter_counter, activity_as_tool(current_time)] if chat.tools else [],
            streaming_topic="events" if self._stream else None,
            streaming_batch_interval=BATCH_INTERVAL,
            hooks=[StreamHooks(self._stream)] if self._stream else [],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=90),
            heartbeat_timeout=chat.heartbeat_timeout,
            retry_policy=RetryPolicy(maximum_attempts=5),
        )

    @workflow.update
    async def turn(self, prompt: str) -> str:
        """Answer the prompt. Concurrent turns wait for each other."""
        async with self._lock:
            try:
                result = await self._agent.invoke_async(prompt)
            except MaxTokensReachedException:
                return _last_text(self._agent.messages) + CUT  # Strands keeps the text before the limit
            return str(result).strip()

    @workflow.signal
    def end_chat(self) -> None:
        """End the conversation."""
        self._done = True

    @workflow.query
    def messages(self) -> Messages:
        """Return the conversation so far."""
        return list(self._agent.messages)

    @workflow.run
    async def run(self, chat: ChatInput) -> None:
        """Keep the conversation until its end. Continue in a new run when the history grows long."""
        await workflow.wait_condition(lambda: self._done or workflow.info().is_continue_as_new_suggested())
        await workflow.wait_condition(lambda: not self._lock.locked())
        if self._stream:
            self._stream.detach_pollers()  # a waiting reader is an unfinished update handler
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._done:
            workflow.continue_as_new(
                replace(chat, messages=self._agent.messages, stream=self._end_of_stream())
            )

    def _end_of_stream(self) -> WorkflowStreamState | None:
        if not self._stream:
            return None
        state = self._stream.get_state()
        self._stream.truncate(state.base_offset + max(0, len(state.log) - _CARRIED_ITEMS))
        return self._stream.get_state()


def _last_text(messages: Messages) -> str:
    return "".join(block.get("text", "") for block in messages[-1]["content"]).strip()
