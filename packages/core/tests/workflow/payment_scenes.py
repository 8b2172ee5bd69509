"""Payments that a person is asked about."""

from typing import Any

import pytest
from strands import ToolContext, tool
from temporalio import activity

from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools

CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])


@activity.defn
async def pay(amount: int, tool_context: ActivityToolContext) -> str:
    """Pay, if a person agrees."""
    return f"{amount} paid: {tool_context.interrupt('pay', reason=amount)}"


@tool(name="pay", context=True)
async def plain_pay(amount: int, tool_context: ToolContext) -> str:
    """Pay, if a person agrees."""
    return f"{amount} paid: {tool_context.interrupt('pay', reason=amount)}"


def paid(call: ScriptedCall) -> Reply:
    return say(f"read: {call.text}")


def three_payments() -> ScriptedModel:
    payments: Any = [("pay", {"amount": amount}, f"t{amount}") for amount in (1, 2, 3)]
    return ScriptedModel(use_tools(payments), paid)


def answer_to(interrupt: Any, response: Any) -> Any:
    return {"interruptResponse": {"interruptId": interrupt.id, "response": response}}
