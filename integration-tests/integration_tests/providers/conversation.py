"""The agent with which each provider is called, plain and in a workflow, and what a user sees of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from strands import Agent, tool
from strands.types.content import Messages
from temporalio import workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent

HEARTBEAT_TIMEOUT = timedelta(seconds=8)  # the slow stream takes longer


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"It is 21 degrees in {city}."


@dataclass(frozen=True)
class Talk:
    """What the user says to an agent.

    Attributes:
        prompt: The user's last words. They tell the emulators what to do.
        turns: Number of earlier turns.
        structured: Whether the user asks for a `Person`.
    """

    prompt: str
    turns: int = 0
    structured: bool = False


async def converse(agent: Agent, talk: Talk) -> dict[str, Any]:
    """Hold the conversation; return what a user sees."""
    for turn in range(talk.turns):
        agent.messages.append({"role": "user", "content": [{"text": f"Question {turn}"}]})
        agent.messages.append({"role": "assistant", "content": [{"text": f"Answer {turn}"}]})
    arguments: dict[str, Any] = {"structured_output_model": Person} if talk.structured else {}
    result = await agent.invoke_async(talk.prompt, **arguments)
    usage = result.metrics.accumulated_usage
    return {
        "messages": _without_ids(agent.messages),
        "stop_reason": result.stop_reason,
        "text": str(result),
        "structured_output": result.structured_output.model_dump() if result.structured_output else None,
        "usage": dict(usage),
        "tools": {name: [m.call_count, m.error_count] for name, m in result.metrics.tool_metrics.items()},
    }


def _without_ids(messages: Messages) -> list[Any]:
    """Return the messages as text. Numbers replace the tool calls' ids, which some providers invent."""
    ids: dict[str, str] = {}
    for message in messages:
        for block in message["content"]:
            if "toolUse" in block:
                ids[block["toolUse"]["toolUseId"]] = f"<call {len(ids)}>"
    # repr, because JSON cannot hold bytes
    texts = [repr([message["role"], message["content"]]) for message in messages]
    for id_, number in ids.items():
        texts = [text.replace(repr(id_), number) for text in texts]
    return texts


@workflow.defn
class ProviderWorkflow:
    """Runs the conversation durably."""

    @workflow.run
    async def run(self, model: str, talk: Talk, attempts: int) -> dict[str, Any]:
        """Return what a user sees. On the worker the provider's name is `model`."""
        agent = TemporalAgent(
            model,
            tools=[weather],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=attempts),
        )
        return await converse(agent, talk)
