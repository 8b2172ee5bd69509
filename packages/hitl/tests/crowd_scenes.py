"""Many refunds that wait for a person, and several people who decide them at once.

As a program it is a worker for tests to kill: `python -m packages.hitl.tests.crowd_scenes ADDRESS QUEUE DB`.
"""

import asyncio
import contextlib
import os
import random
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import (
    ApprovalRecord,
    ApprovalRefusedError,
    Approvals,
    ApprovalsClient,
    ApprovalsEndedError,
    ApprovalsUnreachableError,
    Decision,
    HITLPlugin,
    PendingApproval,
)
from strands_temporal_hitl._decision import Verdict

PEOPLE = ("ana", "bo", "cy")
ASKED, EDITED = 100, 7  # amounts: the agent's, and that of an edit

_DB = "CROWD_DB"


@activity.defn
async def refund(order: str, amount: int, tool_context: ToolContext) -> str:
    """Pay an amount back."""
    with contextlib.closing(sqlite3.connect(os.environ[_DB], timeout=30)) as db, db:
        db.execute("INSERT INTO paid VALUES (?, ?, ?)", (tool_context.idempotency_key, order, amount))
    return f"paid {amount} for {order}"


def set_up(path: Path) -> None:
    """Make the file in which payments are noted. One key is paid at most once, as with a payment provider."""
    os.environ[_DB] = str(path)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS paid (key TEXT, order_id TEXT, amount INT)")


def paid(path: Path) -> dict[str, set[tuple[str, int]]]:
    """Return what was paid, by the order: keys and amounts."""
    found: dict[str, set[tuple[str, int]]] = {}
    with contextlib.closing(sqlite3.connect(path)) as db:
        for key, order, amount in db.execute("SELECT key, order_id, amount FROM paid"):
            found.setdefault(order, set()).add((key, amount))
    return found


def reply(call: ScriptedCall) -> Reply:
    """Ask for the refund of the order in the prompt, then say what became of it."""
    if len(call.messages) == 1:
        return use_tool("refund", {"order": call.prompt, "amount": ASKED})
    return say(call.text)


@workflow.defn
class RefundWorkflow:
    """One refund that a person decides."""

    @workflow.init
    def __init__(self, order: str) -> None:
        self.approvals = Approvals(deadline=timedelta(days=1))
        fast: Any = {
            "start_to_close_timeout": timedelta(seconds=20),
            "heartbeat_timeout": timedelta(seconds=3),
        }
        tools = [activity_as_tool(refund, **fast)]
        hitl: list[Any] = [HumanInTheLoop()]
        self.agent = TemporalAgent("model", tools=tools, interventions=hitl, callback_handler=None, **fast)

    @workflow.run
    async def run(self, order: str) -> str:
        return str(await self.approvals.run(self.agent, order)).strip()


def plugins() -> list[Any]:
    """Return the plugins of the workers."""
    return [StrandsPlugin(models={"model": lambda: ScriptedModel(reply)}), HITLPlugin()]


Send: TypeAlias = Callable[[ApprovalsClient, str, Decision], Awaitable[ApprovalRecord | None]]
"""Sends a decision for an order. Returns its record; None if another decision counted."""


async def decide_all(
    approvals: ApprovalsClient, by: str, orders: list[str], seed: int, send: "Send | None" = None
) -> dict[str, ApprovalRecord]:
    """Decide each order once, in an order of one's own. Return the records of the decisions that counted.

    Each decision has one id for all tries, so that it counts once.
    """
    chance = random.Random(f"{seed} {by}")  # noqa: S311  # no secret
    counted: dict[str, ApprovalRecord] = {}
    left, decisions = set(orders), dict[str, Decision]()
    at_once = asyncio.Semaphore(10)

    async def decide(order: str) -> None:
        async with at_once:
            with contextlib.suppress(ApprovalsUnreachableError):
                if record := await (send or _sent)(approvals, order, decisions[order]):
                    counted[order] = record
                left.discard(order)

    verdicts: tuple[Verdict, ...] = ("approve", "reject", "edit")
    while left:
        with contextlib.suppress(ApprovalsUnreachableError, RPCError):
            # By type: the server may be killed before it has registered the search attribute.
            found = await approvals.list(workflow_types=[RefundWorkflow.__name__])
            listed = {each.workflow_id: each for each in found if each.workflow_id in left}
            for order, waiting in listed.items():
                for pending in waiting.pending:
                    decisions.setdefault(order, _decision(pending, by, chance.choice(verdicts)))
            for order in [order for order in left - set(decisions) if order not in listed]:
                if await approvals.records(order):  # others were quicker
                    left.discard(order)
        mine = [order for order in decisions if order in left]
        await asyncio.gather(*map(decide, chance.sample(mine, len(mine))))
    return counted


async def _sent(approvals: ApprovalsClient, order: str, decision: Decision) -> ApprovalRecord | None:
    try:
        return await approvals.decide(order, decision, update_id=f"{order} {decision.by}")
    except ApprovalRefusedError as refused:
        if refused.kind != "AlreadyDecided":
            raise
    except ApprovalsEndedError:
        [record] = await approvals.records(order)  # decided meanwhile, perhaps by this decision
        return record if record.by == decision.by else None
    return None


def _decision(pending: PendingApproval, by: str, verdict: Verdict) -> Decision:
    arguments = {**pending.arguments, "amount": EDITED} if verdict == "edit" else None
    why = f"{by} says {verdict}"
    return Decision(pending.id, verdict, by, why, digest=pending.digest, arguments=arguments)


async def work(address: str, queue: str) -> None:
    """Run a worker until its process ends."""
    client = await Client.connect(address, plugins=plugins())
    async with Worker(
        client,
        task_queue=queue,
        workflows=[RefundWorkflow],
        activities=[refund],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    ):
        print("ready", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    set_up(Path(sys.argv[3]))
    asyncio.run(work(*sys.argv[1:3]))
