"""`Approvals` in workflows on a real server: what people decide reaches the agent, once, and is on record."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import ToolContext, tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.interrupt import Interrupt, InterruptException
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import (
    AgentEnvironment,
    ScriptedCall,
    ScriptedModel,
    assert_replays,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import (
    ApprovalNotice,
    ApprovalRecord,
    ApprovalRefusedError,
    Approvals,
    ApprovalsClient,
    ApprovalsUnreachableError,
    HITLPlugin,
    PendingApproval,
)

pytestmark = pytest.mark.server

BY = "ana@example.org"


class Told:
    """A notifier that tells the test: the test waits for it, not for time."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[ApprovalNotice] = asyncio.Queue()

    async def notify(self, notice: ApprovalNotice) -> None:
        await self.notices.put(notice)

    async def next(self) -> ApprovalNotice:
        return await asyncio.wait_for(self.notices.get(), 30)


class Gate(HookProvider):
    """Asks before a file is deleted, as the guide does, but with a yes or no."""

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        registry.add_callback(BeforeToolCallEvent, self._gate)

    def _gate(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "delete_file":
            path = event.tool_use["input"]["path"]
            if event.interrupt("approval", reason=f"delete {path}?") is not True:
                event.cancel_tool = "denied"


@tool
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


@tool(context=True)
def pick_color(thing: str, tool_context: ToolContext) -> str:
    """Let a person pick a colour."""
    return f"{thing} is {tool_context.interrupt('color', reason={'which colour': thing})}"


@tool
def always_asks(name: str) -> str:
    """Raise at every call, as the guide's tool does."""
    raise InterruptException(Interrupt(id=f"delete:{name}", name="approval", reason=f"delete {name}?"))


@workflow.defn
class GatedWorkflow:
    """One agent with every kind of gate."""

    @workflow.init
    def __init__(self, deadline: float | None = None) -> None:
        self.approvals = Approvals(deadline=None if deadline is None else timedelta(seconds=deadline))
        self.agent = TemporalAgent(
            "model", hooks=[Gate()], tools=[delete_file, pick_color, always_asks], callback_handler=None
        )

    @workflow.run
    async def run(self, deadline: float | None = None) -> dict[str, Any]:
        result = await self.approvals.run(self.agent, "go")
        return {"text": str(result).strip(), "records": self.approvals.records}


@workflow.defn
class HumanInTheLoopWorkflow:
    """Strands' own intervention, unchanged."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "model",
            tools=[delete_file],
            interventions=[HumanInTheLoop(enable_trust=True)],
            callback_handler=None,
        )
        first = await self.approvals.run(agent, "go")
        second = await self.approvals.run(agent, "again")
        return f"{str(first).strip()} | {str(second).strip()}"


def echo(call: ScriptedCall) -> Any:
    return say(call.text)


def deletes(path: str = "/etc/passwd") -> ScriptedModel:
    return ScriptedModel(use_tool("delete_file", {"path": path}), echo)


def deletes_two() -> ScriptedModel:
    calls = [("delete_file", {"path": "/a"}, "first"), ("delete_file", {"path": "/b"}, "second")]
    return ScriptedModel(use_tools(calls), echo)


class Setting:
    """A worker with an agent that asks, and an approver whose client has no plugins."""

    def __init__(self, env: AgentEnvironment, told: Told, approver: ApprovalsClient) -> None:
        self.env, self.told, self.approver = env, told, approver

    async def pause(self, *args: Any, workflow_class: Any = GatedWorkflow) -> tuple[Any, ApprovalNotice]:
        handle = await self.env.start(workflow_class.run, *args)
        return handle, await self.told.next()

    async def end(self, handle: Any) -> Any:
        result = await asyncio.wait_for(handle.result(), 30)
        await self.env.assert_replays(handle)
        return result


@pytest.fixture
def setting(agents: Agents, client: Client) -> Callable[..., Any]:
    @asynccontextmanager
    async def open_setting(model: ScriptedModel, **options: Any) -> AsyncGenerator[Setting]:
        told = Told()
        plugins = [
            StrandsPlugin(models={"model": lambda: model}),
            HITLPlugin(notifiers={"test": lambda: told}),
        ]
        workflows = options.pop("workflows", [GatedWorkflow])
        async with agents(workflows=workflows, plugins=plugins, **options) as env:
            yield Setting(env, told, ApprovalsClient(client))

    return open_setting


async def refused(decision: Awaitable[object]) -> ApprovalRefusedError:
    with pytest.raises(ApprovalRefusedError) as caught:
        await decision
    return caught.value


# --- Approve, reject, respond


async def test_an_approved_hook_interrupt_lets_the_tool_run(setting: Any) -> None:
    async with setting(deletes()) as s:
        handle, notice = await s.pause()
        (pending,) = await s.approver.pending(handle.id)
        assert notice.pending == [pending]
        assert (pending.tool, pending.arguments) == ("delete_file", {"path": "/etc/passwd"})
        assert (pending.name, pending.question) == ("approval", "delete /etc/passwd?")
        record = await s.approver.approve(handle.id, pending, by=BY)
        result = await s.end(handle)
    assert result["text"] == "deleted /etc/passwd"
    assert result["records"] == [asdict(record)]
    assert (record.outcome, record.by, record.response) == ("approved", BY, True)
    assert record.digest == pending.digest
    assert record.asked_at <= record.at


async def test_a_rejections_reason_reaches_the_model(setting: Any) -> None:
    model = deletes()
    async with setting(model) as s:
        handle, notice = await s.pause()
        await s.approver.reject(handle.id, notice.pending[0], by=BY, reason="that file is needed")
        result = await s.end(handle)
    tool_result: Any = model.calls[1].messages[-1]["content"][0]
    assert tool_result["toolResult"]["status"] == "error"
    assert tool_result["toolResult"]["content"] == [
        {"text": "denied"},
        {"text": "Rejected: that file is needed"},
    ]
    (record,) = result["records"]
    assert (record["outcome"], record["response"], record["reason"]) == (
        "rejected",
        False,
        "that file is needed",
    )


async def test_a_response_is_what_the_tool_gets(setting: Any) -> None:
    model = ScriptedModel(use_tool("pick_color", {"thing": "door"}), echo)
    async with setting(model) as s:
        handle, notice = await s.pause()
        assert notice.pending[0].question == {"which colour": "door"}
        await s.approver.respond(handle.id, notice.pending[0], {"rgb": [1, 2, 3]}, by=BY)
        result = await s.end(handle)
    assert result["text"] == "door is {'rgb': [1, 2, 3]}"
    assert result["records"][0]["response"] == {"rgb": [1, 2, 3]}


async def test_a_falsy_response_is_an_answer(setting: Any) -> None:
    model = ScriptedModel(use_tool("pick_color", {"thing": "door"}), echo)
    async with setting(model) as s:
        handle, notice = await s.pause()
        await s.approver.respond(handle.id, notice.pending[0], 0, by=BY)
        assert (await s.end(handle))["text"] == "door is 0"


# --- Several at once


async def test_a_partly_answered_set_waits_for_the_rest(setting: Any) -> None:
    model = deletes_two()
    async with setting(model) as s:
        handle, notice = await s.pause()
        first, second = sorted(notice.pending, key=lambda p: p.arguments["path"])
        await s.approver.approve(handle.id, first, by=BY)
        assert await s.approver.pending(handle.id) == [second]
        assert len(model.calls) == 1
        await s.approver.reject(handle.id, second, by="bo", reason="not b")
        result = await s.end(handle)
    assert result["text"] == "deleted /a\ndenied\nRejected: not b"
    assert [(r["outcome"], r["by"]) for r in result["records"]] == [("approved", BY), ("rejected", "bo")]


@workflow.defn
class TwoAgentsWorkflow:
    """Two agents whose models use the same tool call ids wait at the same time."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> list[str]:
        agents = [
            TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)
            for _ in range(2)
        ]
        results = await asyncio.gather(*(self.approvals.run(agent, "go") for agent in agents))
        return [str(result).strip() for result in results]


async def test_two_agents_wait_side_by_side(setting: Any) -> None:
    def script(call: ScriptedCall) -> Any:
        return use_tool("delete_file", {"path": "/a"}) if len(call.messages) == 1 else say(call.text)

    async with setting(ScriptedModel(script), workflows=[TwoAgentsWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=TwoAgentsWorkflow)
        other = await s.told.next()
        first, second = notice.pending[0], other.pending[0]
        assert {first.id, second.id} == {first.id, f"{first.id}#2"} or first.id == f"{second.id}#2"
        await s.approver.approve(handle.id, first, by=BY)
        await s.approver.reject(handle.id, second, by=BY)
        assert sorted(await s.end(handle)) == ["deleted /a", "denied"]


# --- Refusals


async def test_what_is_refused_says_why_and_leaves_no_trace(setting: Any) -> None:
    async with setting(deletes()) as s:
        handle, notice = await s.pause()
        (pending,) = notice.pending

        unknown = await refused(s.approver.approve(handle.id, "nothing", by=BY))
        assert unknown.kind == "UnknownApproval"
        assert str(unknown).startswith(f"Nothing with the id 'nothing' waits. Pending: ['{pending.id}']")
        nameless = await refused(s.approver.approve(handle.id, pending, by=" "))
        assert (nameless.kind, str(nameless)) == ("MalformedDecision", "Malformed decision: by is empty")
        other = PendingApproval(pending.id, "approval", digest="sha256:0")
        unseen = await refused(s.approver.approve(handle.id, other, by=BY))
        assert unseen.kind == "NotWhatWasSeen"
        for raw in (None, "yes", {}, {"id": pending.id, "verdict": "ok", "by": BY}, {"id": 7}):
            with pytest.raises(WorkflowUpdateFailedError) as caught:
                await handle.execute_update("decide_approval", raw)
            assert isinstance(caught.value.cause, ApplicationError)
            assert caught.value.cause.type == "MalformedDecision"
        events = (await handle.fetch_history()).events
        assert not [e for e in events if "UPDATE_ACCEPTED" in EventType.Name(e.event_type)]

        await s.approver.approve(handle.id, pending, by=BY)
        assert (await s.end(handle))["text"] == "deleted /etc/passwd"


async def test_a_second_decision_is_refused_and_names_the_first(setting: Any) -> None:
    async with setting(deletes_two()) as s:
        handle, notice = await s.pause()
        first, second = notice.pending
        await s.approver.reject(handle.id, first, by=BY)
        again = await refused(s.approver.approve(handle.id, first, by="mallory"))
        assert again.kind == "AlreadyDecided"
        assert f"is already rejected by {BY}" in str(again)
        await s.approver.approve(handle.id, second, by=BY)
        result = await s.end(handle)
    assert "mallory" not in str(result)
    assert sorted(r["outcome"] for r in result["records"]) == ["approved", "rejected"]


async def test_of_decisions_that_race_one_wins(setting: Any) -> None:
    async with setting(deletes_two()) as s:
        handle, notice = await s.pause()
        first, second = notice.pending
        racing = [s.approver.approve(handle.id, first, by=f"person {i}") for i in range(5)]
        outcomes = await asyncio.gather(*racing, return_exceptions=True)
        assert sum(isinstance(outcome, ApprovalRecord) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, ApprovalRefusedError) for outcome in outcomes) == 4
        await s.approver.approve(handle.id, second, by=BY)
        assert len((await s.end(handle))["records"]) == 2


async def test_an_approval_is_good_for_one_question_only(setting: Any) -> None:
    """A tool that raises at every call asks again each time: yesterday's yes must not count today."""
    model = ScriptedModel(use_tool("always_asks", {"name": "x"}))
    async with setting(model) as s:
        handle, notice = await s.pause()
        assert notice.pending[0].id == "delete:x"
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        again = await s.told.next()
        assert again.pending[0].id == "delete:x#2"
        assert (await refused(s.approver.approve(handle.id, "delete:x", by=BY))).kind == "AlreadyDecided"
        await s.env.assert_replays(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await s.env.assert_replays(handle)
        records = await s.approver.records(handle.id)
        assert [(r.id, r.outcome) for r in records] == [("delete:x", "approved"), ("delete:x#2", "withdrawn")]


# --- Early answers


@pytest.mark.parametrize("fits", [True, False])
async def test_an_early_answer_is_kept_and_bound_to_what_it_was_given_for(setting: Any, fits: bool) -> None:
    from strands_temporal_hitl import digest_of

    go = asyncio.Event()
    model = ScriptedModel(use_tool("always_asks", {"name": "x"}).when(go.wait), echo)
    async with setting(model) as s:
        handle = await s.env.start(GatedWorkflow.run)
        digest = digest_of("always_asks", {"name": "x" if fits else "y"})
        seen = PendingApproval("delete:x", "approval", digest=digest)
        unasked = await refused(s.approver.approve(handle.id, seen, by=BY))
        assert "needs early=True" in str(unasked)
        record = await s.approver.approve(handle.id, seen, by=BY, early=True)
        assert record.early
        twice = await refused(s.approver.approve(handle.id, seen, by="bo", early=True))
        assert f"is already approved by {BY}" in str(twice)
        go.set()
        notice = await s.told.next()
        (used,) = await s.approver.records(handle.id)
        assert (used.outcome, used.early, used.by) == ("approved" if fits else "refused", True, BY)
        # The tool asks again, so the next question is what tells whether the first was answered.
        assert notice.pending[0].id == ("delete:x#2" if fits else "delete:x")
        await handle.terminate()
        await s.env.assert_replays(handle)


# --- Deadlines


async def test_a_deadline_rejects(setting: Any) -> None:
    model = deletes()
    async with setting(model) as s:
        handle, notice = await s.pause(1.0)
        assert notice.pending[0].deadline > notice.pending[0].asked_at
        result = await s.end(handle)
        with pytest.raises(ApprovalsUnreachableError, match="already completed"):
            await s.approver.approve(handle.id, notice.pending[0], by=BY)
    assert result["text"] == "denied\nRejected: Nobody decided in time"
    (record,) = result["records"]
    assert (record["outcome"], record["by"], record["response"]) == ("expired", "", False)
    assert record["at"] >= notice.pending[0].deadline


async def test_at_the_deadline_what_was_decided_counts(setting: Any) -> None:
    model = deletes_two()
    async with setting(model) as s:
        handle, notice = await s.pause(2.0)
        first, _ = sorted(notice.pending, key=lambda p: p.arguments["path"])
        await s.approver.approve(handle.id, first, by=BY)
        result = await s.end(handle)
    assert result["text"] == "deleted /a\ndenied\nRejected: Nobody decided in time"
    assert [r["outcome"] for r in result["records"]] == ["approved", "expired"]


@workflow.defn
class LateWorkflow:
    """Asks again after a deadline, so that a late decision finds the workflow running."""

    def __init__(self) -> None:
        self.approvals = Approvals(deadline=timedelta(seconds=1))
        self.done = False

    @workflow.signal
    def end(self) -> None:
        self.done = True

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)
        result = await self.approvals.run(agent, "go")
        await workflow.wait_condition(lambda: self.done)
        return str(result).strip()


async def test_a_late_decision_is_refused(setting: Any) -> None:
    second = asyncio.Event()

    def after(call: ScriptedCall) -> Any:
        second.set()
        return say(call.text)

    model = ScriptedModel(use_tool("delete_file", {"path": "/a"}), after)
    async with setting(model, workflows=[LateWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=LateWorkflow)
        await asyncio.wait_for(second.wait(), 30)
        late = await refused(s.approver.approve(handle.id, notice.pending[0], by=BY))
        assert late.kind == "PastDeadline"
        assert "passed at" in str(late)
        await handle.signal(LateWorkflow.end)
        assert await s.end(handle) == "denied\nRejected: Nobody decided in time"


# --- Strands' HumanInTheLoop


async def test_strands_human_in_the_loop_is_driven_unchanged(setting: Any) -> None:
    script = [use_tool("delete_file", {"path": f"/{i}"}, tool_use_id=f"use-{i}") for i in range(3)]
    model = ScriptedModel(
        script[0], script[1], script[2], echo, use_tool("delete_file", {"path": "/3"}), echo
    )
    async with setting(model, workflows=[HumanInTheLoopWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=HumanInTheLoopWorkflow)
        assert notice.pending[0].name == HumanInTheLoop.name
        assert notice.pending[0].question == 'Approve "delete_file"?\n  Input: {"path": "/0"}'
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        notice = await s.told.next()
        assert model.calls[1].text == "deleted /0"
        await s.approver.reject(handle.id, notice.pending[0], by=BY, reason="yes, but not now")
        notice = await s.told.next()
        assert model.calls[2].text.startswith('CONFIRMATION_FAILED: Approve "delete_file"?')
        assert model.calls[2].text.endswith("Rejected: yes, but not now")
        await s.approver.respond(handle.id, notice.pending[0], "trust", by=BY)
        # Trusted from here on: the second prompt's call asks nobody.
        assert await s.end(handle) == "deleted /2 | deleted /3"


@workflow.defn
class PlainResumeWorkflow:
    """The guide's way: a signal's answer, and `invoke_async` with responses."""

    def __init__(self) -> None:
        self.answer: str | None = None

    @workflow.signal
    def approve(self, answer: str) -> None:
        self.answer = answer

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "model", tools=[delete_file], interventions=[HumanInTheLoop()], callback_handler=None
        )
        result = await agent.invoke_async("go")
        while result.stop_reason == "interrupt":
            await workflow.wait_condition(lambda: self.answer is not None)
            answers: Any = [
                {"interruptResponse": {"interruptId": interrupt.id, "response": self.answer}}
                for interrupt in result.interrupts or ()
            ]
            self.answer = None
            result = await agent.invoke_async(answers)
        return str(result).strip()


@pytest.mark.parametrize(("answer", "text"), [("y", "deleted /etc"), ("n", "CONFIRMATION_FAILED")])
async def test_strands_human_in_the_loop_with_plain_resume(agents: Agents, answer: str, text: str) -> None:
    model = deletes("/etc")
    async with agents(workflows=[PlainResumeWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(PlainResumeWorkflow.run)
        await handle.signal(PlainResumeWorkflow.approve, answer)
        assert (await asyncio.wait_for(handle.result(), 30)).startswith(text)
        await env.assert_replays(handle)


# --- Activities


@activity.defn
async def drop_table(name: str, tool_context: ActivityToolContext) -> str:
    """Drop a table."""
    approved = tool_context.interrupt("approval", reason=f"drop {name}?")
    return f"dropped {name}" if approved is True else f"kept {name}"


@workflow.defn
class ActivityWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", tools=[activity_as_tool(drop_table)], callback_handler=None)
        return str(await self.approvals.run(agent, "go")).strip()


@pytest.mark.parametrize(
    ("verdict", "text"), [("approve", "dropped t"), ("reject", "kept t\nRejected: too dear")]
)
async def test_an_activity_reads_the_decision(setting: Any, verdict: str, text: str) -> None:
    model = ScriptedModel(use_tool("drop_table", {"name": "t"}), echo)
    async with setting(model, workflows=[ActivityWorkflow], activities=[drop_table]) as s:
        handle, notice = await s.pause(workflow_class=ActivityWorkflow)
        (pending,) = notice.pending
        assert (pending.question, pending.tool, pending.arguments) == ("drop t?", "drop_table", {"name": "t"})
        await getattr(s.approver, verdict)(handle.id, pending, by=BY, reason="too dear")
        assert await s.end(handle) == text


# --- Workers come and go


async def test_a_decision_after_a_new_worker_took_over(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """Stands in for a week of waiting: no worker runs between the question and the answer."""
    told, model = Told(), deletes()
    plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin(notifiers={"test": lambda: told})]
    connected = Client(client.service_client, plugins=plugins)
    queue = f"hitl-{uuid.uuid4()}"
    options: dict[str, Any] = {"task_queue": queue, "workflows": [GatedWorkflow], **worker_options}
    async with Worker(connected, **options):
        handle = await connected.start_workflow(GatedWorkflow.run, id=queue, task_queue=queue)
        notice = await told.next()
    async with Worker(connected, **options):
        approver = ApprovalsClient(client, timeout=timedelta(seconds=30))
        assert await approver.pending(queue) == notice.pending
        await approver.approve(queue, notice.pending[0], by=BY)
        result = await asyncio.wait_for(handle.result(), 30)
    assert result["text"] == "deleted /etc/passwd"
    await assert_replays(handle, [GatedWorkflow], plugins=plugins)


async def test_without_the_plugin_people_still_decide(agents: Agents, client: Client) -> None:
    async with agents(workflows=[GatedWorkflow], models={"model": deletes}) as env:
        handle = await env.start(GatedWorkflow.run)
        approver = ApprovalsClient(client)
        pending = await first_pending(approver, handle.id)
        await approver.approve(handle.id, pending, by=BY)
        assert (await asyncio.wait_for(handle.result(), 30))["text"] == "deleted /etc/passwd"
        await env.assert_replays(handle)


async def first_pending(approver: ApprovalsClient, workflow_id: str) -> PendingApproval:
    """Wait until something is pending; nothing else tells that without the plugin."""
    for _ in range(1000):
        if pending := await approver.pending(workflow_id):
            return pending[0]
        await asyncio.sleep(0.01)
    raise AssertionError("nothing became pending")


# --- Misuse ends the workflow


@workflow.defn
class MisuseWorkflow:
    @workflow.init
    def __init__(self, case: str) -> None:
        cases: dict[str, Callable[[], object]] = {
            "two": lambda: (Approvals(), Approvals()),
            "number": lambda: Approvals(deadline=60),  # pyright: ignore[reportArgumentType]  # the misuse
            "zero": lambda: Approvals(deadline=timedelta(0)),
            "none": lambda: Approvals(rejected=None),
            "same": lambda: Approvals(approved="y", rejected="y"),
            "object": lambda: Approvals(approved=object()),
        }
        cases[case]()

    @workflow.run
    async def run(self, case: str) -> None:
        return


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("two", "already has an Approvals"),
        ("number", "deadline=60 is not a timedelta"),
        ("zero", "is not positive"),
        ("none", "rejected=None would leave the interrupt unanswered"),
        ("same", "are both 'y'"),
        ("object", "is not JSON"),
    ],
)
async def test_misuse_ends_the_workflow_and_says_why(agents: Agents, case: str, words: str) -> None:
    plugins = [StrandsPlugin(), HITLPlugin()]
    async with agents(workflows=[MisuseWorkflow], plugins=plugins) as env:
        with pytest.raises(WorkflowFailureError) as caught:
            await env.run(MisuseWorkflow.run, case)
    assert words in str(caught.value.cause)
