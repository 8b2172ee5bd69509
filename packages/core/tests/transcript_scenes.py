"""Agents for the tests of transcripts. They run inside and outside a workflow.

A prompt is also the script. `steps=2 size=5000` makes the model call its tool twice, for 5,000 characters
each. `answer=100` makes it answer 100 characters. `pad=80000` makes the prompt itself that long.
"""

import asyncio
import base64
import json
import random
import re
import uuid
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias, cast

import strands
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager, SlidingWindowConversationManager
from strands.hooks import BeforeModelCallEvent, HookProvider, HookRegistry
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal._wire.model_call import TRANSCRIPT_QUERY
from strands_temporal._wire.values import encode
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool
from strands_temporal.workflow import activity_as_tool

Make: TypeAlias = Callable[..., Agent]

# --- Scenes of agents, inside and outside a workflow


@dataclass
class Plan:
    """The plan of a run.

    Attributes:
        scene: Name in `SCENES`.
        prompts: The prompts, in order.
        agents: How many agents there are in the scene "parallel".
        window: Messages that an agent keeps; None for all.
        gated: Whether to wait before each model call until the test sends `advance`.
        hand_over: Whether to continue in another run after each turn.
        done: Turns that earlier runs have made.
        carry: The agent of the previous run.
        attempts: Maximum attempts of a model call; 0 for the default.
        tag: End of the agents' system prompts, to tell apart several runs that share a model.
    """

    scene: str
    prompts: list[str]
    agents: int = 1
    window: int | None = None
    gated: bool = False
    hand_over: bool = False
    done: int = 0
    carry: AgentCarry | None = None
    attempts: int = 0
    tag: str = ""


def noise(seed: object, size: int) -> str:
    """Return text that does not compress well, the same for the same seed."""
    return base64.b64encode(random.Random(str(seed)).randbytes(size * 3 // 4 + 3)).decode()[:size]  # noqa: S311


def number(prompt: str, name: str) -> int:
    """Return the number after `name=` in a prompt."""
    found = re.search(rf"\b{name}=(\d+)", prompt)
    return int(found[1]) if found else 0


def answer(call: ScriptedCall) -> Reply:
    """Answer as the last prompt says. It depends only on the call, so the model of any worker can answer."""
    asked = max(i for i, m in enumerate(call.messages) if m["role"] == "user" and "text" in m["content"][0])
    prompt = call.messages[asked]["content"][0].get("text", "")[:100]
    step = (len(call.messages) - asked) // 2
    if step >= number(prompt, "steps"):
        seen = f"{call.system_prompt} saw {len(call.messages)}"
        return say(f"{seen} {noise(seen, number(prompt, 'answer'))}")
    (name,) = call.tool_names
    size = number(prompt, "size")
    arguments: dict[str, Any] = {"size": size, "n": zlib.crc32(f"{prompt} {step}".encode())}
    if name == "helper":
        arguments = {"input": f"steps=2 size={size} {step} for {prompt}"}
    return use_tool(name, arguments, tool_use_id=f"tool-{step}")


@tool
async def step(n: int, size: int) -> str:
    """Make a step."""
    return noise(n, size)


async def fetch(n: int, size: int) -> str:
    """Fetch something, in an activity."""
    return noise(n, size)


fetch_activity = activity.defn(fetch)


async def _one(make: Make, plan: Plan, tools: Sequence[Any]) -> list[Agent]:
    agent = make("one", tools=tools)
    while plan.done < len(plan.prompts):
        prompt = plan.prompts[plan.done]
        await agent.invoke_async(f"{prompt} {noise(prompt, number(prompt, 'pad'))}")
        plan.done += 1
        if plan.hand_over and isinstance(agent, TemporalAgent) and plan.done < len(plan.prompts):
            workflow.continue_as_new(replace(plan, carry=agent.carry()))
    return [agent]


async def one(make: Make, plan: Plan) -> list[Agent]:
    """One agent, whose tool runs in the workflow."""
    return await _one(make, plan, [step])


async def fetching(make: Make, plan: Plan) -> list[Agent]:
    """One agent, whose tool is an activity."""
    fetches = activity_as_tool(fetch_activity) if workflow.in_workflow() else strands.tool(fetch)
    return await _one(make, plan, [fetches])


async def parallel(make: Make, plan: Plan) -> list[Agent]:
    """Agents that all work at once."""
    agents = [make(f"agent {i}", tools=[step]) for i in range(plan.agents)]
    for prompt in plan.prompts:
        pads = [noise(f"{prompt} {i}", number(prompt, "pad")) for i in range(plan.agents)]
        work = zip(agents, pads, strict=True)
        await asyncio.gather(*(agent.invoke_async(f"{prompt} {pad}") for agent, pad in work))
    return agents


async def in_turns(make: Make, plan: Plan) -> list[Agent]:
    """Two agents, one after the other."""
    agents = [make("first", tools=[step]), make("second", tools=[step])]
    for prompt in plan.prompts:
        for agent in agents:
            await agent.invoke_async(prompt)
    return agents


async def delegating(make: Make, plan: Plan) -> list[Agent]:
    """An agent whose tool is another agent."""
    helper = make("helper of boss", tools=[step], name="helper")
    boss = make("boss", tools=[helper.as_tool(name="helper")])
    for prompt in plan.prompts:
        await boss.invoke_async(prompt)
    return [boss, helper]


async def one_handle(make: Make, plan: Plan) -> list[Agent]:
    """Concurrent calls of one model, without an agent."""
    model = make("caller").model

    async def ask(caller: int, prompt: str) -> None:
        text = f"{prompt} {noise(caller, number(prompt, 'pad'))}"
        stream = model.stream(
            [{"role": "user", "content": [{"text": text}]}], None, f"caller {caller}{plan.tag}"
        )
        async for _ in stream:
            pass

    for prompt in plan.prompts:
        await asyncio.gather(*(ask(caller, prompt) for caller in range(plan.agents)))
    return []


SCENES: dict[str, Callable[[Make, Plan], Awaitable[list[Agent]]]] = {
    scene.__name__: scene for scene in (one, fetching, parallel, in_turns, delegating, one_handle)
}


class Gates(HookProvider):
    """Makes a workflow wait before each model call."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeModelCallEvent, self.wait)

    async def wait(self, event: BeforeModelCallEvent) -> None:
        await cast("Talk", workflow.instance()).gate()


def window(plan: Plan) -> Any:
    return SlidingWindowConversationManager(plan.window) if plan.window else NullConversationManager()


@workflow.defn(failure_exception_types=[Exception])
class Talk:
    """Runs a plan."""

    def __init__(self) -> None:
        self._arrived = self._released = 0
        self._over = False
        self._gated = False

    @workflow.run
    async def run(self, plan: Plan) -> dict[str, str]:
        """Return the agents' conversations, by their system prompts."""
        self._gated = plan.gated

        def make(who: str, **arguments: Any) -> Agent:
            if plan.carry is not None:
                arguments["carry"] = plan.carry
            if plan.attempts:
                at_once = timedelta(milliseconds=1)
                arguments["retry_policy"] = RetryPolicy(
                    initial_interval=at_once, maximum_interval=at_once, maximum_attempts=plan.attempts
                )
            return TemporalAgent(
                "m",
                system_prompt=f"{who}{plan.tag}",
                hooks=[Gates()],
                callback_handler=None,
                conversation_manager=window(plan),
                heartbeat_timeout=timedelta(seconds=2),
                **arguments,
            )

        agents = await SCENES[plan.scene](make, plan)
        self._over = True
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ends(agents)

    @workflow.update
    async def advance(self) -> bool:
        """Let the run go on until it waits again (return False) or is over (return True)."""
        self._released += 1
        await workflow.wait_condition(lambda: self._arrived > self._released or self._over)
        return self._over

    @workflow.signal
    def release(self, gates: int) -> None:
        """Let the run go on through a number of gates."""
        self._released += gates

    @workflow.query
    def over(self) -> bool:
        """Tell whether the plan is done."""
        return self._over

    async def gate(self) -> None:
        """Wait for the next `advance` or `release`."""
        self._arrived += 1
        mine = self._arrived
        await workflow.wait_condition(lambda: not self._gated or self._released >= mine)


def ends(agents: Sequence[Agent]) -> dict[str, str]:
    """Return the agents' final conversations by system prompt. Large ones are given as length and digest."""
    bare = {a.system_prompt: [[m["role"], m["content"]] for m in a.messages] for a in agents}
    return {str(name): brief(json.dumps(encode(messages), sort_keys=True)) for name, messages in bare.items()}


def brief(text: str) -> str:
    """Return a text's beginning, end, length and digest, to compare and to print."""
    return f"{text[:100]} ... {text[-100:]} {len(text)} {uuid.uuid5(uuid.NAMESPACE_OID, text)}"


@workflow.defn
class Taken:
    """A workflow that already has a query under the name that agents need."""

    @workflow.query(name=TRANSCRIPT_QUERY)
    def mine(self) -> str:
        return "mine"

    @workflow.run
    async def run(self) -> None:
        await TemporalAgent("model", callback_handler=None).invoke_async("go")
