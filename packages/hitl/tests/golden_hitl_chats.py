"""Chats with approvals that have histories in the tree, and the script that records them. As `golden_hitl`.

uv run python -m packages.hitl.tests.golden_hitl_chats
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from packages.core.tests.golden_conversations import golden_client, write_runs
from packages.hitl.tests.approvals_support import BY, approver_for, until
from packages.hitl.tests.golden_hitl import HISTORIES, ask, refund
from temporalio import workflow

from strands_temporal import (
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    StrandsPlugin,
    TemporalAgent,
)
from strands_temporal.testing import (
    AgentEnvironment,
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    say,
    use_tools,
)
from strands_temporal.workflow import Conversation, ConversationOptions
from strands_temporal_hitl import Approvals, ApprovalsCarry, HITLPlugin

RECORDED_BY = "hitl-0.1.0"


def make_clerk() -> TemporalAgent:
    """Make an agent that asks before it refunds."""
    agent = TemporalAgent("m", name="clerk", tools=[refund], callback_handler=None)
    agent.add_hook(ask)
    return agent


def answer(call: ScriptedCall) -> Reply:
    """Refund the amounts of the prompt at once; say what came back."""
    if call.tool_results:
        return say(call.text)
    amounts = [int(word) for word in call.prompt.split() if word.isdigit()]
    number = len(call.messages)
    if not amounts:
        return say(f"{call.prompt}: {number} messages")
    return use_tools([("refund", {"amount": each}, f"call_{number}_{each}") for each in amounts])


def is_long() -> bool:
    """Hand over, also while people are asked."""
    return workflow.info().get_current_history_length() > 25


def with_deadline(carry: ApprovalsCarry | None) -> Approvals:
    """Make approvals that nobody decides in time."""
    return Approvals(deadline=timedelta(seconds=1), carry=carry)


OPTIONS: dict[str, ConversationOptions] = {
    "asked-and-carried": {"hand_over_when": is_long},
    "deadline": {"approvals": with_deadline, "max_turns": 1},
}


@dataclass(frozen=True)
class GoldenStart(ConversationStart):
    """A start with a value of the user's own."""

    kind: str = "asked-and-carried"


@workflow.defn
class GoldenDesk:
    """A chat with approvals, of the kind that its start names."""

    @workflow.init
    def __init__(self, start: GoldenStart) -> None:
        self.chat = Conversation(start, make_clerk, **OPTIONS[start.kind])

    @workflow.run
    async def run(self, start: GoldenStart) -> ConversationEnd:
        """Answer messages until the end."""
        return await self.chat.run()


async def asked_and_carried(env: AgentEnvironment, chat: ConversationClient) -> None:
    """Ask about two calls at once, then about one in each turn, until the questions have changed runs."""
    approver = approver_for(env.client)
    for number, amounts in enumerate(("5 9000", "6", "7"), 1):
        asked = asyncio.create_task(chat.send(f"refund {amounts}", id=f"m{number}"))
        count = len(amounts.split())

        async def pending() -> Any:
            return await approver.pending(chat.workflow_id)

        found = await until(pending, lambda value, count=count: len(value) == count)
        later = asyncio.create_task(chat.send("hello", id=f"w{number}"))
        await until(chat.state, lambda state: state.queued == 1)
        first, *others = sorted(found, key=lambda each: str(each.question))
        await approver.approve(chat.workflow_id, first, by=BY)
        for other in others:
            await approver.reject(chat.workflow_id, other, by=BY, reason="too much")
        assert (await asked).turn == 2 * number - 1
        assert (await later).turn == 2 * number
    await chat.close()


async def deadline(env: AgentEnvironment, chat: ConversationClient) -> None:
    """Decide nothing."""
    assert "in time" in (await chat.send("refund 5", id="m1")).text


CHATS = {"asked-and-carried": asked_and_carried, "deadline": deadline}


async def record() -> None:
    """Record a history of each run of each chat with this release."""
    model = ScriptedModel(answer)
    async with (
        DevServer() as server,
        agent_environment(
            await golden_client(server),
            workflows=[GoldenDesk],
            plugins=[StrandsPlugin(models={"m": lambda: model}), HITLPlugin()],
            task_queue="golden",
        ) as env,
    ):
        for kind, act in CHATS.items():
            id_ = f"golden-{kind}"
            await env.start(GoldenDesk.run, GoldenStart(kind=kind), id=id_)
            chat = ConversationClient(env.client, id_)
            await asyncio.wait_for(act(env, chat), 120)
            await chat.handle.result()
            await write_runs(env.client, id_, f"{RECORDED_BY}-conversation-{kind}", HISTORIES)


if __name__ == "__main__":
    asyncio.run(record())
