"""`ApprovalsClient`, the search attribute, the plugin's notifiers and the command line, on a real server."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from strands import ToolContext, tool
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    AgentEnvironment,
    DevServer,
    ScriptedModel,
    agent_environment,
    say,
    use_tool,
    use_tools,
)
from strands_temporal_hitl import (
    ApprovalNotice,
    Approvals,
    ApprovalsClient,
    ApprovalsNotIndexedError,
    ApprovalsUnreachableError,
    HITLPlugin,
    WaitingWorkflow,
    WebhookNotifier,
)

pytestmark = pytest.mark.server

BY = "ana"
TYPE = "AskingWorkflow"


@tool(context=True)
def remove(path: str, tool_context: ToolContext) -> str:
    """Remove a file, if a person lets it happen."""
    answer = tool_context.interrupt("remove", reason=f"Remove {path}?")
    return f"removed {path}" if answer is True else f"kept {path}: {answer!r}"


@workflow.defn(name=TYPE)
class AskingWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals(deadline=timedelta(days=7))

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", tools=[remove], callback_handler=None)
        return str(await self.approvals.run(agent, "go")).strip()


@workflow.defn
class SilentWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


def one(path: str = "/tmp/x") -> ScriptedModel:  # noqa: S108  # only a name
    def script(call: Any) -> Any:
        return use_tool("remove", {"path": path}) if len(call.messages) == 1 else say(call.text)

    return ScriptedModel(script)


def two() -> ScriptedModel:
    calls = [("remove", {"path": "/a"}, "use-a"), ("remove", {"path": "/b"}, "use-b")]
    return ScriptedModel(use_tools(calls), lambda call: say(call.text))


Opened = Callable[..., AbstractAsyncContextManager[AgentEnvironment]]


def opened(client: Client, worker_options: dict[str, Any]) -> Opened:
    @asynccontextmanager
    async def open_environment(
        plugin: HITLPlugin, model: Callable[[], ScriptedModel] = one
    ) -> AsyncGenerator[AgentEnvironment]:
        made = model()
        plugins = [StrandsPlugin(models={"model": lambda: made}), plugin]
        workflows = [AskingWorkflow, SilentWorkflow]
        async with agent_environment(client, workflows=workflows, plugins=plugins, **worker_options) as env:
            yield env

    return open_environment


@pytest.fixture
def environments(client: Client, worker_options: dict[str, Any]) -> Opened:
    return opened(client, worker_options)


@pytest.fixture
async def bare(server: DevServer) -> Client:
    """Client of a new namespace, which knows no search attribute of ours."""
    namespace = f"hitl-{uuid.uuid4()}"
    request = RegisterNamespaceRequest(namespace=namespace)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    client = await Client.connect(server.address, namespace=namespace)
    await client.workflow_service.register_namespace(request)
    return client


async def until(found: Callable[[], Any], condition: Callable[[Any], Any]) -> Any:
    """Return what `found` gives when it fulfils `condition`: visibility comes a moment later."""
    value = None
    for _ in range(200):
        value = await found()
        if condition(value):
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within ten seconds; last: {value!r}")


async def paused(approver: ApprovalsClient, handle: WorkflowHandle[Any, Any], count: int = 1) -> Any:
    async def pending() -> Any:
        try:
            return await approver.pending(handle.id)
        except ApprovalsUnreachableError:  # a new namespace is not known to every part of the server at once
            return []

    return await until(pending, lambda value: len(value) == count)


async def event_names(handle: WorkflowHandle[Any, Any]) -> list[str]:
    events = (await handle.fetch_history()).events
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events]


def was_told(names: list[str]) -> bool:
    """Tell whether the workflow has worked on what its worker's plugin answered."""
    return names.count("ACTIVITY_TASK_COMPLETED") == 2 and names[-1] == "WORKFLOW_TASK_COMPLETED"


async def is_marked(handle: WorkflowHandle[Any, Any]) -> bool:
    attributes = (await handle.describe()).typed_search_attributes
    return "StrandsApprovals" in {pair.key.name for pair in attributes}


# --- The search attribute


async def test_where_the_attribute_is_unknown_it_is_never_set(
    bare: Client, worker_options: dict[str, Any]
) -> None:
    approver = ApprovalsClient(bare)
    async with opened(bare, worker_options)(HITLPlugin(register=False)) as env:
        handle = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, handle)
        with pytest.raises(ApprovalsNotIndexedError, match="Name the workflow types"):
            await approver.list()
        (waiting,) = await until(lambda: approver.list(workflow_types=[TYPE]), lambda found: found)
        assert (waiting.workflow_id, waiting.pending) == (handle.id, [pending])
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
    approver = ApprovalsClient(bare)
    async with opened(bare, worker_options)(HITLPlugin()) as env:
        handles = [await env.start(AskingWorkflow.run) for _ in range(3)]
        await env.start(SilentWorkflow.run)
        found: list[WaitingWorkflow] = await until(approver.list, lambda found: len(found) == 3)
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
    approver = ApprovalsClient(client)

    async def mine() -> list[WaitingWorkflow]:
        return [waiting for waiting in await approver.list() if waiting.workflow_id == handle.id]

    async with environments(HITLPlugin(), two) as env:
        handle = await env.start(AskingWorkflow.run)
        (waiting,) = await until(mine, lambda found: found and len(found[0].pending) == 2)
        await approver.approve(handle.id, waiting.pending[0], by=BY)
        ((still,),) = [waiting.pending for waiting in await mine()]
        assert still == waiting.pending[1]
        await approver.reject(handle.id, still, by=BY)
        await handle.result()
        assert await until(mine, lambda found: not found) == []
        await env.assert_replays(handle)


async def test_a_cancelled_wait_is_no_longer_listed(environments: Opened, client: Client) -> None:
    approver = ApprovalsClient(client)
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        await until(approver.list, lambda found: handle.id in {waiting.workflow_id for waiting in found})
        assert await is_marked(handle)
        await handle.cancel()
        with pytest.raises(Exception, match="Workflow execution failed"):
            await handle.result()
        assert not await is_marked(handle)
        (record,) = await approver.records(handle.id)
        assert (record.outcome, record.by, record.response) == ("withdrawn", "", None)
        await env.assert_replays(handle)


async def test_a_mark_from_an_earlier_run_is_taken_away(environments: Opened, client: Client) -> None:
    key = SearchAttributeKey.for_keyword("StrandsApprovals")
    approver = ApprovalsClient(client)
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
        approver = ApprovalsClient(client)
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
        with pytest.raises(ApprovalsUnreachableError, match="already completed"):
            await approver.approve(asked.id, pending, by=BY)


async def test_a_workflow_whose_worker_is_away_is_listed_with_its_problem(
    environments: Opened, client: Client
) -> None:
    patient, hasty = ApprovalsClient(client), ApprovalsClient(client, timeout=timedelta(seconds=1))
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

    assert len(worker(HITLPlugin(), HITLPlugin())["activities"]) == 2
    with pytest.raises(ValueError, match=r"Two HITLPlugins .* \[\] and \['a'\]"):
        worker(HITLPlugin(), HITLPlugin(notifiers={"a": Quiet}))


def test_bad_notifiers_are_refused() -> None:
    bad: Any = ["http://x"]
    with pytest.raises(TypeError, match="is not a mapping of names to factories"):
        HITLPlugin(notifiers=bad)
    bad = {"a": WebhookNotifier("http://x")}
    with pytest.raises(TypeError, match="cannot be called"):
        HITLPlugin(notifiers=bad)


# --- The command line


async def command(client: Client, *arguments: str, **variables: str) -> tuple[int | None, str, str]:
    environment = {**os.environ, "TEMPORAL_ADDRESS": client.service_client.config.target_host, **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "strands_temporal_hitl",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def test_a_person_lists_shows_and_decides_in_a_terminal(environments: Opened, client: Client) -> None:
    approver = ApprovalsClient(client)
    async with environments(HITLPlugin(), two) as env:
        handle = await env.start(AskingWorkflow.run)
        pending = await paused(approver, handle, 2)
        by_path = {p.arguments["path"]: p for p in pending}
        await until(approver.list, lambda found: handle.id in {waiting.workflow_id for waiting in found})

        code, out, _ = await command(client, "list")
        assert code == 0
        block = out[out.index(f"{handle.id}  ({TYPE})") :]
        assert f"  {by_path['/a'].id}\n" in block
        assert '    remove {"path": "/a"}\n    Remove /a?\n    asked at 20' in block
        assert "rejected by itself at 20" in block
        assert (await command(client, "list", "--type", TYPE))[1].count(handle.id) == 1

        code, out, err = await command(client, "approve", handle.id)
        assert (code, out) == (1, "")
        assert err.startswith(f"Which one? In {handle.id} wait:\n")
        code, out, _ = await command(client, "reject", handle.id, "use-b", "--by", "bo", "--reason", "no")
        assert (code, out.partition(" at ")[0]) == (0, "rejected by bo")
        assert out.endswith('(no): remove {"path": "/b"}\n')
        code, out, _ = await command(client, "show", handle.id)
        assert out.startswith(f"{handle.id}: 1 waiting, 1 decided\n")
        assert "  rejected by bo at 20" in out
        code, out, _ = await command(client, "approve", handle.id, "--by", "ana")
        assert (code, out.partition(" at ")[0]) == (0, "approved by ana")
        assert await asyncio.wait_for(handle.result(), 30) == "removed /a\nkept /b: False\nRejected: no"

        code, out, err = await command(client, "approve", handle.id)
        assert (code, out, err) == (1, "", f"Nothing waits in {handle.id}.\n")
        code, out, _ = await command(client, "show", handle.id)
        assert (code, out.splitlines()[0]) == (0, f"{handle.id}: 0 waiting, 2 decided")
        await env.assert_replays(handle)


@pytest.mark.parametrize(("value", "response"), [('{"ok": 1}', {"ok": 1}), ("maybe later", "maybe later")])
async def test_a_person_responds_with_a_value(
    environments: Opened, client: Client, value: str, response: Any
) -> None:
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(ApprovalsClient(client), handle)
        code, out, err = await command(client, "respond", handle.id, value, USER="eve", LOGNAME="eve")
        assert (code, err) == (0, "")
        assert out.startswith("responded with ")
        assert " by eve at " in out
        assert await asyncio.wait_for(handle.result(), 30) == f"kept /tmp/x: {response!r}"


async def test_what_a_model_wrote_cannot_command_the_terminal(environments: Opened, client: Client) -> None:
    async with environments(HITLPlugin(), lambda: one("/x\x1b[2K\u202e")) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(ApprovalsClient(client), handle)
        _, out, _ = await command(client, "show", handle.id)
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "    Remove /x\\x1b[2K\\u202e?\n" in out
        await handle.terminate()


async def test_mistakes_at_the_terminal_are_told_in_a_line(client: Client, bare: Client) -> None:
    cases: Sequence[tuple[list[str], str]] = (
        (["show", "no-such"], "Workflow 'no-such' cannot be asked: "),
        (["--namespace", bare.namespace, "list"], "The server does not know the search attribute "),
        (["--address", "127.0.0.1:1", "list"], "Cannot connect to Temporal at 127.0.0.1:1: "),
    )
    for arguments, words in cases:
        code, out, err = await command(client, *arguments)
        assert (code, out) == (1, "")
        assert err.startswith(words)
        assert len(err.splitlines()) == 1
    code, out, _ = await command(client, "--namespace", bare.namespace, "list", "--type", TYPE)
    assert (code, out) == (0, "Nothing waits for a person.\n")
    assert (await command(client, "aprove", "x"))[0] == 2
