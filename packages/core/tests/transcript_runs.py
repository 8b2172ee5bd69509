"""What the tests of transcripts share: agents that run plain and durable, and workers that come and go.

A prompt says what is to happen: `steps=2 size=5000` has the model call its tool twice for 5,000 characters
each, `answer=100` has it answer 100 characters, `pad=80000` makes the prompt that long. What a model is given
is compared, call by call, with what the same agents give it outside of Temporal.
"""

import asyncio
import base64
import json
import random
import re
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias

import strands
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager, SlidingWindowConversationManager
from temporalio import activity, workflow
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.worker import Worker

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal._types import TRANSCRIPT_QUERY
from strands_temporal._wire import encode
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays, say, use_tool
from strands_temporal.workflow import activity_as_tool

SOON = 60
"""Seconds that a test waits for a workflow at most."""

# --- What the agents do, in a workflow and outside


@dataclass
class Plan:
    """What a run is about.

    Attributes:
        scene: Name in `SCENES`.
        prompts: What is asked, in order.
        agents: How many agents there are in the scene "parallel".
        window: Messages that an agent keeps; None for all.
        gated: Wait before each turn and in each tool until the test says `advance`.
        hand_over: Go on in another run after each turn.
        done: Turns that runs before this one have made.
        carry: The agent of the run before this one.
    """

    scene: str
    prompts: list[str]
    agents: int = 1
    window: int | None = None
    gated: bool = False
    hand_over: bool = False
    done: int = 0
    carry: AgentCarry | None = None

    def agent(self, name: str, **arguments: Any) -> Agent:
        """Return an agent of that name, told by its system prompt: durable if this runs in a workflow."""
        arguments["system_prompt"] = name
        arguments["callback_handler"] = None
        arguments["conversation_manager"] = (
            SlidingWindowConversationManager(window_size=self.window)
            if self.window
            else NullConversationManager()
        )
        if not workflow.in_workflow():
            return Agent(ScriptedModel(answer, config=KEEPS_CALLS), retry_strategy=None, **arguments)
        if self.carry is not None:
            arguments["carry"] = self.carry
        return TemporalAgent("m", heartbeat_timeout=timedelta(seconds=2), **arguments)

    def asked(self) -> list[str]:
        """Return the prompts that are left, in full."""
        return [padded(prompt) for prompt in self.prompts[self.done :]]


KEEPS_CALLS: dict[str, Any] = {}


def noise(seed: object, size: int) -> str:
    """Return text that does not compress well, the same for the same seed."""
    return base64.b64encode(random.Random(str(seed)).randbytes(size * 3 // 4 + 3)).decode()[:size]  # noqa: S311


def number(prompt: str, name: str) -> int:
    """Return what a prompt says of `name`."""
    found = re.search(rf"\b{name}=(\d+)", prompt)
    return int(found[1]) if found else 0


def padded(prompt: str) -> str:
    """Return a prompt as long as it wants to be."""
    return f"{prompt} {noise(prompt, number(prompt, 'pad'))}"


def answer(call: ScriptedCall) -> Reply:
    """Answer as the last prompt says. Knows nothing but the call: any worker's model may be asked."""
    results = 0
    for message in reversed(call.messages):
        if any("text" in block for block in message["content"]) and message["role"] == "user":
            break
        results += message["role"] == "user"
    prompt = next(iter(message["content"][0].get("text", "")[:200] for message in [message]))
    size = number(prompt, "size")
    if results < number(prompt, "steps"):
        name = call.tool_names[0]
        part = {"input": f"steps=2 size={size} part {results}"} if name == "helper" else {"n": results}
        return use_tool(name, {**part, "size": size} if name != "helper" else part, tool_use_id=f"t{results}")
    seen = f"{call.system_prompt} saw {len(call.messages)}"
    return say(f"{seen} {noise(seen, number(prompt, 'answer'))}", chunk=20_000)
