"""Shared by the tests of approvals: agents that ask, an approver, a notifier that tests can wait for."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from strands import ToolContext, tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.interrupt import Interrupt, InterruptException
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import (
    AgentEnvironment,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    assert_replays,
    say,
    use_tool,
    use_tools,
)
from strands_temporal_hitl import (
    ApprovalNotice,
    ApprovalRefusedError,
    Approvals,
    ApprovalsClient,
    ApprovalsUnreachableError,
    HITLPlugin,
    ShownCall,
)
from strands_temporal_hitl._turn import Asked
from strands_temporal_hitl._values import as_json

BY = "ana@example.org"


def asked_by(use: Any) -> Asked:
    """Return the subject of a tool call's question."""
    call = ShownCall(as_json(use["name"]), as_json(use["input"]))
    return Asked(call=call, places=[(use["toolUseId"],)], tool_use_id=use["toolUseId"])


class Told:
    """A notifier for which the test can wait, instead of sleeping."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[ApprovalNotice] = asyncio.Queue()
        self._told: set[str] = set()

    async def notify(self, notice: ApprovalNotice) -> None:
        if activity.info().attempt > 1 and notice.id in self._told:
            return  # the previous attempt notified the test, but its completion came too late
        self._told.add(notice.id)
        await self.notices.put(notice)

    async def next(self) -> ApprovalNotice:
        return await asyncio.wait_for(self.notices.get(), 30)


class Gate(HookProvider):
    """Asks before a file is deleted, as in the guide; the answer is a yes or a no."""

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
    """One agent with every way to ask a person."""

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

    async def pause(
        self, *args: Any, workflow_class: Any = GatedWorkflow, **options: Any
    ) -> tuple[Any, ApprovalNotice]:
        handle = await self.env.start(workflow_class.run, *args, **options)
        return handle, await self.told.next()

    async def end(self, handle: Any) -> Any:
        """Return the workflow's result; replay all of its runs."""
        result = await asyncio.wait_for(handle.result(), 30)
        await self.assert_replays(handle)
        return result

    async def assert_replays(self, handle: Any) -> None:
        for history in await chain(handle):
            await assert_replays(history, self.env.workflows, plugins=self.env.plugins)


def approver_for(client: Client) -> ApprovalsClient:
    """Return an approver who waits long enough for a lost workflow task or query to be repeated.

    Without the workflow cache, a query that arrives during the eviction of its workflow is repeated only
    after ten seconds.
    """
    return ApprovalsClient(client, timeout=timedelta(seconds=30))


async def refused(decision: Awaitable[object]) -> ApprovalRefusedError:
    with pytest.raises(ApprovalRefusedError) as caught:
        await decision
    return caught.value


async def until(found: Callable[[], Any], condition: Callable[[Any], Any]) -> Any:
    """Poll `found` until its result fulfils `condition`, and return it. Not every change is announced."""
    value = None
    for _ in range(1200):  # a lost workflow task takes ten seconds of them
        value = await found()
        if condition(value):
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within a minute; last: {value!r}")


async def chain(handle: Any) -> list[WorkflowHistory]:
    """Return the histories of all runs of a workflow, the first one first."""
    histories: list[WorkflowHistory] = []
    client, run_id = handle._client, handle.first_execution_run_id
    while run_id:
        histories.append(await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history())
        last = histories[-1].events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return histories


# --- Workflows to be found among others

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


def one(path: str = "/tmp/x") -> ScriptedModel:  # noqa: S108  # just a name
    def script(call: Any) -> Any:
        return use_tool("remove", {"path": path}) if len(call.messages) == 1 else say(call.text)

    return ScriptedModel(script)


def two() -> ScriptedModel:
    calls = [("remove", {"path": "/a"}, "use-a"), ("remove", {"path": "/b"}, "use-b")]
    return ScriptedModel(use_tools(calls), lambda call: say(call.text))


async def paused(approver: ApprovalsClient, handle: WorkflowHandle[Any, Any], count: int = 1) -> Any:
    async def pending() -> Any:
        try:
            return await approver.pending(handle.id)
        except ApprovalsUnreachableError:  # the parts of the server learn of a new namespace one by one
            return []

    return await until(pending, lambda value: len(value) == count)


Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[AgentEnvironment]]


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
