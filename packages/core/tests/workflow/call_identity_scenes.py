"""Activities that pay, and a model that calls them with ids that count from 0 in each turn."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from packages.core.tests.workflow.key_scenes import keys
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext, tool_context
from strands_temporal.testing import Reply, ScriptedCall, say, use_tools
from strands_temporal.workflow import activity_as_tool

shop_open = asyncio.Event()


@pytest.fixture(autouse=True)
def forget_payments() -> None:
    keys.clear()
    shop_open.clear()


@activity.defn
async def pay(amount: int, to: str) -> str:
    """Pay somebody."""
    keys.append(tool_context().idempotency_key)
    return f"paid {amount} to {to}"


@activity.defn
async def pay_if_agreed(amount: int, to: str, tool_context: ToolContext) -> str:
    """Pay somebody if a person agrees."""
    keys.append(tool_context.idempotency_key)
    return f"paid {amount} to {to}, said {tool_context.interrupt('agree')}"


@activity.defn
async def pay_when_open(amount: int, to: str) -> str:
    """Pay when the shop opens."""
    keys.append(tool_context().idempotency_key)
    await asyncio.wait_for(shop_open.wait(), 30)
    return f"paid {amount} to {to}"


ACTIVITIES = [pay, pay_if_agreed, pay_when_open]
BOB = {"amount": 5, "to": "bob"}
CALL = ("pay", BOB, "call_0")


def numbers_anew(*calls: Any) -> Callable[[ScriptedCall], Reply]:
    """Return a model that asks for these calls once per turn. Like some servers, it numbers calls from 0."""

    def answer(call: ScriptedCall) -> Reply:
        if "toolResult" in call.messages[-1]["content"][-1]:
            return say(call.text)
        if call.text == "open":
            return say("opened").when(open_the_shop)
        return use_tools(list(calls or [CALL]))

    return answer


async def open_the_shop() -> None:
    shop_open.set()


def agent_of(tools: Any = None, **options: Any) -> TemporalAgent:
    return TemporalAgent("m", tools=tools or [activity_as_tool(pay)], callback_handler=None, **options)


@workflow.defn
class TurnsWorkflow:
    @workflow.run
    async def run(self, prompts: list[str]) -> list[str]:
        agent = agent_of()
        return [str(await agent.invoke_async(prompt)).strip() for prompt in prompts]
