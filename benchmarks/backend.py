"""A stand-in for a model and its tools, on the worker.

The agents and the floor (the plain workflow of `subjects/floor.py`) use the same one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from strands.models import Model
from strands.types.content import Messages
from strands.types.streaming import StreamEvent
from temporalio import activity
from typing_extensions import override

from benchmarks.load import Load, answer, text


@activity.defn
async def look_up(key: str, size: int) -> str:
    """Look something up: the tool. Its result begins with the key."""
    return f"[{key}] {text(key, size)}"


class Backend:
    """Answers in conversations of one load (see `load.py`), and records how far they have come.

    Attributes:
        at: The furthest turn and tool call requested so far.
        answers: Number of answers given.
        replies: The process's CPU seconds at each reply: an answer, or the request of a tool call.
    """

    def __init__(self, load: Load) -> None:
        self.load = load
        self.at = (0, 0)
        self.answers = 0
        self.replies: list[float] = []
        self._wanted: tuple[int, asyncio.Event] | None = None

    async def until(self, answers: int) -> None:
        """Wait until the backend has given this many answers."""
        if self.answers < answers:
            self._wanted = (answers, asyncio.Event())
            await self._wanted[1].wait()

    def reply(self, turn: int, call: int) -> "str | dict[str, Any]":
        """Return the arguments of the next tool call, or the answer after enough tool calls."""
        self.at = max(self.at, (turn, call))
        self.replies.append(time.process_time())
        if call < self.load.calls:
            return {"key": f"{turn}-{call + 1}", "size": self.load.result}
        self.answers += 1
        if self._wanted is not None and self.answers >= self._wanted[0]:
            self._wanted[1].set()
        return answer(self.load, turn)

    @activity.defn(name="answer")
    async def answer(self, message: str) -> Any:
        """Answer a message or a tool's result. This is the floor's model call."""
        return self.reply(*_position(message))


class StandIn(Model):
    """A model without configuration and structured output, which no measure needs."""

    @override
    def update_config(self, **model_config: Any) -> None:
        """Change nothing: there is no configuration."""

    @override
    def get_config(self) -> dict[str, Any]:
        """Return a model id."""
        return {"model_id": "bench"}

    @override
    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Refuse: no measure needs it."""
        raise NotImplementedError("no measure needs structured output")
        yield {}


class BenchModel(StandIn):
    """The agents' model. Its own cost is negligible."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @override
    async def stream(
        self, messages: Messages, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[StreamEvent, None]:
        """Answer the last message."""
        for event in events(self.backend.reply(*_position(last_of(messages))), self.backend.load.chunk):
            yield event


def last_of(messages: Messages) -> str:
    """Return what tells the backend the turn and the call: the last prompt, or the id of the last result."""
    block = messages[-1]["content"][-1]
    result = block.get("toolResult")
    return f"[{result['toolUseId']}]" if result else block.get("text", "")


def events(reply: "str | dict[str, Any]", chunk: int = 0) -> Iterator[StreamEvent]:
    """Yield a model's events for a reply of `Backend`.

    Args:
        reply: An answer, or the arguments of a tool call.
        chunk: Characters of a piece of the answer; 0 for all in one.
    """
    yield {"messageStart": {"role": "assistant"}}
    if isinstance(reply, dict):
        yield {"contentBlockStart": {"start": {"toolUse": {"name": "look_up", "toolUseId": reply["key"]}}}}
        arguments = f'{{"key": "{reply["key"]}", "size": {reply["size"]}}}'
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": arguments}}}}
    else:
        yield {"contentBlockStart": {"start": {}}}
        for i in range(0, len(reply), chunk or len(reply)):
            yield {"contentBlockDelta": {"delta": {"text": reply[i : i + (chunk or len(reply))]}}}
    yield {"contentBlockStop": {}}
    yield {"messageStop": {"stopReason": "tool_use" if isinstance(reply, dict) else "end_turn"}}
    yield {
        "metadata": {
            "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
            "metrics": {"latencyMs": 1},
        }
    }


def _position(message: str) -> tuple[int, int]:
    """Read turn and tool call from the beginning of a prompt ("turn 7 ...") or a result ("[7-2] ...")."""
    if message.startswith("turn "):
        return int(message.split(" ", 2)[1]), 0
    turn, call = message[1 : message.index("]")].split("-")
    return int(turn), int(call)
