"""`ApprovalsClient`, the search attribute and the plugin, on a real server."""

import asyncio
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import (
    TYPE,
    AskingWorkflow,
    Opened,
    SilentWorkflow,
    approver_for,
    opened,
    paused,
    two,
    until,
)
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.worker import Worker

from strands_temporal_hitl import (
    ApprovalNotice,
    ApprovalsClient,
    ApprovalsEndedError,
    ApprovalsNotIndexedError,
    ApprovalsUnreachableError,
    HITLPlugin,
    WaitingWorkflow,
    WebhookNotifier,
)

pytestmark = pytest.mark.server

BY = "ana"


async def event_names(handle: WorkflowHandle[Any, Any]) -> list[str]:
    events = (await handle.fetch_history()).events
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events]


def was_told(names: list[str]) -> bool:
    """Tell whether the workflow has processed what its worker's plugin offers."""
    return names.count("ACTIVITY_TASK_COMPLETED") == 2 and names[-1] == "WORKFLOW_TASK_COMPLETED"


async def is_marked(handle: WorkflowHandle[Any, Any]) -> bool:
    attributes = (await handle.describe()).typed_search_attributes
    return "StrandsApprovals" in {pair.key.name for pair in attributes}


# --- The search attribute


def answers(found: list[WaitingWorkflow]) -> bool:
    """Tell whether a workflow was found and can be queried, which takes a moment in a new namespace."""
    return any(waiting.pending for waiting in found)


async def listed(approver: ApprovalsClient) -> list[WaitingWorkflow]:
    """Return the waiting workflows; none until the worker has registered the attribute."""
    try:
        return await approver.list()
    except ApprovalsNotIndexedError:
        return []


async def test_where_the_attribute_is_unknown_it_is_never_set(
    bare: Client, worker_options: dict[str, Any]
) -> None:
    await never_sets_it(bare, worker_options, HITLPlugin(register=False))


@pytest.mark.parametrize("other", ["INT", "KEYWORD_LIST"])
async def test_where_the_attribute_is_of_another_type_it_is_never_set(
    bare: Client, worker_options: dict[str, Any], other: str
) -> None:
    """A server may accept queries that treat it as a Keyword, and still fail each task that sets it."""
    request = AddSearchAttributesRequest(namespace=bare.namespace)
    request.search_attributes["StrandsApprovals"] = IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{other}")

    async def register() -> bool:
        try:
            await bare.operator_service.add_search_attributes(request, retry=True)
        except RPCError:  # not all parts of the server know the new namespace yet
            return False
        return True

    await until(register, bool)
    await never_sets_it(bare, worker_options, HITLPlugin())


async def never_sets_it(bare: Client, worker_options: dict[str, Any], plugin: HITLPlugin) -> None:
    approver = approver_for(bare)
    async with opened(bare, worker_options)(plugin) as env:
        handle = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, handle)
        with pytest.raises(ApprovalsNotIndexedError, match="Name the workflow types"):
            await approver.list()
        (waiting,) = await until(lambda: approver.list(workflow_types=[TYPE]), answers)
        # Without the times: a query during the workflow task that asks returns different ones.
        assert [(waiting.workflow_id, asked.id, asked.digest) for asked in waiting.pending] == [
            (handle.id, pending.id, pending.digest)
        ]
        assert await approver.list(workflow_types=["Other"]) == []
        await until(lambda: event_names(handle), was_told)
        await approver.approve(handle.id, pending, by=BY)
        assert await asyncio.wait_for(handle.result(), 30) == "removed /tmp/x"
        await env.assert_replays(handle)
        names = await event_names(handle)
    assert "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES" not in names
    assert "WORKFLOW_TASK_FAILED" not in names


async def test_a_worker_registers_the_attribute_and_all_that_waits_is_found(
    bare: Client, worker_options: dict[str, Any]
) -> None:
    approver = approver_for(bare)
    async with opened(bare, worker_options)(HITLPlugin()) as env:
        handles = [await env.start(AskingWorkflow.run) for _ in range(3)]
        await env.start(SilentWorkflow.run)
        found: list[WaitingWorkflow] = await until(partial(listed, approver), lambda found: len(found) == 3)
        assert {waiting.workflow_id for waiting in found} == {handle.id for handle in handles}
        assert {waiting.workflow_type for waiting in found} == {TYPE}
        for waiting in found:
            assert waiting.problem is None
            await approver.approve(waiting.workflow_id, waiting.pending[0], by=BY)
        for handle in handles:
            assert await asyncio.wait_for(handle.result(), 30) == "removed /tmp/x"
            await env.assert_replays(handle)
        assert await approver.list() == []
        names = await event_names(handles[0])
        assert names.count("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") == 2
        assert not await is_marked(handles[0])


async def test_between_two_answers_a_workflow_is_still_found(environments: Opened, client: Client) -> None:
    approver = approver_for(client)

    async def mine() -> list[WaitingWorkflow]:
        return [waiting for waiting in await listed(approver) if waiting.workflow_id == handle.id]

    async with environments(HITLPlugin(), two) as env:
        handle = await env.start(AskingWorkflow.run)
        (waiting,) = await until(mine, lambda found: found and len(found[0].pending) == 2)
        await approver.approve(handle.id, waiting.pending[0], by=BY)
        ((still,),) = [waiting.pending for waiting in await mine()]
        # Without the times: a query during the workflow task that asks returns different ones.
        assert (still.id, still.digest) == (waiting.pending[1].id, waiting.pending[1].digest)
        await approver.reject(handle.id, still, by=BY)
        await handle.result()
        assert await until(mine, lambda found: not found) == []
        await env.assert_replays(handle)


async def test_a_cancelled_wait_is_no_longer_listed(environments: Opened, client: Client) -> None:
    approver = approver_for(client)
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        await until(
            partial(listed, approver), lambda found: handle.id in {waiting.workflow_id for waiting in found}
        )
        assert await is_marked(handle)
        await handle.cancel()
        with pytest.raises(Exception, match="Workflow execution failed"):
            await handle.result()
        assert not await is_marked(handle)
        (record,) = await approver.records(handle.id)
        assert (record.outcome, record.by, record.response) == ("withdrawn", "", None)
        await env.assert_replays(handle)


async def test_a_cancelled_caller_gets_its_cancellation(client: Client) -> None:
    id_ = f"silent-{uuid.uuid4()}"
    handle = await client.start_workflow("Silent", id=id_, task_queue=id_)  # no worker polls the queue
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(ApprovalsClient(client).approve(id_, "a question", by=BY), 0.2)
    await handle.terminate()


async def test_a_mark_from_an_earlier_run_is_taken_away(environments: Opened, client: Client) -> None:
    key = SearchAttributeKey.for_keyword("StrandsApprovals")
    approver = approver_for(client)
    async with environments(HITLPlugin()) as env:
        await until(lambda: listable(approver), lambda known: known)
        marked = TypedSearchAttributes([SearchAttributePair(key, "pending")])
        handle = await env.start(AskingWorkflow.run, search_attributes=marked)
        (pending,) = await paused(approver, handle)
        await approver.approve(handle.id, pending, by=BY)
        assert await asyncio.wait_for(handle.result(), 30) == "removed /tmp/x"
        assert not await is_marked(handle)
        await env.assert_replays(handle)


async def listable(approver: ApprovalsClient) -> bool:
    try:
        await approver.list()
    except ApprovalsNotIndexedError:
        return False
    return True


# --- What cannot be asked


async def test_who_cannot_be_asked_says_why(environments: Opened, client: Client) -> None:
    async with environments(HITLPlugin()) as env:
        silent = await env.start(SilentWorkflow.run)
        approver = approver_for(client)
        with pytest.raises(ApprovalsUnreachableError, match="it has no Approvals"):
            await approver.pending(silent.id)
        with pytest.raises(ApprovalsUnreachableError, match="'no-such' cannot be asked"):
            await approver.pending("no-such")
        with pytest.raises(ApprovalsUnreachableError, match="'no-such' cannot be asked"):
            await approver.approve("no-such", "a", by=BY)
        asked = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, asked)
        await asked.terminate()
        assert await approver.pending(asked.id) == []
        with pytest.raises(ApprovalsEndedError, match=r"has ended \(TERMINATED\)") as ended:
            await approver.approve(asked.id, pending, by=BY)
        assert ended.value.status == "TERMINATED"
        assert not isinstance(ended.value, ApprovalsUnreachableError), "who retries that must stop"


async def test_a_workflow_that_ends_while_a_decision_is_under_way(
    environments: Opened, client: Client
) -> None:
    approver = approver_for(client)
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, handle)
    deciding = asyncio.create_task(approver.approve(handle.id, pending, by=BY))  # no worker polls this queue
    await asyncio.wait([deciding], timeout=0.5)
    await handle.terminate()
    with pytest.raises(ApprovalsEndedError, match="TERMINATED"):
        await asyncio.wait_for(deciding, 20)


async def test_a_workflow_whose_worker_is_away_is_listed_with_its_problem(
    environments: Opened, client: Client
) -> None:
    patient, hasty = approver_for(client), ApprovalsClient(client, timeout=timedelta(seconds=1))
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        await until(patient.list, lambda found: handle.id in {waiting.workflow_id for waiting in found})
    (waiting,) = [waiting for waiting in await hasty.list() if waiting.workflow_id == handle.id]
    assert waiting.pending == []
    assert waiting.problem == f"No worker answered for workflow {handle.id!r} within 1 s"
    with pytest.raises(ApprovalsUnreachableError, match="The decision may still arrive"):
        await hasty.approve(handle.id, "a", by=BY)
    await handle.terminate()


# --- The plugin


class Quiet:
    """A notifier that does nothing."""

    async def notify(self, notice: ApprovalNotice) -> None:
        return


async def test_a_plugin_leaves_nothing_behind_and_works_again(
    client: Client, worker_options: dict[str, Any]
) -> None:
    made: list[Quiet] = []

    def make() -> Quiet:
        made.append(Quiet())
        return made[-1]

    plugin, before = HITLPlugin(notifiers={"quiet": make}), asyncio.all_tasks()
    for number in (1, 2):
        async with opened(client, worker_options)(plugin) as env:
            handle = await env.start(AskingWorkflow.run)
            await until(lambda: asyncio.sleep(0, made), lambda made: len(made) == number)  # noqa: B023
            await handle.terminate()
        for _ in range(100):
            if asyncio.all_tasks() <= before:
                break
            await asyncio.sleep(0.05)
        assert asyncio.all_tasks() <= before


async def test_plugins_configured_alike_are_one_and_others_are_refused(client: Client) -> None:
    def worker(*plugins: HITLPlugin) -> Any:
        connected = Client(client.service_client, plugins=list(plugins[:1]))
        return Worker(
            connected, task_queue="hitl", workflows=[SilentWorkflow], plugins=list(plugins[1:])
        ).config(active_config=True)

    assert len(worker(HITLPlugin(), HITLPlugin())["activities"]) == 5
    with pytest.raises(ValueError, match=r"Two HITLPlugins .* \[\] and \['a'\]"):
        worker(HITLPlugin(), HITLPlugin(notifiers={"a": Quiet}))


def test_bad_notifiers_are_refused() -> None:
    bad: Any = ["http://x"]
    with pytest.raises(TypeError, match="is not a mapping of names to factories"):
        HITLPlugin(notifiers=bad)
    bad = {"a": WebhookNotifier("http://x")}
    with pytest.raises(TypeError, match="cannot be called"):
        HITLPlugin(notifiers=bad)
