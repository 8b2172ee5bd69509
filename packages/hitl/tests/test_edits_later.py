"""Edits over continue-as-new, in races, beside other decisions, and after a deploy that changed the tool."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import (
    BY,
    GatedWorkflow,
    Told,
    approver_for,
    chain,
    deletes,
    deletes_two,
    echo,
    refused,
)
from packages.hitl.tests.carried_support import LongTask, LongWorkflow, hand_over, next_run
from packages.hitl.tests.test_client_tools_hitl import ApprovedWorkflow, Task, asked, environment, opened
from packages.hitl.tests.test_histories_hitl import Outcome
from packages.hitl.tests.test_what_runs import ChangingWorkflow, Ways
from packages.hitl.tests.test_what_runs import transfers as changing
from packages.hitl.tests.what_runs_support import ask, transfer, with_input
from strands import tool
from strands.hooks import BeforeToolCallEvent
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Replayer

from strands_temporal import ClientTools, StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    ScriptedModel,
    agent_environment,
    assert_replays,
    say,
    use_tool,
    use_tools,
)
from strands_temporal_hitl import ApprovalRefusedError, Approvals, HITLPlugin

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG: dict[str, Any] = {"workflows": [LongWorkflow]}


# --- Over continue-as-new


async def test_between_the_question_and_the_edit(setting: Any) -> None:
    async with setting(deletes(), **LONG) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=LongWorkflow)
        await hand_over(handle)
        assert await s.approver.pending(handle.id) == notice.pending
        wrong = await refused(s.approver.edit(handle.id, notice.pending[0], {"path": 7}, by=BY))
        assert wrong.kind == "InvalidArguments"
        await s.approver.edit(handle.id, notice.pending[0], {"path": "/tmp/x"}, by=BY)  # noqa: S108
        result = await s.end(handle)
    assert result["text"].startswith("deleted /tmp/x\nA person changed the arguments")
    assert [record["outcome"] for record in result["records"]] == ["edited"]


async def test_between_the_edit_and_the_call(setting: Any) -> None:
    """The agent does not get it before the other question is decided, two runs later."""
    async with setting(deletes_two(), **LONG) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=LongWorkflow)
        first, second = notice.pending
        await s.approver.edit(handle.id, first, {"path": "/changed"}, by=BY, reason="that one")
        for _ in range(2):
            await hand_over(handle)
        late = await refused(s.approver.approve(handle.id, first, by="bo"))
        assert late.kind == "AlreadyDecided"
        await s.approver.approve(handle.id, second, by=BY)
        result = await s.end(handle)
        started = (await chain(handle))[1].events[0].workflow_execution_started_event_attributes
    assert "deleted /changed" in result["text"]
    assert "The reason: that one." in result["text"]
    assert f"deleted {first.arguments['path']}" not in result["text"]
    assert result["text"].count("deleted") == 2
    assert b'"version":2' in started.input.payloads[0].data  # an older release must not go on from it


async def test_while_the_edited_call_waits_for_its_client(agents: Agents, client: Client) -> None:
    ran: list[str] = []
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ApprovedWorkflow.run, Task())
        await approver_for(client).edit(handle.id, await asked(client, handle), {"path": "b"}, by=BY)
        (call,) = await opened(handle)
        assert call["arguments"] == {"path": "b"}
        current = env.client.get_workflow_handle(handle.id)
        for _ in range(2):
            before = (await current.describe()).run_id
            await current.signal("hand_over")
            await next_run(current, before)
            assert await opened(current) == [call]

        def reads(path: str) -> str:
            ran.append(path)
            return f"read {path}"

        await asyncio.wait_for(ClientTools(env.client, handle.id, {"read_file": reads}).serve(), 30)
        result = await handle.result()
        for history in await chain(handle):
            await assert_replays(history, [ApprovedWorkflow], plugins=env.plugins)
    assert ran == ["b"]
    assert result["text"].startswith('read b\nA person changed the arguments of this call to {"path": "b"}')
    assert result["outcomes"] == ["edited"]


# --- Races and other questions


async def test_of_many_decisions_at_once_one_counts(setting: Any) -> None:
    async with setting(deletes(), workflows=[GatedWorkflow]) as s:
        handle, notice = await s.pause()
        (pending,) = notice.pending
        decisions = [s.approver.edit(handle.id, pending, {"path": f"/{n}"}, by=f"p{n}") for n in range(3)]
        decisions += [s.approver.approve(handle.id, pending, by=f"p{n}") for n in range(3, 5)]
        answers = await asyncio.gather(*decisions, return_exceptions=True)
        result = await s.end(handle)
    (record,) = [each for each in answers if not isinstance(each, BaseException)]
    late = [each for each in answers if isinstance(each, ApprovalRefusedError)]
    assert {each.kind for each in late} <= {"AlreadyDecided"}
    assert len(late) == 4
    path = record.edited_arguments["path"] if record.edited_arguments else "/etc/passwd"
    assert result["text"].split("\n")[0] == f"deleted {path}"
    assert len(result["records"]) == 1


@workflow.defn
class TwiceAskedWorkflow:
    """Two hooks ask about each transfer: at once, or the second when the first has its answer."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        agent = TemporalAgent("model", tools=[transfer], callback_handler=None)

        def also_ask(event: BeforeToolCallEvent) -> None:
            if way == "in turn" and event.tool_use["toolUseId"] not in answered:
                return
            if event.interrupt("risk", reason="risky?") is not True:
                event.cancel_tool = "too risky"

        answered: set[str] = set()
        agent.add_hook(ask, BeforeToolCallEvent)
        agent.add_hook(also_ask, BeforeToolCallEvent)

        def note(event: BeforeToolCallEvent) -> None:
            answered.add(event.tool_use["toolUseId"])

        agent.add_hook(note, BeforeToolCallEvent)
        if way == "clamped":
            agent.hooks.add_callback(
                BeforeToolCallEvent,
                lambda event: with_input(event, amount=min(event.tool_use["input"]["amount"], 500)),
                order=-1,
            )
        return str(await self.approvals.run(agent, "go")).strip()


def transfers() -> ScriptedModel:
    return ScriptedModel(
        lambda call: say(call.text) if call.tool_results else use_tool("transfer", {"amount": 100})
    )


@pytest.mark.parametrize("way", ["at once", "in turn"])
async def test_who_allowed_other_arguments_is_asked_again(setting: Any, way: str) -> None:
    async with setting(transfers(), workflows=[TwiceAskedWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=TwiceAskedWorkflow)
        first = next(each for each in notice.pending if each.name == "approval")
        await s.approver.approve(handle.id, first, by="ana")
        if way == "in turn":
            notice = await s.told.next()
        second = next(each for each in notice.pending if each.name == "risk")
        await s.approver.edit(handle.id, second, {"amount": 1}, by="bo")
        (again,) = (await s.told.next()).pending
        assert again.arguments == {"amount": 1}
        assert 'It was: transfer {"amount": 100}' in again.question
        await s.approver.approve(handle.id, again, by="ana")
        said = await s.end(handle)
    assert said.startswith("1 to bob\nA person changed the arguments")


async def test_a_hook_that_changes_what_a_person_wrote_is_asked_about(setting: Any) -> None:
    """The program's own limit holds, and nothing runs that nobody saw."""
    async with setting(transfers(), workflows=[TwiceAskedWorkflow]) as s:
        handle, notice = await s.pause("clamped", workflow_class=TwiceAskedWorkflow)
        for pending in notice.pending:
            await s.approver.edit(handle.id, pending, {"amount": 5000}, by=BY)
        (again,) = (await s.told.next()).pending
        assert again.arguments == {"amount": 500}
        await s.approver.reject(handle.id, again, by=BY)
        said = await s.end(handle)
        assert "to bob" not in said
        handle, notice = await s.pause("clamped", workflow_class=TwiceAskedWorkflow)
        for pending in notice.pending:
            await s.approver.edit(handle.id, pending, {"amount": 5000}, by=BY)
        (again,) = (await s.told.next()).pending
        await s.approver.approve(handle.id, again, by=BY)
        assert (await s.end(handle)).startswith("500 to bob")


# Hooks of the others take the answer as a value, or do not ask.
WAYS = [
    name for name in vars(Ways) if not name.startswith("_") and "answer" not in name and "asked" not in name
]


@pytest.mark.parametrize("way", WAYS)
async def test_however_hooks_and_middleware_change_it_what_runs_was_decided(setting: Any, way: str) -> None:
    async with setting(changing(), workflows=[ChangingWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=ChangingWorkflow)
        (pending,) = notice.pending
        decided: list[Any] = []
        arguments = {**pending.arguments, "amount": 7}
        decided.append(arguments)
        await s.approver.edit(handle.id, pending, arguments, by=BY)
        ending = asyncio.create_task(handle.result())
        telling = asyncio.create_task(s.told.next())
        while await asyncio.wait([ending, telling], return_when=asyncio.FIRST_COMPLETED):
            if ending.done():
                break
            (again,) = telling.result().pending
            decided.append(again.arguments)
            await s.approver.approve(handle.id, again, by=BY)
            telling = asyncio.create_task(s.told.next())
        telling.cancel()
        said = await s.end(handle)
    last = decided[-1]
    assert said.startswith(f"{last['amount']} to {last.get('to', 'bob')}")
    assert 'A person changed the arguments of this call to {"amount": 7' in said
    assert len(decided) <= 2
    assert ("It ran with" in said) == (last != arguments)


async def test_a_huge_edit_is_refused_and_holds_nothing_up(setting: Any) -> None:
    async with setting(deletes(), workflows=[GatedWorkflow]) as s:
        handle, notice = await s.pause()
        (pending,) = notice.pending
        for path, kind in (("x" * 300_000, "InvalidArguments"), ("\u6f22" * 600_000, "MalformedDecision")):
            error = await refused(s.approver.edit(handle.id, pending, {"path": path}, by=BY))
            assert error.kind == kind
            assert "and may have" in str(error)
        long = "x" * 240_000
        await s.approver.edit(handle.id, pending, {"path": long}, by=BY)
        result = await s.end(handle)
        (record,) = await s.approver.records(handle.id)
    assert result["text"].startswith(f"deleted {long}\nA person changed the arguments")
    assert "(the beginning of 240,012 characters)" in result["text"]
    assert record.edited_arguments == {"path": long}


# --- After a deploy


@tool(name="pay")
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


LARGE = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 50}},
    "required": ["amount"],
}


@tool(name="pay", inputSchema={"json": LARGE})
def pay_large(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def pays() -> ScriptedModel:
    return ScriptedModel(use_tools([("pay", {"amount": n}, f"pay-{n}") for n in (100, 200)]), echo)


async def paid(approvals: Approvals, tool_: Any) -> dict[str, Any]:
    agent = TemporalAgent("model", tools=[tool_], interventions=[HumanInTheLoop()], callback_handler=None)
    text = str(await approvals.run(agent, "go")).strip()
    return {"text": text, "records": [[r.outcome, r.reason] for r in approvals.records]}


@workflow.defn(name="Paying")
class PayingWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> dict[str, Any]:
        return await paid(self.approvals, pay)


@workflow.defn(name="Paying")
class PayingLargeWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> dict[str, Any]:
        return await paid(self.approvals, pay_large)


@pytest.mark.parametrize("acted_on", ["before", "after"])
async def test_an_edit_that_no_longer_fits_does_not_run(client: Client, acted_on: str) -> None:
    """It was taken by the old code. What ran with the old code stays in the replay."""
    told, approver, model = Told(), approver_for(client), pays()
    plugins: list[Any] = [
        StrandsPlugin(models={"model": lambda: model}),
        HITLPlugin(notifiers={"test": lambda: told}),
    ]
    cold: dict[str, Any] = {"plugins": plugins, "max_cached_workflows": 0}
    async with agent_environment(client, workflows=[PayingWorkflow], **cold) as env:
        handle, queue = await env.start(PayingWorkflow.run), env.task_queue
        first, second = (await told.next()).pending
        await approver.edit(handle.id, first, {"amount": 1}, by=BY)
        if acted_on == "before":
            await approver.edit(handle.id, second, {"amount": 2}, by=BY)
            assert "paid 1" in (await handle.result())["text"]
    if acted_on == "after":
        async with agent_environment(
            client, workflows=[PayingLargeWorkflow], task_queue=queue, **cold
        ) as env:
            wrong = await refused(approver.edit(handle.id, second, {"amount": 2}, by=BY))
            assert wrong.kind == "InvalidArguments"
            assert "$.amount: 2 is less than the minimum of 50" in str(wrong)
            await approver.edit(handle.id, second, {"amount": 60}, by=BY)
            result = await handle.result()
            await env.assert_replays(handle)
        assert "paid 60" in result["text"]
        assert "paid 1" not in result["text"]
        assert "The call did not run, because they do not fit the tool now: $.amount: 1" in result["text"]
        assert [outcome for outcome, _ in result["records"]] == ["edited", "edited", "refused"]
        assert "1 is less than the minimum of 50" in result["records"][2][1]
    else:
        history, outcome = await handle.fetch_history(), Outcome()
        replayer = Replayer(workflows=[PayingLargeWorkflow], plugins=plugins, interceptors=[outcome])
        await replayer.replay_workflow(history)
        assert outcome.result == await handle.result()
