"""Workflows with histories in the tree, and the script that records them. Never change what they do.

Each release replays the histories of all earlier releases (`histories/`), including those that it would no
longer produce. To record the histories of this release, under names of their own:

    uv run python -m packages.hitl.tests.golden_hitl

Names of ways after it record those alone.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from packages.hitl.tests.approvals_support import (
    approver_for,
    until,
)
from strands import tool
from strands.hooks import BeforeToolCallEvent, BeforeToolsEvent
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    say,
    use_tools,
)
from strands_temporal_hitl import ApprovalPolicy, Approvals, HITLPlugin, digest_of

HISTORIES = Path(__file__).parent / "histories"
BY = "ana"


@tool
def refund(amount: int) -> str:
    """Refund."""
    return f"refunded {amount}"


def answer(call: ScriptedCall) -> Reply:
    """Pass on to the clerk, or refund two amounts; say what came back."""
    if "toolResult" in str(call.messages[-1]["content"]):
        return say(call.text)
    if "clerk" in call.tool_names:
        return use_tools([("clerk", {"input": "go"}, "call_0")])
    ids = ["call_0", "call_0"] if call.text == "one id" else ["call_0", "call_1"]
    return use_tools([("refund", {"amount": n}, id_) for n, id_ in zip((5, 9000), ids, strict=True)])


def ask(event: BeforeToolCallEvent) -> None:
    """Ask before each refund."""
    if event.tool_use["name"] == "refund":
        amount = event.tool_use["input"]["amount"]
        if event.interrupt("approval", reason=f"refund {amount}?") is not True:
            event.cancel_tool = f"{amount} denied"


@workflow.defn
class GoldenApprovals:
    """One turn. Its `way` says what happens."""

    def __init__(self) -> None:
        self.approvals = Approvals(deadline=timedelta(days=2))
        self.agent = TemporalAgent("m", name="clerk", tools=[refund], callback_handler=None)
        self.passes = 0
        self.go = False

    @workflow.run
    async def run(self, way: str) -> list[Any]:
        """Run the agent."""
        if way in ("a question of all", "an early yes of all"):
            self.agent.add_hook(self.ask_of_all, BeforeToolsEvent)
        else:
            if way == "a call that changes":
                self.agent.add_hook(self.grow, BeforeToolCallEvent)
            self.agent.add_hook(ask, BeforeToolCallEvent)
        if way in ("a clerk", "an early yes to a clerk"):
            tools = [self.agent.as_tool(name="clerk", description="Refunds.")]
            self.agent = TemporalAgent("m", name="head", tools=tools, callback_handler=None)
        if way.startswith("an early"):
            await workflow.wait_condition(lambda: self.go)
        result = await self.approvals.run(self.agent, way)
        return [result.stop_reason, str(result).strip(), [r.outcome for r in self.approvals.records]]

    def grow(self, event: BeforeToolCallEvent) -> None:
        """Change the calls that people were asked about."""
        self.passes += 1
        if self.passes > 2:
            amount = event.tool_use["input"]["amount"] + 1
            event.tool_use = {**event.tool_use, "input": {"amount": amount}}

    def ask_of_all(self, event: BeforeToolsEvent) -> None:
        """Ask once for all."""
        if event.interrupt("all", reason="all?") is not True:
            event.cancel = "all denied"

    @workflow.signal
    def stop(self) -> None:
        """Stop the agent."""
        self.agent.cancel()

    @workflow.signal
    def begin(self) -> None:
        """Let the agent begin."""
        self.go = True


POLICY: dict[str, Any] = {
    "version": "v1",
    "deny": [
        {
            "name": "large",
            "tools": ["refund"],
            "when": [{"path": "amount", "op": ">", "value": 5000}],
            "reason": "above 5000",
        }
    ],
    "rules": [],
}


@workflow.defn
class GoldenPolicy:
    """Two turns under a policy, which people change, with trust that they give and withdraw."""

    def __init__(self) -> None:
        self.approvals = Approvals(policy=ApprovalPolicy.from_json(POLICY))
        self.agent = TemporalAgent("m", name="clerk", tools=[refund], callback_handler=None)

    @workflow.run
    async def run(self, way: str) -> list[Any]:
        """Run the agent."""
        first = await self.approvals.run(self.agent, way)
        second = await self.approvals.run(self.agent, way)
        return [str(first).strip(), str(second).strip(), [r.outcome for r in self.approvals.records]]


Act = Callable[[Client, Any], Awaitable[None]]


async def waiting(client: Client, handle: Any) -> Any:
    """Return the pending approvals, once there are some."""
    approver = approver_for(client)
    return await until(lambda: approver.pending(handle.id), bool)


async def approve_all(client: Client, handle: Any) -> None:
    """Approve what was shown."""
    for pending in await waiting(client, handle):
        await approver_for(client).approve(handle.id, pending, by=BY)


async def approve_one(client: Client, handle: Any) -> None:
    """Approve the first, reject the second."""
    first, second = sorted(await waiting(client, handle), key=lambda p: str(p.question))
    await approver_for(client).approve(handle.id, first, by=BY)
    await approver_for(client).reject(handle.id, second, by=BY, reason="too much")


async def edit_one(client: Client, handle: Any) -> None:
    """Approve the small refund, and make the large one smaller."""
    small, large = sorted(await waiting(client, handle), key=lambda p: p.arguments["amount"])
    await approver_for(client).approve(handle.id, small, by=BY)
    await approver_for(client).edit(handle.id, large, {"amount": 7}, by=BY, reason="too much")


async def stop_and_approve(client: Client, handle: Any) -> None:
    """Stop the agent while people are asked, and approve nevertheless."""
    await waiting(client, handle)
    await handle.signal(GoldenApprovals.stop)
    await approve_all(client, handle)


async def trust_and_change(client: Client, handle: Any) -> None:
    """Change the policy while a refund waits, and trust that refund in the second turn."""
    approver = approver_for(client)
    (small,) = await waiting(client, handle)
    await approver.trust(handle.id, "other", by=BY)
    await approver.withdraw_trust(handle.id, "other", by=BY)
    await approver.change_policy(handle.id, {**POLICY, "version": "v2"}, by=BY)
    await approver.approve(handle.id, small, by=BY, trust="arguments", trust_for=timedelta(days=1))


def early(id_: str, digest: str | None) -> Act:
    """Return a function that approves a question before it is asked."""

    async def approve(client: Client, handle: Any) -> None:
        decision = {"id": id_, "verdict": "approve", "by": BY, "early": True}
        await handle.execute_update("decide_approval", {**decision, **({"digest": digest} if digest else {})})
        await handle.signal(GoldenApprovals.begin)
        if digest:  # people are asked about the other refund
            await approve_all(client, handle)

    return approve


_HOOK = f"v1:before_tool_call:call_0:{uuid.uuid5(uuid.NAMESPACE_OID, 'approval')}"
_BELOW = f"v1:agent_as_tool:call_0:{_HOOK}"
_OF_ALL = f"v1:before_tools:{uuid.uuid5(uuid.NAMESPACE_OID, 'all')}"
WAYS: dict[str, Act] = {
    "two calls": approve_one,
    "one id": approve_all,
    "a clerk": approve_all,
    "a call that changes": approve_all,
    "a stop": stop_and_approve,
    "a question of all": approve_all,
    "an early yes to a clerk": early(_BELOW, digest_of("clerk", {"input": "go"})),
    "an early yes of all": early(_OF_ALL, None),
    "an edit": edit_one,
    "a policy": trust_and_change,
}


GOLDEN = [GoldenApprovals, GoldenPolicy]


def workflow_of(way: str) -> Any:
    """Return the workflow that goes this way."""
    return GoldenPolicy if way == "a policy" else GoldenApprovals


async def record(*ways: str) -> None:
    """Write a history of each way, or of some, as this release records it."""
    HISTORIES.mkdir(exist_ok=True)
    plugins = [StrandsPlugin(models={"m": lambda: ScriptedModel(answer)}), HITLPlugin()]
    async with (
        DevServer() as server,
        agent_environment(server.address, workflows=GOLDEN, plugins=plugins) as env,
    ):
        for way in ways or WAYS:
            act = WAYS[way]
            handle = await env.start(workflow_of(way).run, way)
            await act(env.client, handle)
            await asyncio.wait_for(handle.result(), 60)
            text = (await handle.fetch_history()).to_json()
            path = HISTORIES / f"hitl-0.1.0-{way.replace(' ', '-')}.json"
            path.write_text(json.dumps(json.loads(text), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    asyncio.run(record(*sys.argv[1:]))
