"""An endless chat. When its history grows long, it continues in a new run, with the agent's carry."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.workflow import DeduplicatedUpdates

TASK_QUEUE = "strands-continue-as-new"
MODEL = "chosen"


@dataclass
class Chat:
    """How a run starts.

    Attributes:
        carry: The agent of the previous run.
        answered: The turns that previous runs answered.
        run: Counts the runs, from 1.
    """

    carry: AgentCarry | None = None
    answered: dict[str, Any] = field(default_factory=dict[str, Any])
    run: int = 1


@dataclass
class Status:
    """Where a chat stands.

    Attributes:
        run: Which run this is.
        messages: How many messages the agent has, over all runs.
    """

    run: int
    messages: int


@workflow.defn
class ChatWorkflow:
    """Each turn is an update. A client that lost an answer sends the update again, with the same id."""

    @workflow.init
    def __init__(self, chat: Chat) -> None:
        self._agent = TemporalAgent(
            model=MODEL,
            system_prompt="Answer in one short sentence.",
            carry=chat.carry,
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )
        self._answered = DeduplicatedUpdates(chat.answered)
        self._lock = asyncio.Lock()
        self._run = chat.run
        self._ended = False
        self._move_on = False

    @workflow.update
    async def turn(self, prompt: str) -> str:
        """Answer the prompt, or repeat what was answered when this update came before."""
        return await self._answered.run_once(lambda: self._answer(prompt))

    async def _answer(self, prompt: str) -> str:
        async with self._lock:  # concurrent turns wait for each other
            return str(await self._agent.invoke_async(prompt)).strip()

    @workflow.signal
    def move_on(self) -> None:
        """Continue in a new run now, without waiting for a long history."""
        self._move_on = True

    @workflow.signal
    def end(self) -> None:
        """End the chat."""
        self._ended = True

    @workflow.query
    def status(self) -> Status:
        """Return where the chat stands."""
        return Status(self._run, len(self._agent.messages))

    @workflow.run
    async def run(self, chat: Chat) -> None:
        """Chat until the end is requested."""
        await workflow.wait_condition(
            lambda: self._ended or self._move_on or workflow.info().is_continue_as_new_suggested()
        )
        await workflow.wait_condition(workflow.all_handlers_finished)  # carry the agent only between turns
        if not self._ended:
            workflow.continue_as_new(Chat(self._agent.carry(), self._answered.carry(), chat.run + 1))
