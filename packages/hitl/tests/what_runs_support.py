"""Transfers that people are asked about, for hooks and middleware to change."""

from typing import Any

from strands import ToolContext, tool
from strands.hooks import BeforeToolCallEvent


@tool
def transfer(amount: int, to: str = "bob") -> str:
    """Transfer money."""
    return f"{amount} to {to}"


@tool
def estimate(amount: int, to: str = "bob") -> str:
    """Say what a transfer would cost."""
    return f"{amount} to {to} costs 1"


@tool(context=True)
def transfer_if_agreed(amount: int, tool_context: ToolContext) -> str:
    """Transfer money, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('agree', reason='agree?')}"


TOOLS = [transfer, estimate, transfer_if_agreed]


def with_input(event: BeforeToolCallEvent, **arguments: Any) -> None:
    event.tool_use = {**event.tool_use, "input": {**event.tool_use["input"], **arguments}}


def ask(event: BeforeToolCallEvent) -> None:
    """Ask before each transfer, about the call as earlier hooks have changed it."""
    if event.tool_use["name"] != "transfer_if_agreed":
        amount = event.tool_use["input"]["amount"]
        answer = event.interrupt("approval", reason=f"transfer {amount}?")
        if answer not in (True, "yes"):
            event.cancel_tool = "denied"
