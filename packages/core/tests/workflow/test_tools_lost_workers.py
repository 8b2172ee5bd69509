"""A tool or command whose workers die one after the other is started once more; one that fails is not."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands.sandbox import FileInfo
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.converter import PayloadConverter
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._wire.sandboxes import has_started
from strands_temporal._worker.sandbox_commands import Attempt
from strands_temporal._worker.tool_calls import HeartbeatsInterceptor
from strands_temporal.activity import ToolContext
from strands_temporal.extension import TOOL_HEADER
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import SandboxInterruptedError, TemporalSandbox, activity_as_tool

pytestmark = pytest.mark.server

keys: list[str] = []


@activity.defn
async def fetch(lost: int, tool_context: ToolContext) -> str:
    """Fetch something; the workers of the first attempts are lost."""
    keys.append(tool_context.idempotency_key)
    if len(keys) <= lost:
        await asyncio.Event().wait()  # like a worker that is gone: nothing is heard of it
    return f"attempt {len(keys)}"


@activity.defn
async def fail(lost: int) -> str:
    """Fail."""
    keys.append("")
    raise ValueError("no such thing")


@workflow.defn
class Fetches:
    """Lets the agent call the tool once; returns what the model read."""

    @workflow.run
    async def run(self, tool: str, chosen: bool) -> str:
        options: Any = {"retry_policy": RetryPolicy(maximum_attempts=1)} if chosen else {}
        function = {"fetch": fetch, "fail": fail}[tool]
        tools = [activity_as_tool(function, heartbeat_timeout=timedelta(seconds=1), **options)]
        agent = TemporalAgent("m", tools=tools, callback_handler=None)
        await agent.invoke_async("go")
        told: Any = agent.messages[2]["content"][0]
        return told["toolResult"]["content"][0]["text"]


class Lossy(NotASandboxLocalEnvironment):
    """A sandbox that has lost its worker whenever one of the first three commands came."""

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        keys.append(command)
        if len(keys) <= 3:
            await asyncio.Event().wait()
        async for event in super().execute_streaming(command, **options):
            yield event

    async def list_files(self, path: str, **options: Any) -> list[FileInfo]:
        keys.append(path)
        if len(keys) <= 3:
            await asyncio.Event().wait()
        return []


@workflow.defn
class Commands:
    """Runs a command in a sandbox, or lists files; returns what it gave, or the error."""

    @workflow.run
    async def run(self, command: str, rerun: bool) -> str:
        sandbox = TemporalSandbox("box", rerun_commands=rerun, heartbeat_timeout=timedelta(seconds=1))
        try:
            if command:
                return (await sandbox.execute(command)).stdout
            return str(await sandbox.list_files("/"))
        except (SandboxInterruptedError, ActivityTimeoutError) as error:
            return type(error).__name__


async def scheduled(handle: WorkflowHandle[Any, Any], tool: str) -> list[Any]:
    """Return the idempotency key of each activity of the tool."""
    history = await handle.fetch_history()
    attributes = [event.activity_task_scheduled_event_attributes for event in history.events]
    headers = [each.header.fields[TOOL_HEADER] for each in attributes if each.activity_type.name == tool]
    return [PayloadConverter.default.from_payload(header)[0] for header in headers]


@pytest.mark.parametrize(
    ("tool", "lost", "chosen", "result", "attempts", "activities"),
    [
        ("fetch", 3, False, "attempt 4", 4, 2),
        ("fetch", 1, True, "Error: TimeoutError - activity Heartbeat timeout", 1, 1),  # someone chose that
        ("fail", 0, False, "Error: no such thing", 3, 1),
    ],
)
async def test_a_call_that_lost_its_workers_is_made_once_more(
    agents: Agents,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    lost: int,
    chosen: bool,
    result: str,
    attempts: int,
    activities: int,
) -> None:
    async def silent(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(HeartbeatsInterceptor, "_beat", silent)
    keys.clear()
    model = ScriptedModel(use_tool(tool, {"lost": lost}), say("done"))
    async with agents(workflows=[Fetches], activities=[fetch, fail], models={"m": lambda: model}) as env:
        assert await env.run(Fetches.run, tool, chosen) == result
        ids = await scheduled(env.handles[0], tool)
    assert (len(keys), len(ids), len(set(ids))) == (attempts, activities, 1)


@pytest.mark.parametrize(
    ("command", "rerun", "result", "attempts"),
    [
        ("echo there", True, "there\n", 4),
        ("echo there", False, "SandboxInterruptedError", 1),  # it may have run in part
        ("", False, "[]", 4),
    ],
)
async def test_an_operation_of_a_sandbox_that_lost_its_workers_is_made_once_more(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, command: str, rerun: bool, result: str, attempts: int
) -> None:
    def silent(*_: Any) -> None:
        pass

    monkeypatch.setattr(activity, "heartbeat", silent)
    keys.clear()
    async with agents(workflows=[Commands], plugins=[StrandsPlugin(sandboxes={"box": Lossy})]) as env:
        assert await env.run(Commands.run, command, rerun) == result
    assert len(keys) == attempts


async def test_a_command_that_its_last_attempt_has_started_is_not_run_again(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any) -> None:
        pass

    start = Attempt.start

    async def start_at_last(attempt: Attempt, output: Any) -> None:
        if activity.info().attempt < 3:
            await asyncio.Event().wait()
        await start(attempt, output)

    monkeypatch.setattr(activity, "heartbeat", silent)
    monkeypatch.setattr(Attempt, "start", start_at_last)
    keys.clear()
    async with agents(workflows=[Commands], plugins=[StrandsPlugin(sandboxes={"box": Lossy})]) as env:
        assert await env.run(Commands.run, "echo there", False) == "TimeoutError"
    assert keys == ["echo there"]


def test_the_heartbeat_of_a_command_tells_whether_it_has_started() -> None:
    assert has_started([{"started": True, "stdout": "a"}])
    assert not any(map(has_started, ([], [{"started": False}], [None], ["started"])))
