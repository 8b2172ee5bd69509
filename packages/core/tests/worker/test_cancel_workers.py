"""Workers that end in the middle of a call: another worker goes on."""

import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.workflow.cancel_scenes import TOLD_FAST, agent, echo
from strands import tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.multiagent import GraphBuilder, Swarm
from strands.tools.executors import SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from strands_temporal import StrandsPlugin
from strands_temporal.activity import heartbeating
from strands_temporal.testing import (
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    assert_replays,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_hook, activity_as_tool

pytestmark = pytest.mark.server

in_flight: list[str] = []
"""Names of what waits on this worker. They are also printed, for the test that started the process."""

waits_here = False
"""Whether this process's worker is the one that ends: its models and activities never answer."""


async def arrived(name: str) -> None:
    if not waits_here:
        return
    in_flight.append(name)
    print(name, flush=True)  # noqa: T201  # the test waits for this line
    await asyncio.Event().wait()


@activity.defn
async def slow(name: str) -> str:
    """Take long on the first worker.

    Args:
        name: Who runs.
    """
    with heartbeating():
        await arrived(name)
    return f"{name} done"


@activity.defn
async def check(name: str) -> None:
    with heartbeating():
        await arrived(name)


@tool
async def sleeper() -> str:
    """Sleep, in the workflow, until the first worker has ended."""
    await asyncio.sleep(5)
    return "slept"


class Guard(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        guard: Any = activity_as_hook(check, activity_input=lambda event: "hook", **TOLD_FAST)
        registry.add_callback(BeforeToolCallEvent, guard)


def graph() -> Any:
    builder = GraphBuilder()
    builder.add_node(agent("of the graph", name="one"), "one")
    builder.set_max_node_executions(5)
    return builder.build()


SLOW_TOOL: Any = lambda: activity_as_tool(slow, **TOLD_FAST)  # noqa: E731

BUILD: dict[str, Callable[[], Any]] = {
    "model": lambda: agent("waits"),
    "tool": lambda: agent("one tool", tools=[SLOW_TOOL()]),
    "sequential": lambda: agent("two tools", tools=[SLOW_TOOL()], tool_executor=SequentialToolExecutor()),
    "parallel": lambda: agent("two tools", tools=[SLOW_TOOL()]),
    "hook": lambda: agent("echo", tools=[echo], hooks=[Guard()]),
    "timer": lambda: agent("sleeper", tools=[sleeper]),
    "sub-agent": lambda: agent("delegates", tools=[agent("of the sub-agent", name="helper").as_tool()]),
    "graph": graph,
    "swarm": lambda: Swarm([agent("of the swarm", name="one")]),
}

IN_FLIGHT = {
    "model": ["waits"],
    "tool": ["tool a"],
    "sequential": ["both a"],
    "parallel": ["both a", "both b"],
    "hook": ["hook"],
    "timer": [],
    "sub-agent": ["of the sub-agent"],
    "graph": ["of the graph"],
    "swarm": ["of the swarm"],
}


def models() -> dict[str, Callable[[], ScriptedModel]]:
    def waiting(name: str) -> Callable[[ScriptedCall], Reply]:
        return lambda call: say("answered").when(lambda: arrived(name))

    def asking(reply: Reply) -> Callable[[ScriptedCall], Reply]:
        return lambda call: reply if len(call.messages) == 1 else say(f"got {call.text}")

    both = use_tools([("slow", {"name": "both a"}, "a"), ("slow", {"name": "both b"}, "b")])
    scripts = {
        "one tool": asking(use_tool("slow", {"name": "tool a"})),
        "two tools": asking(both),
        "echo": asking(use_tool("echo", {"text": "x"})),
        "sleeper": asking(use_tool("sleeper", {})),
        "delegates": asking(use_tool("helper", {"input": "help"})),
        **{name: waiting(name) for name in ("waits", "of the sub-agent", "of the graph", "of the swarm")},
    }
    return {name: lambda script=script: ScriptedModel(script) for name, script in scripts.items()}


@workflow.defn
class Recovered:
    """Runs a case. The test may cancel the workflow, or its agent by the cancel signal."""

    def __init__(self) -> None:
        self.runs: Any = None

    @workflow.run
    async def run(self, case: str) -> str:
        self.runs = BUILD[case]()
        result = await self.runs.invoke_async("go")
        return str(getattr(result, "stop_reason", None) or result.status.value)

    @workflow.signal
    def cancel(self) -> None:
        self.runs.cancel()


def worker(client: Client, queue: str, **options: Any) -> Worker:
    restrictions = SandboxRestrictions.default.with_passthrough_modules("_pytest", "conftest", "pytest")
    options.setdefault("workflow_runner", SandboxedWorkflowRunner(restrictions=restrictions))
    options.setdefault("sticky_queue_schedule_to_start_timeout", timedelta(seconds=1))
    plugins = [StrandsPlugin(models=models())]
    return Worker(
        client, task_queue=queue, workflows=[Recovered], activities=[slow, check], plugins=plugins, **options
    )


async def run_until_killed(address: str, queue: str) -> None:
    """Run the first worker, as a process."""
    global waits_here
    waits_here = True
    async with worker(await Client.connect(address), queue):
        await asyncio.Event().wait()


@asynccontextmanager
async def first_worker(
    how: str, server: DevServer, client: Client, queue: str, options: dict[str, Any]
) -> AsyncGenerator[Callable[[set[str]], Any]]:
    """Run a worker that never answers, and end it. Yield a function that waits until calls hang on it."""
    if how == "kill":
        call = f"run_until_killed({server.address!r}, {queue!r})"
        code = f"import asyncio, {__name__} as module; asyncio.run(module.{call})"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
        )
        try:
            yield lambda names: _lines(process, names)
        finally:
            process.kill()
            await process.wait()
        return
    global waits_here
    waits_here = True
    in_flight.clear()
    try:
        async with worker(client, queue, **options):
            yield _seen
    finally:
        waits_here = False


async def _lines(process: asyncio.subprocess.Process, names: set[str]) -> None:
    assert process.stdout is not None
    missing = set(names)
    while missing:
        line = await process.stdout.readline()
        assert line, f"the worker ended without {missing}"
        missing.discard(line.decode().strip())


async def _seen(names: set[str]) -> None:
    while not names <= set(in_flight):  # noqa: ASYNC110  # activities of this loop change it
        await asyncio.sleep(0.02)


THREE_MINUTES = timedelta(minutes=3)


@pytest.mark.parametrize(
    ("how", "then"),
    [
        ("shutdown", "nothing"),
        ("shutdown", "workflow cancelled"),
        ("shutdown", "agent cancelled"),
        ("kill", "nothing"),
        pytest.param("kill", "workflow cancelled", marks=pytest.mark.slow),
        pytest.param("kill", "agent cancelled", marks=pytest.mark.slow),
    ],
)
async def test_another_worker_goes_on(
    server: DevServer, client: Client, worker_options: dict[str, Any], how: str, then: str
) -> None:
    queue = f"recovered-{uuid.uuid4()}"
    cases = [case for case in BUILD if then != "agent cancelled" or case not in ("graph", "swarm", "timer")]
    wanted = {name for case in cases for name in IN_FLIGHT[case]}
    async with first_worker(how, server, client, queue, worker_options) as all_wait:
        handles = {
            case: await client.start_workflow(
                *(Recovered.run, case),
                id=f"{queue}-{case}",
                task_queue=queue,
                execution_timeout=THREE_MINUTES,
            )
            for case in cases
        }
        await asyncio.wait_for(all_wait(wanted), 60)
    for handle in handles.values():  # while no worker runs
        if then == "workflow cancelled":
            await handle.cancel()
        elif then == "agent cancelled":
            await handle.signal(Recovered.cancel)
    async with worker(client, queue, **worker_options):
        for case, handle in handles.items():
            if then == "workflow cancelled":
                with pytest.raises(WorkflowFailureError):
                    await asyncio.wait_for(handle.result(), 60)
                assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
                continue
            result = await asyncio.wait_for(handle.result(), 60)
            if then == "agent cancelled":
                assert result == "cancelled", case
            else:
                assert result == ("completed" if case in ("graph", "swarm") else "end_turn"), case
    for handle in handles.values():
        await assert_replays(handle, [Recovered])
