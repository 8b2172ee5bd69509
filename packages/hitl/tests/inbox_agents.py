"""Shared by the tests of the inbox: an agent that refunds."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from strands import tool
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal_hitl import Approvals


@tool
def refund(
    number: str,
    amount: float,
    kind: Literal["money", "voucher"] = "money",
    urgent: bool = False,
    notes: list[str] | None = None,
) -> str:
    """Refund an order.

    Args:
        number: The order's number.
        amount: Euros.
        kind: How it is paid.
        urgent: Whether it is paid today.
        notes: For the books.
    """
    return f"refunded {amount} for {number} as {kind}, urgent: {urgent}, notes: {notes}"


@dataclass
class Shop:
    """The input of the workflow.

    Attributes:
        call: The arguments of the call that the agent makes.
        options: Further arguments of `Approvals`.
    """

    call: dict[str, Any] = field(default_factory=lambda: {"number": "A-7", "amount": 40.0})
    deadline: float | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])


def make_clerk() -> TemporalAgent:
    """Make the agent."""
    return TemporalAgent(
        "model", name="clerk", tools=[refund], interventions=[HumanInTheLoop()], callback_handler=None
    )


@workflow.defn
class ShopWorkflow:
    """Refunds once."""

    @workflow.init
    def __init__(self, shop: Shop) -> None:
        deadline = timedelta(seconds=shop.deadline) if shop.deadline else None
        self.approvals = Approvals(deadline=deadline, **shop.options)
        self.agent = make_clerk()

    @workflow.run
    async def run(self, shop: Shop) -> str:
        return str(await self.approvals.run(self.agent, json.dumps(shop.call))).strip()


def refunds() -> ScriptedModel:
    """Call the tool with the arguments in the prompt, and say what came back."""

    def script(call: ScriptedCall) -> Any:
        if call.tool_results:
            return say(call.text)
        usual: dict[str, Any] = {"number": "A-7", "amount": 40.0}
        given = json.loads(call.prompt) if call.prompt.startswith("{") else usual
        calls: list[Any] = given.get("many", [given])
        number = len(call.messages)
        return use_tools(
            [("refund", one, f"refund-{number}-{i}") for i, one in enumerate(calls)],
            text="I prepare the refund.",
        )

    return ScriptedModel(script)
