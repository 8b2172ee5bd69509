"""A durable chat: the agent's loop lives in this workflow, its model calls and its clock are activities."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from strands import tool  # pyright: ignore[reportUnknownVariableType]  # its inputSchema is a bare dict
from strands.types.content import Messages
from strands.types.exceptions import MaxTokensReachedException
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_tool

MODEL = "demo"
"""Name of the model in the worker's `StrandsPlugin(models=...)`."""

CUT = " […]"
"""Ends an answer that the model did not end within its token limit."""

# The server notices a killed worker when a heartbeat is missing for this long.
HEARTBEAT_TIMEOUT = timedelta(seconds=5)


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
        messages: The conversation so far, when this run continues another.
    """

    tools: bool = False
    messages: Messages = field(default_factory=Messages)


@workflow.defn
class ChatWorkflow:
    """A conversation that outlives the workers it runs on. Each turn is an update; a signal ends it."""

    @workflow.init
    def __init__(self, chat: ChatInput) -> None:
        self._done = False
        self._lock = asyncio.Lock()
        self._agent = TemporalAgent(
            model=MODEL,
            system_prompt="You are a helpful assistant. Keep your answers short.",
            messages=list(chat.messages),
            tools=[letter_counter, activity_as_tool(current_time)] if chat.tools else [],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=90),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=5),
        )

    @workflow.update
    async def turn(self, prompt: str) -> str:
        """Answer the prompt. Turns that arrive together wait for each other."""
        async with self._lock:
            try:
                result = await self._agent.invoke_async(prompt)
            except MaxTokensReachedException:
                return _last_text(self._agent.messages) + CUT  # Strands keeps what came before the limit
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
        """Keep the conversation until it is ended; go on in a new run when the history grows long."""
        await workflow.wait_condition(lambda: self._done or workflow.info().is_continue_as_new_suggested())
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._done:
            workflow.continue_as_new(ChatInput(chat.tools, self._agent.messages))


def _last_text(messages: Messages) -> str:
    return "".join(block.get("text", "") for block in messages[-1]["content"]).strip()
