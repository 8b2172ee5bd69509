"""Several people decide in workflows: races, deadlines, continue-as-new, sub-agents, changed policies."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import chain, refused, until
from packages.hitl.tests.people_support import (
    LaterOfficeWorkflow,
    Office,
    OfficeWorkflow,
    as_person,
    client_of,
    signing_plugin,
)
from packages.hitl.tests.policy_support import ClerkChild, ran, refund, refunds
from temporalio.client import Client, WorkflowFailureError

from strands_temporal import StrandsPlugin
from strands_temporal.testing import AgentEnvironment, ScriptedModel, assert_replays
from strands_temporal_hitl import (
    ApprovalRefusedError,
    ApprovalsClient,
    ApprovalsEndedError,
    Decision,
    PendingApproval,
)

pytestmark = pytest.mark.server

TWO = {"groups": ["finance"], "quorum": 2}


class Desk:
    """A worker with an agent that refunds, and clients of people."""

    def __init__(self, env: AgentEnvironment, client: Client) -> None:
        self.env, self._client = env, client
        self.reader = client_of(client)

    def of(self, name: str, *groups: str, channel: str = "inbox") -> ApprovalsClient:
        return client_of(self._client, lambda: as_person(name, *groups, channel=channel))

    async def ask(self, office: Office) -> tuple[Any, PendingApproval]:
        handle = await self.env.start(OfficeWorkflow.run, office)
        return handle, await self.pending(handle)

    async def pending(self, handle: Any) -> PendingApproval:
        return (await until(lambda: self.reader.pending(handle.id), bool))[0]

    async def end(self, handle: Any) -> dict[str, Any]:
        result = await asyncio.wait_for(handle.result(), 30)
        for history in await chain(handle):
            await assert_replays(history, self.env.workflows, plugins=self.env.plugins)
        return result


Open = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def opened(agents: Agents, client: Client) -> Open:
    @asynccontextmanager
    async def open_desk(model: ScriptedModel | None = None) -> AsyncGenerator[Desk]:
        ran.clear()
        plugins = [StrandsPlugin(models={"model": lambda: model or refunds(7)}), signing_plugin()]
        workflows = [OfficeWorkflow, ClerkChild]
        async with agents(workflows=workflows, activities=[refund], plugins=plugins) as env:
            yield Desk(env, client)

    return open_desk


async def outcome_of(decision: Any) -> str:
    try:
        return (await decision).outcome
    except ApprovalRefusedError as error:
        return error.kind
    except ApprovalsEndedError:
        return "AlreadyDecided"  # the workflow was quick


@pytest.mark.slow
async def test_two_of_three_who_approve_at_once_let_the_call_run_once(opened: Open) -> None:
    async with opened() as desk:
        handle, question = await desk.ask(Office(deciders=TWO, started_by="eve"))
        people = [desk.of(name, "finance") for name in ("ana", "cat", "dan")]
        found = await asyncio.gather(*(outcome_of(p.approve(handle.id, question)) for p in people))
        assert sorted(found) == ["AlreadyDecided", "approved", "voted"]
        result = await desk.end(handle)
        assert (result["text"], ran) == ("refunded 7 to bob", [(7, "bob")])
        voted, decided = result["records"]
        assert voted["by"] in decided["by"]
        assert {vote["by"] for vote in decided["votes"]} == set(decided["by"].split(", "))


@pytest.mark.slow
async def test_an_edit_meets_an_approval(opened: Open) -> None:
    async with opened() as desk:
        handle, question = await desk.ask(Office(deciders=TWO))
        ana, cat, dan = (desk.of(name, "finance") for name in ("ana", "cat", "dan"))
        found = await asyncio.gather(
            outcome_of(ana.edit(handle.id, question, {"amount": 5, "to": "ann"}, reason="only 5")),
            outcome_of(cat.approve(handle.id, question)),
        )
        assert found[0] == "voted"
        assert found[1] in ("voted", "NotWhatWasSeen")
        now = await desk.pending(handle)
        assert (now.arguments, now.proposed_by) == ({"amount": 5, "to": "ann"}, "ana")
        assert [vote.by for vote in now.votes] == ["ana"], "cat's vote for the former arguments dropped"
        assert await outcome_of(dan.approve(handle.id, question)) == "NotWhatWasSeen"
        record = await cat.approve(handle.id, now)
        assert (record.outcome, record.by) == ("edited", "ana, cat")
        result = await desk.end(handle)
        assert ran == [(5, "ann")]
        assert "only 5" in result["text"]


@pytest.mark.slow
async def test_the_last_vote_may_come_too_late(opened: Open) -> None:
    async with opened() as desk:
        handle, question = await desk.ask(Office(deciders=TWO, deadline=4))
        assert (await desk.of("ana", "finance").approve(handle.id, question)).outcome == "voted"
        result = await desk.end(handle)
        late = desk.of("cat", "finance").approve(handle.id, question)
        with pytest.raises(Exception, match="has ended"):
            await late
        assert ran == []
        assert [r["outcome"] for r in result["records"]] == ["voted", "expired"]
        assert [vote["by"] for vote in result["records"][1]["votes"]] == ["ana"]


@pytest.mark.slow
async def test_votes_and_delegations_go_into_the_next_run(opened: Open) -> None:
    async with opened() as desk:
        office = Office(deciders={**TWO, "four_eyes": True}, asked_by="eve")
        handle, question = await desk.ask(office)
        ana, cat = desk.of("ana", "finance"), desk.of("cat", "finance")
        await ana.edit(handle.id, question, {"amount": 5, "to": "ann"})
        now = await desk.pending(handle)
        assert (await cat.delegate(handle.id, now, person="zoe")).to == {"person": "zoe"}
        credential = as_person("zoe")
        await handle.signal(OfficeWorkflow.hand_over)
        await until(lambda: chain(handle), lambda runs: len(runs) > 1)
        now = await desk.pending(handle)
        assert ([vote.by for vote in now.votes], now.proposed_by) == (["ana"], "ana")
        assert await outcome_of(ana.approve(handle.id, now)) == "AlreadyVoted"
        assert await outcome_of(cat.approve(handle.id, now)) == "NotADecider"
        assert await outcome_of(desk.of("eve", "finance").approve(handle.id, now)) == "OwnRequest"
        zoe = client_of(desk.reader._client, credential)  # pyright: ignore[reportPrivateUsage]  # the test's own
        record = await zoe.approve(handle.id, now)
        assert (record.outcome, record.by) == ("edited", "ana, zoe")
        await desk.end(handle)
        assert ran == [(5, "ann")]


@pytest.mark.slow
async def test_a_repeated_decision_counts_once_even_in_the_next_run(opened: Open) -> None:
    async with opened() as desk:
        handle, question = await desk.ask(Office(deciders=TWO))
        ana = desk.of("ana", "finance")
        decision = Decision(question.id, "approve", digest=question.digest)
        first = await ana.decide(handle.id, decision, update_id="u-1")
        await handle.signal(OfficeWorkflow.hand_over)
        await until(lambda: chain(handle), lambda runs: len(runs) > 1)
        await desk.pending(handle)
        assert await ana.decide(handle.id, decision, update_id="u-1") == first
        assert len((await desk.pending(handle)).votes) == 1
        await desk.of("cat", "finance").approve(handle.id, question)
        await desk.end(handle)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["sub-agent asks", "child asks"])
async def test_calls_of_sub_agents_take_their_own_people(opened: Open, way: str) -> None:
    policy = {
        "version": "v1",
        "safe": ["clerk"],
        "rules": [
            {"name": "refunds", "tools": ["refund"], "then": "ask", "deciders": {**TWO, "four_eyes": True}}
        ],
    }
    async with opened(refunds(7)) as desk:
        handle, question = await desk.ask(Office(policy, way=way, started_by="eve"))
        assert question.deciders is not None
        assert (question.tool, question.deciders["quorum"]) == ("refund", 2)
        assert await outcome_of(desk.of("eve", "finance").approve(handle.id, question)) == "OwnRequest"
        assert await outcome_of(desk.of("bob").approve(handle.id, question)) == "NotADecider"
        for name in ("ana", "cat"):
            await desk.of(name, "finance").approve(handle.id, question)
        result = await desk.end(handle)
        assert ran == [(7, "bob")], result


@pytest.mark.slow
async def test_a_policy_is_changed_by_verified_people(opened: Open) -> None:
    policy = {"version": "v1", "deciders": {"groups": ["finance"], "four_eyes": True}}
    open_to_all = {"version": "v2", "deciders": {"groups": ["support"]}}
    async with opened() as desk:
        handle, question = await desk.ask(Office(policy, started_by="eve"))
        nobody = desk.reader.change_policy(handle.id, open_to_all, by="ada")
        assert (await refused(nobody)).kind == "NotVerified"
        own = desk.of("eve", "finance").change_policy(handle.id, open_to_all)
        assert (await refused(own)).kind == "OwnRequest"
        assistant = desk.of("ada", channel="mcp").trust(handle.id, "refund")
        assert (await refused(assistant)).kind == "NotAllowed"
        record = await desk.of("ada", "admins").change_policy(handle.id, open_to_all, reason="night")
        assert (record.by, record.verified, record.channel) == ("ada", True, "inbox")
        assert await outcome_of(desk.of("ana", "finance").approve(handle.id, question)) == "NotADecider"
        assert await outcome_of(desk.of("bob", "support").approve(handle.id, question)) == "approved"
        await desk.end(handle)


@pytest.mark.slow
async def test_four_eyes_need_to_know_who_asked(opened: Open) -> None:
    async with opened() as desk:
        handle = await desk.env.start(OfficeWorkflow.run, Office(deciders={"four_eyes": True}))
        with pytest.raises(WorkflowFailureError) as caught:
            await asyncio.wait_for(handle.result(), 30)
        assert "Approvals(started_by=...)" in str(caught.value.cause)


@pytest.mark.slow
async def test_a_deploy_may_name_deciders(opened: Open) -> None:
    """A run whose code named nobody replays with code that does: the earlier decisions stay."""
    async with opened() as desk:
        handle, question = await desk.ask(Office(verified=False))
        await desk.reader.approve(handle.id, question, by="bob")
        await desk.end(handle)
        (history,) = await chain(handle)
    plugins = [StrandsPlugin(), signing_plugin()]
    await assert_replays(history, [LaterOfficeWorkflow], plugins=plugins)
