"""People can decide even in a run that has reached the server's limit of updates, open or in total."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import (
    BY,
    AskingWorkflow,
    approver_for,
    one,
    paused,
    refused,
    remove,
)
from temporalio import workflow
from temporalio.client import Client, RetryConfig, WorkflowHandle, WorkflowUpdateHandle, WorkflowUpdateStage

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    AgentEnvironment,
    DevServer,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    say,
    use_tool,
)
from strands_temporal_hitl import (
    Approvals,
    ApprovalsUnreachableError,
    Decision,
    HITLPlugin,
    PendingApproval,
    _allowed,
)
from strands_temporal_hitl._protocol import DECIDE_SIGNAL

pytestmark = pytest.mark.server

FULL = 10  # the server's limit of waiting updates in one run


@workflow.defn
class ChatWorkflow:
    """Its turns are updates that wait for each other."""

    def __init__(self) -> None:
        self.approvals = Approvals()
        self.agent = TemporalAgent("model", tools=[remove], callback_handler=None)
        self.lock = asyncio.Lock()
        self.ended = False

    @workflow.update
    async def turn(self, prompt: str) -> str:
        async with self.lock:
            return str(await self.approvals.run(self.agent, prompt)).strip()

    @workflow.update
    async def end(self) -> None:
        self.ended = True

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.ended and workflow.all_handlers_finished())
        return len(self.approvals.records)


def removes_first(call: ScriptedCall) -> Any:
    return use_tool("remove", {"path": "/x"}) if len(call.messages) == 1 else say(call.text)


def never(*_: object) -> bool:
    return False


class Full:
    """A workflow with ten waiting turns, and an approver whose client does not retry refusals."""

    def __init__(
        self,
        env: AgentEnvironment,
        handle: "WorkflowHandle[Any, int]",
        turns: "list[WorkflowUpdateHandle[str]]",
        pending: PendingApproval,
    ) -> None:
        self.env, self.handle, self.turns, self.pending = env, handle, turns, pending
        self.approver = approver_for(env.client)

    async def end(self) -> list[str]:
        """Return the answers to the turns; replay the workflow."""
        answers = await asyncio.wait_for(asyncio.gather(*(turn.result() for turn in self.turns)), 30)
        await self.handle.execute_update(ChatWorkflow.end)
        assert await asyncio.wait_for(self.handle.result(), 30) == 1
        await self.env.assert_replays(self.handle)
        return answers


Filled: TypeAlias = Callable[[], AbstractAsyncContextManager[Full]]


@pytest.fixture
def full(agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch) -> Filled:
    @asynccontextmanager
    async def fill() -> AsyncGenerator[Full]:
        hasty = await Client.connect(
            client.service_client.config.target_host, retry_config=RetryConfig(max_retries=1)
        )
        model = ScriptedModel(removes_first)
        plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin()]
        async with agents(workflows=[ChatWorkflow], plugins=plugins) as env:
            handle = await env.start(ChatWorkflow.run)
            turns = [
                await handle.start_update(
                    ChatWorkflow.turn, f"turn {number}", wait_for_stage=WorkflowUpdateStage.ACCEPTED
                )
                for number in range(FULL)
            ]
            full = Full(env, handle, turns, (await paused(approver_for(client), handle))[0])
            full.approver = approver_for(hasty)
            yield full

    return fill


async def test_a_decision_gets_through_beside_ten_turns_that_wait_for_it(
    full: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with full() as chat:
        record = await chat.approver.approve(chat.handle.id, chat.pending, by=BY)
        assert (record.outcome, record.by, record.id) == ("approved", BY, chat.pending.id)
        assert await chat.approver.records(chat.handle.id) == [record]
        answers = await chat.end()
        monkeypatch.setattr(_allowed, "digest_matches", never)  # as if another release computed other digests
        await chat.env.assert_replays(chat.handle)
    assert answers[0] == "removed /x"
    assert len(answers) == FULL


async def test_what_is_refused_says_why_and_decides_nothing(full: Filled) -> None:
    async with full() as chat:
        other = await refused(chat.approver.approve(chat.handle.id, "other", by=BY))
        assert (other.kind, "with the id 'other' waits" in str(other)) == ("UnknownApproval", True)
        stale = Decision(chat.pending.id, "approve", BY, digest="sha256:0")
        assert (await refused(chat.approver.decide(chat.handle.id, stale))).kind == "NotWhatWasSeen"
        malformed_ones: list[list[Any]] = [[], ["text"], [{"request": 1}], [{"request": "r"}], [{}, {}]]
        for malformed in malformed_ones:
            await chat.handle.signal(DECIDE_SIGNAL, args=malformed)
        assert await chat.approver.records(chat.handle.id) == []
        await chat.approver.reject(chat.handle.id, chat.pending, by=BY)
        assert (await chat.end())[0] == "kept /x: False"


async def test_a_decision_that_is_sent_again_counts_once_by_whichever_way(full: Filled) -> None:
    async with full() as chat:
        decision = Decision(chat.pending.id, "approve", BY)
        first = await chat.approver.decide(chat.handle.id, decision, update_id="once")
        await asyncio.wait_for(chat.turns[0].result(), 30)
        assert await chat.approver.decide(chat.handle.id, decision, update_id="once") == first
        await chat.end()


async def test_workers_of_an_older_release_leave_the_servers_reason(
    full: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with full() as chat:
        monkeypatch.setattr("strands_temporal_hitl._sending.ANSWER_QUERY", "unknown to it")
        with pytest.raises(ApprovalsUnreachableError, match="in-flight updates"):
            await chat.approver.approve(chat.handle.id, chat.pending, by=BY)
        monkeypatch.undo()
        await chat.approver.approve(chat.handle.id, chat.pending, by=BY)
        await chat.end()


async def test_a_decision_gets_through_where_no_update_is_taken_any_more(
    worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    plugins = [StrandsPlugin(models={"model": one}), HITLPlugin(register=False)]
    async with DevServer(extra_args=["--dynamic-config-value", "history.maxTotalUpdates=1"]) as server:
        client = await Client.connect(server.address)
        async with agent_environment(
            client, workflows=[AskingWorkflow], plugins=plugins, **worker_options
        ) as env:
            handle = await env.start(AskingWorkflow.run)
            approver = approver_for(client)
            (pending,) = await paused(approver, handle)
            early = await approver.reject(handle.id, "another", by=BY, early=True)
            assert early.outcome == "rejected"
            assert (await approver.approve(handle.id, pending, by=BY)).outcome == "approved"
            assert await asyncio.wait_for(handle.result(), 30) == "removed /tmp/x"
            await env.assert_replays(handle)
