"""The durable agent behind the server: each conversation of the A2A protocol is a workflow."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import activity_as_tool

TASK_QUEUE = "strands-a2a-server"
MODEL = "chosen"
IDLE = timedelta(days=7)
"""A conversation ends when it has had no message for this time."""


@activity.defn
async def book_room(city: str, tool_context: ToolContext) -> str:
    """Book a room, if the caller confirms it.

    Args:
        city: Where.
        tool_context: The call.
    """
    answer = tool_context.interrupt("confirm", reason=f"Book a room in {city}?")
    return f"booked a room in {city}" if str(answer).lower().startswith("y") else "not booked"


@dataclass
class Conversation:
    """How a run of a conversation starts.

    Attributes:
        carry: The agent of the previous run.
        asked: Ids of the questions that wait for the caller's answer.
    """

    carry: AgentCarry | None = None
    asked: list[str] = field(default_factory=list[str])


@dataclass
class Answer:
    """What the agent says to a message.

    Attributes:
        text: Its answer, or its question.
        asks: Whether it is a question, and the next message is the answer.
    """

    text: str
    asks: bool = False


@workflow.defn
class ConversationWorkflow:
    """Each message is an update, with the message's id: a message that is sent again counts once."""

    @workflow.init
    def __init__(self, conversation: Conversation) -> None:
        self._agent = TemporalAgent(
            model=MODEL,
            system_prompt="You book rooms. Answer in one short sentence.",
            tools=[activity_as_tool(book_room)],
            carry=conversation.carry,
            callback_handler=None,
        )
        self._asked = conversation.asked
        self._messages = 0
        self._lock = asyncio.Lock()

    @workflow.update
    async def message(self, text: str) -> Answer:
        """Give the agent a message, or the answer to its question."""
        self._messages += 1
        async with self._lock:
            answers: Any = [
                {"interruptResponse": {"interruptId": one, "response": text}} for one in self._asked
            ]
            result = await self._agent.invoke_async(answers or text)
        questions = list(result.interrupts or ())
        self._asked = [one.id for one in questions]
        if questions:
            return Answer(" ".join(str(one.reason) for one in questions), asks=True)
        return Answer(str(result).strip())

    @workflow.signal
    def stop(self) -> None:
        """Stop what the agent does."""
        self._agent.cancel()

    @workflow.run
    async def run(self, conversation: Conversation) -> None:
        """Converse until nobody has written for a week."""
        while not workflow.info().is_continue_as_new_suggested():
            heard = self._messages
            try:
                await workflow.wait_condition(lambda heard=heard: self._messages > heard, timeout=IDLE)
            except asyncio.TimeoutError:
                return
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(Conversation(self._agent.carry(), self._asked))
