"""One request of a customer: the agent looks the order up, and pays money back if the policy lets it."""

import asyncio
import json
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import ApprovalPolicy, ApprovalRecord, Approvals

TASK_QUEUE = "strands-support-desk"
MODEL = "model"

PAID = Path(os.environ.get("SUPPORT_DESK_PAID") or "/tmp/support-desk-refunds.jsonl")  # noqa: S108  # stands for a payment provider


@dataclass
class Request:
    """A request.

    Attributes:
        text: The customer's words.
        clerk: Who opened it, and may not decide about it.
        policy: The policy's JSON.
    """

    text: str
    clerk: str
    policy: dict[str, Any]


@dataclass
class Outcome:
    """What became of it: the agent's answer, and who decided what."""

    answer: str
    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])


@activity.defn
async def refund(order: str, euros: int, tool_context: ToolContext) -> str:
    """Pay money back.

    Args:
        order: The order's number.
        euros: How much.
        tool_context: The call; agents do not give it.
    """

    def pay() -> None:
        lines = PAID.read_text().splitlines() if PAID.exists() else []
        if not any(json.loads(line)["key"] == tool_context.idempotency_key for line in lines):
            line = json.dumps({"key": tool_context.idempotency_key, "order": order, "euros": euros})
            with PAID.open("a") as file:
                file.write(f"{line}\n")

    await asyncio.to_thread(pay)
    return f"paid {euros} euros back for order {order}"


@workflow.defn
class SupportDeskWorkflow:
    """Handles one request, for days if people take so long."""

    @workflow.init
    def __init__(self, request: Request) -> None:
        self._approvals = Approvals(
            policy=ApprovalPolicy.from_json(request.policy),
            verified=True,
            started_by=request.clerk,
            deadline=timedelta(days=7),
        )
        self._agent = TemporalAgent(
            MODEL,
            tools=[activity_as_tool(refund, start_to_close_timeout=timedelta(seconds=20))],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=60),
        )

    @workflow.run
    async def run(self, request: Request) -> Outcome:
        """Answer the customer."""
        result = await self._approvals.run(self._agent, request.text)
        return Outcome(str(result).strip(), self._approvals.records)
