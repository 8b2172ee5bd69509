"""What a cancellation means on the worker, and workers that end in the midst of everything."""

import asyncio
import contextlib
import json
import sys
import threading
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.models.openai import OpenAIModel
from strands.multiagent import GraphBuilder, Swarm
from strands.tools.executors import SequentialToolExecutor
from strands.types.streaming import StreamEvent
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from typing_extensions import override

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._workflow.activity_hook import activity_as_hook
from strands_temporal._workflow.activity_tool import activity_as_tool
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

pytestmark = pytest.mark.server

SOON = 45
TOLD_FAST: Any = {"heartbeat_timeout": timedelta(seconds=2)}


def agent(model: str = "model", **arguments: Any) -> TemporalAgent:
    return TemporalAgent(model, callback_handler=None, **TOLD_FAST, **arguments)


# --- A provider's connection is closed: no more tokens are paid for


@dataclass
class TokenServer:
    """Speaks OpenAI's streaming protocol: a token every 20 ms, for as long as somebody reads."""

    requests: int = 0
    tokens: int = 0
    first_token: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        gone = asyncio.create_task(self._gone(reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        try:
            while not gone.done():
                writer.write(_chunk({"role": "assistant", "content": "token "}))
                await writer.drain()
                self.tokens += 1
                self.first_token.set()
                await asyncio.wait([gone], timeout=0.02)
        except ConnectionError:
            pass
        finally:
            gone.cancel()
            self.closed.set()
            writer.close()

    async def _gone(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):  # the rest of the request, and then the end
                pass


def _chunk(delta: dict[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    frame = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "tokens",
        "choices": [choice],
    }
    return f"data: {json.dumps(frame)}\n\n".encode()


@asynccontextmanager
async def token_server() -> AsyncGenerator[tuple[TokenServer, Callable[[], OpenAIModel]]]:
    tokens = TokenServer()
    server = await asyncio.start_server(tokens.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def model() -> OpenAIModel:
        url = f"http://127.0.0.1:{port}/v1"
        return OpenAIModel(
            client_args={"base_url": url, "api_key": "none", "max_retries": 0}, model_id="tokens"
        )

    try:
        yield tokens, model
    finally:
        server.close()


@workflow.defn
class Chat:
    """One turn of an agent that a client may cancel."""

    def __init__(self) -> None:
        self.agent = agent()

    @workflow.run
    async def run(self) -> str:
        return (await self.agent.invoke_async("go")).stop_reason

    @workflow.signal
    def cancel(self) -> None:
        self.agent.cancel()


@pytest.mark.parametrize("how", ["workflow", "agent"])
async def test_the_providers_connection_is_closed(
    agents: Agents, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with token_server() as (tokens, model), agents(workflows=[Chat], models={"model": model}) as env:
        handle = await env.start(Chat.run)
        await asyncio.wait_for(tokens.first_token.wait(), SOON)
        if how == "workflow":
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await asyncio.wait_for(handle.result(), SOON)
            assert isinstance(failure.value.cause, CancelledError)
        else:
            await handle.signal(Chat.cancel)
            assert await asyncio.wait_for(handle.result(), SOON) == "cancelled"
        await asyncio.wait_for(tokens.closed.wait(), SOON)
        await env.assert_replays(handle)
        assert tokens.requests == 1
    assert tokens.tokens < SOON / 0.02 / 2


class InAThread(ScriptedModel):
    """A provider that works in a thread, as boto3 does: it can only be told by the cancel signal."""

    def __init__(self) -> None:
        super().__init__(say("too late"))
        self.started, self.stopped = threading.Event(), threading.Event()

    @override
    async def stream(
        self, *args: Any, cancel_signal: threading.Event | None = None, **kwargs: Any
    ) -> AsyncGenerator[StreamEvent, None]:
        assert cancel_signal is not None
        signal = cancel_signal

        def work() -> None:
            self.started.set()
            signal.wait()
            self.stopped.set()

        await asyncio.to_thread(work)
        async for event in super().stream(*args, **kwargs):
            yield event


async def test_a_provider_that_works_in_a_thread_is_told(agents: Agents) -> None:
    model = InAThread()
    async with agents(workflows=[Chat], models={"model": lambda: model}) as env:
        handle = await env.start(Chat.run)
        assert await asyncio.to_thread(model.started.wait, SOON)
        await handle.signal(Chat.cancel)
        assert await asyncio.wait_for(handle.result(), SOON) == "cancelled"
        assert await asyncio.to_thread(model.stopped.wait, SOON)
        await env.assert_replays(handle)


# --- A worker that ends in the midst of it: another one goes on

in_flight: list[str] = []
"""What waits on this worker, by name; printed too, for the test that started it as a process."""

waits_here = False
"""Whether this process's worker is the one that ends: its models and activities never answer."""


async def arrived(name: str) -> None:
    if not waits_here:
        return
    in_flight.append(name)
    print(name, flush=True)  # noqa: T201  # what the test waits for
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


@tool
async def echo(text: str) -> str:
    """Echo."""
    return text


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
    """Runs a case; it may be cancelled as a workflow, or by its agent's cancel signal."""

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
    """Be the first worker, as a process."""
    global waits_here
    waits_here = True
    async with worker(await Client.connect(address), queue):
        await asyncio.Event().wait()


@asynccontextmanager
async def first_worker(
    how: str, server: DevServer, client: Client, queue: str, options: dict[str, Any]
) -> AsyncGenerator[Callable[[set[str]], Any]]:
    """Run a worker that never answers, and end it; yield what waits until all of some names wait on it."""
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
    while not names <= set(in_flight):  # noqa: ASYNC110  # what arrives comes from activities of this loop
        await asyncio.sleep(0.02)


THREE_MINUTES = timedelta(minutes=3)


@pytest.mark.parametrize("then", ["nothing", "workflow cancelled", "agent cancelled"])
@pytest.mark.parametrize("how", ["shutdown", "kill"])
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
