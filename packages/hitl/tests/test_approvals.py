"""`Approvals` in workflows on a real server: people's decisions reach the agent and are recorded."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import (
    BY,
    Gate,
    GatedWorkflow,
    Told,
    approver_for,
    delete_file,
    deletes,
    deletes_two,
    echo,
)
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    ScriptedCall,
    ScriptedModel,
    assert_replays,
    say,
    use_tool,
)
from strands_temporal_hitl import (
    Approvals,
    ApprovalsClient,
    HITLPlugin,
    PendingApproval,
)

pytestmark = pytest.mark.server


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
    """Two agents wait at the same time. Their models use the same tool call ids."""

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


# --- Workers come and go


async def test_a_decision_after_a_new_worker_took_over(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """As in a week of waiting: no worker runs between the question and the answer."""
    told, model = Told(), deletes()
    plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin(notifiers={"test": lambda: told})]
    connected = Client(client.service_client, plugins=plugins)
    queue = f"hitl-{uuid.uuid4()}"
    options: dict[str, Any] = {"task_queue": queue, "workflows": [GatedWorkflow], **worker_options}
    async with Worker(connected, **options):
        handle = await connected.start_workflow(GatedWorkflow.run, id=queue, task_queue=queue)
        notice = await told.next()
    async with Worker(connected, **options):
        approver = approver_for(client)
        assert await approver.pending(queue) == notice.pending
        await approver.approve(queue, notice.pending[0], by=BY)
        result = await asyncio.wait_for(handle.result(), 30)
    assert result["text"] == "deleted /etc/passwd"
    await assert_replays(handle, [GatedWorkflow], plugins=plugins)


async def test_without_the_plugin_people_still_decide(agents: Agents, client: Client) -> None:
    async with agents(workflows=[GatedWorkflow], models={"model": deletes}) as env:
        handle = await env.start(GatedWorkflow.run)
        approver = approver_for(client)
        pending = await first_pending(approver, handle.id)
        await approver.approve(handle.id, pending, by=BY)
        assert (await asyncio.wait_for(handle.result(), 30))["text"] == "deleted /etc/passwd"
        await env.assert_replays(handle)


async def first_pending(approver: ApprovalsClient, workflow_id: str) -> PendingApproval:
    """Poll until something is pending: without the plugin, nothing announces it."""
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
