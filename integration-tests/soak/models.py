"""The model of the soak: it answers from the run's plan, after a look at what it is given."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from strands.models import Model
from typing_extensions import override

from . import journal
from .plan import Call, run_name, run_of

FULL = "File too large"
"""What a command prints if the disk of the sandbox is full (EFBIG, see `sandboxes.py`)."""


def bare(message: Any) -> dict[str, Any]:
    """Return what the model sees of a message."""
    return {"role": message["role"], "content": message["content"]}


def without_full_disks(messages: list[Any]) -> list[dict[str, Any]]:
    """Leave the commands out that met a full disk: a plain agent without faults has none of them.

    The id of a call that is tried again ends with `x` and the number of the try, which is left out too.
    """
    kept: list[dict[str, Any]] = []
    for message in json.loads(
        json.dumps([bare(message) for message in messages], sort_keys=True, default=str)
    ):
        if message["role"] == "user" and FULL in json.dumps(message["content"]):
            kept.pop()
            continue
        for block in message["content"]:
            for part in ("toolUse", "toolResult"):
                if part in block:
                    block[part]["toolUseId"] = block[part]["toolUseId"].partition("x")[0]
        kept.append(message)
    return kept


def digest(messages: list[Any]) -> str:
    """Return a short digest of what a model is given."""
    text = json.dumps([bare(message) for message in messages], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def prompt_of(messages: list[Any]) -> tuple[int, str]:
    """Return where the turn begins, and its prompt."""
    for at in range(len(messages) - 1, -1, -1):
        message = messages[at]
        if message["role"] == "user" and "text" in message["content"][0]:
            return at, message["content"][0]["text"]
    raise AssertionError("a model call without a prompt")


def steps_of(prompt: str) -> tuple[tuple[Call, ...], ...]:
    """Return the steps that answer a prompt of a client, or of an agent to its sub-agent."""
    run = run_of(run_name(prompt))
    for turn in run.turns:
        if turn.prompt == prompt:
            return turn.steps
    for call in run.calls:
        if f"help {call.word}" == prompt:
            return call.inner
    raise AssertionError(f"no run of the plan has the prompt {prompt!r}")


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the arguments of a call."""
    if call.tool == "helper":
        return {"input": f"help {call.word}"}
    if call.tool == "shell":
        return {"command": f"echo {call.word} | tee {call.word}.txt"}
    return {"word": call.word}


def answer(messages: list[Any]) -> tuple[str, list[Call], int]:
    """Return the model's text, its tool calls, and how often the step met a full disk before."""
    seen = without_full_disks(messages)
    at, prompt = prompt_of(seen)
    step = sum(message["role"] == "assistant" for message in seen[at:])
    steps = steps_of(prompt)
    calls = list(steps[step]) if step < len(steps) else []
    full = (len(messages) - len(seen)) // 2
    return f"{prompt} step {step} of {len(seen)} messages {digest(seen)}", calls, full


class ScriptModel(Model):
    """Answers from the plan, and notes each call's begin and end.

    Args:
        notes: File for the notes; None for none.
    """

    def __init__(self, notes: Path | None = None) -> None:
        self._notes = notes

    @override
    def update_config(self, **model_config: Any) -> None:
        """Ignore it."""

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the configuration."""
        return {"model_id": "script"}

    @override
    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Refuse it: no run asks for it."""
        raise NotImplementedError
        yield

    @override
    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Answer a call."""
        _, prompt = prompt_of(messages)
        key, pace = f"{prompt} {digest(messages)}", 0.0
        if self._notes is not None:
            journal.add(self._notes, key=key, what="begin", pid=os.getpid())
            pace = run_of(run_name(prompt)).pace
        text, calls, full = answer(messages)
        if pace and full:
            pace = min(1.0, 0.1 * full)  # gives the disk time
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        for start in range(0, len(text), 24):
            if pace:
                await asyncio.sleep(pace / 4)
            yield {"contentBlockDelta": {"delta": {"text": text[start : start + 24]}}}
        yield {"contentBlockStop": {}}
        for call in calls:
            use = {"name": call.tool, "toolUseId": f"{call.word}x{full}" if full else call.word}
            yield {"contentBlockStart": {"start": {"toolUse": use}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(arguments_of(call))}}}}
            yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if calls else "end_turn"}}
        usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        if self._notes is not None:
            journal.add(self._notes, key=key, what="end", pid=os.getpid(), text=text)
        yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}}
