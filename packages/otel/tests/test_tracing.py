"""One trace, read back from a real OTLP receiver."""

import asyncio
import gc
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from mcp import StdioServerParameters, stdio_client
from opentelemetry import trace
from packages.otel.tests.otlp_receiver import Receiver, otlp_receiver
from packages.otel.tests.traced_workflows import (
    BrokenWorkflow,
    HookWorkflow,
    PlainWorkflow,
    ToolWorkflow,
    WeatherWorkflow,
    fetch_sky,
    traceparent,
)
from strands.tools.mcp import MCPClient
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider, TracingInterceptor
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays, fail, say, use_tool
from strands_temporal_otel import OTelPlugin

pytestmark = pytest.mark.server

CYCLE = """execute_event_loop_cycle
  chat
    StartActivity:invoke_model
      RunActivity:invoke_model
        chat scripted
"""
TREE = f"""ask
StartWorkflow:WeatherWorkflow
RunWorkflow:WeatherWorkflow
invoke_agent Strands Agents
{CYCLE}  execute_tool letter_counter
{CYCLE}  execute_tool fetch_sky
    StartActivity:fetch_sky
      RunActivity:fetch_sky
{CYCLE}  execute_tool Weather
"""


def tree_of(text: str) -> list[str]:
    """Return the lines of `text`, the first ones each below the one before, all others below those."""
    lines = text.splitlines()
    heads = next(i for i, line in enumerate(lines) if line == "execute_event_loop_cycle")
    return ["  " * min(i, heads) + line for i, line in enumerate(lines)]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with otlp_receiver() as receiver:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver
        provider = trace.get_tracer_provider()
        if isinstance(provider, ReplaySafeTracerProvider):
            provider.shutdown()  # a span that ended late may have opened it again, for this receiver


def echo(call: ScriptedCall) -> Reply:
    return say(call.text)


def weather_model() -> ScriptedModel:
    return ScriptedModel(
        use_tool("letter_counter", {"word": "SECRET", "letter": "E"}),
        use_tool("fetch_sky", {"city": "SECRET"}),
        lambda call: use_tool("Weather", {"city": "Rome", "sky": call.text}),
    )


def plugins(*script: Any) -> list[Any]:
    model = ScriptedModel(*script) if script else weather_model()
    return [OTelPlugin(), StrandsPlugin(models={"scripted": lambda: model})]


async def ask(client: Client, task_queue: str) -> Any:
    """Run the agent from a span of the caller's, as a user's service does."""
    with trace.get_tracer("users").start_as_current_span("ask"):
        handle = await client.start_workflow(
            WeatherWorkflow.run, "SECRET question", id=f"otel-{uuid.uuid4()}", task_queue=task_queue
        )
        return handle, await handle.result()


async def threads_are_gone(before: set[threading.Thread]) -> bool:
    """Wait until no exporter's thread that is not in `before` lives."""
    for _ in range(500):
        left = {t for t in threading.enumerate() if t.name.lower().startswith("otel")} - before
        if not left:
            return True
        await asyncio.sleep(0.01)
    return False


PLACES: list[Callable[[Any, Any], tuple[list[Any], list[Any]]]] = [
    lambda otel, strands: ([otel, strands], []),
    lambda otel, strands: ([strands, otel], []),
    lambda otel, strands: ([otel], [strands]),
    lambda otel, strands: ([strands], [otel]),
    lambda otel, strands: ([], [otel, strands]),
    lambda otel, strands: ([], [strands, otel]),
    lambda otel, strands: ([otel, strands], [strands, otel]),
]
PLACE_NAMES = [
    "client",
    "client, turned",
    "otel | strands",
    "strands | otel",
    "worker",
    "worker, turned",
    "both",
]


@pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "uncached"])
@pytest.mark.parametrize("place", PLACES, ids=PLACE_NAMES)
async def test_one_trace_from_client_to_provider(
    client: Client, receiver: Receiver, worker_options: dict[str, Any], place: Any, cached: int
) -> None:
    threads = set(threading.enumerate())
    on_client, on_worker = place(*plugins())
    connected = Client(client.service_client, plugins=on_client)
    options: dict[str, Any] = {**worker_options, "max_cached_workflows": cached}
    worker = Worker(
        connected,
        task_queue=f"otel-{uuid.uuid4()}",
        workflows=[WeatherWorkflow],
        activities=[fetch_sky],
        plugins=on_worker,
        **options,
    )
    async with worker:
        handle, sky = await ask(connected, worker.task_queue)
    expected = tree_of(TREE)
    if not any(isinstance(plugin, OTelPlugin) for plugin in on_client):
        # A client without the plugin sends no context: two traces, the caller's and the workflow's.
        expected = ["ask", *tree_of(TREE.partition("StartWorkflow:WeatherWorkflow\n")[2])]
        assert sorted(receiver.tree()) == sorted(expected)
        assert len({span.trace_id for span in receiver.spans}) == 2
    else:
        assert receiver.tree() == expected
        assert len({span.trace_id for span in receiver.spans}) == 1
    assert receiver.twice() == []
    run_activity = receiver.one("RunActivity:fetch_sky")
    assert sky == f"clear in SECRET; tenant blue; 00-{run_activity.trace_id}-{run_activity.span_id}-01"
    assert "SECRET" not in repr(receiver.spans)
    assert receiver.counts()["gen_ai.client.operation.duration"] == 3
    assert receiver.counts()["strands.event_loop.cycle_count"] == 3
    assert receiver.counts()["strands.tool.call_count"] == 3
    assert await threads_are_gone(threads)

    receiver.clear()
    await assert_replays(handle, [WeatherWorkflow], plugins=[*on_client, *on_worker])
    assert receiver.spans == []
    assert receiver.exports == []
    assert await threads_are_gone(threads)


async def test_a_replay_counts_nothing(agents: Agents, receiver: Receiver) -> None:
    async with agents(workflows=[WeatherWorkflow], activities=[fetch_sky], plugins=plugins()) as env:
        handle, _ = await ask(env.client, env.task_queue)
        for _ in range(3):
            await env.assert_replays(handle)
    assert len(receiver.spans) == len(tree_of(TREE))
    assert receiver.counts() == {
        "gen_ai.client.operation.duration": 3,
        "gen_ai.client.operation.time_to_first_chunk": 3,
        "gen_ai.client.token.usage": 6,
        "strands.event_loop.cycle_count": 3,
        "strands.event_loop.cycle_duration": 3,
        "strands.event_loop.end_cycle": 3,
        "strands.event_loop.input.tokens": 3,
        "strands.event_loop.latency": 3,
        "strands.event_loop.output.tokens": 3,
        "strands.event_loop.start_cycle": 3,
        "strands.model.time_to_first_token": 3,
        "strands.tool.call_count": 3,
        "strands.tool.duration": 3,
        "strands.tool.success_count": 3,
    }
    tokens = {
        m.attributes["gen_ai.token.type"]: m.total for m in receiver.metrics("gen_ai.client.token.usage")
    }
    assert tokens == {"input": 60, "output": 30}


async def test_the_plugin_may_come_and_go_between_runs(agents: Agents, receiver: Receiver) -> None:
    with_plugin = plugins()
    without = [StrandsPlugin(models={"scripted": weather_model})]
    for running, replaying in ((with_plugin, without), (without, with_plugin)):
        async with agents(workflows=[WeatherWorkflow], activities=[fetch_sky], plugins=running) as env:
            handle, _ = await ask(env.client, env.task_queue)
        await assert_replays(handle, [WeatherWorkflow], plugins=replaying)


async def test_a_retried_model_call_is_one_span_per_attempt(agents: Agents, receiver: Receiver) -> None:
    script = (fail(ConnectionError("cut"), after=say("half an")), say("answer"))
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(*script)) as env:
        assert await env.run(ToolWorkflow.run, "go") == "answer"
    assert receiver.twice() == []
    assert [line.strip() for line in receiver.tree()] == [
        "StartWorkflow:ToolWorkflow",
        "RunWorkflow:ToolWorkflow",
        "invoke_agent Strands Agents",
        "execute_event_loop_cycle",
        "chat",
        "StartActivity:invoke_model",
        *["RunActivity:invoke_model", "chat scripted"] * 2,
    ]
    failed, succeeded = sorted(receiver.named("chat scripted"), key=lambda span: span.start)
    assert [
        failed.attributes["temporalActivityAttempt"],
        succeeded.attributes["temporalActivityAttempt"],
    ] == [1, 2]
    assert (failed.attributes["error.type"], failed.status) == ("ConnectionError", 2)
    assert "gen_ai.usage.input_tokens" not in failed.attributes
    assert ("error.type" in succeeded.attributes, succeeded.status) == (False, 0)
    durations = receiver.metrics("gen_ai.client.operation.duration")
    assert sorted(str(m.attributes.get("error.type")) for m in durations) == ["ConnectionError", "None"]
    assert receiver.counts()["gen_ai.client.token.usage"] == 2


async def test_a_failed_tool_has_its_span(agents: Agents, receiver: Receiver) -> None:
    script = (use_tool("broken", {"word": "x"}), echo)
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(*script)) as env:
        assert "cannot count x" in await env.run(ToolWorkflow.run, "go")
    tool = receiver.one("execute_tool broken")
    assert tool.status == 2
    assert [name for name, _ in tool.events] == ["exception"]


async def test_a_failed_agent_has_its_spans(agents: Agents, receiver: Receiver) -> None:
    async with agents(
        workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(*[fail(KeyError("x"))] * 3)
    ) as env:
        with pytest.raises(WorkflowFailureError):
            await env.run(ToolWorkflow.run, "go")
    for name in (
        "RunWorkflow:ToolWorkflow",
        "invoke_agent Strands Agents",
        "execute_event_loop_cycle",
        "chat",
    ):
        assert receiver.one(name).status == 2, name


@pytest.mark.parametrize("turned", [False, True])
async def test_what_ends_a_workflow_ends_its_spans(
    client: Client, receiver: Receiver, worker_options: dict[str, Any], turned: bool
) -> None:
    both = plugins(say("never"))
    queue = f"otel-{uuid.uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[HookWorkflow],
        plugins=both[::-1] if turned else both,
        **worker_options,
    ):
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow(HookWorkflow.run, "go", id=queue, task_queue=queue)
    assert receiver.one("invoke_agent Strands Agents").status == 2
    assert receiver.one("RunWorkflow:HookWorkflow").status == 2


async def test_a_workflow_task_that_is_tried_again_exports_nothing_twice(
    agents: Agents, receiver: Receiver
) -> None:
    async with agents(
        workflows=[BrokenWorkflow],
        plugins=plugins(echo),
        workflow_runner=UnsandboxedWorkflowRunner(),
    ) as env:
        handle = await env.start(BrokenWorkflow.run, "go")
        assert await handle.result() == "go"
        history = await handle.fetch_history()
    assert any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
    assert receiver.twice() == []
    assert len(receiver.named("invoke_agent Strands Agents")) == 1
    assert receiver.one("RunWorkflow:BrokenWorkflow").status != 2, "the task failed, the workflow did not"


@pytest.mark.parametrize("where", ["in a model call", "in a tool"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see docs/workers.md
async def test_a_worker_that_ends_in_the_middle(receiver: Receiver, agents: Agents, where: str) -> None:
    called = asyncio.Event()

    async def wait_for_ever() -> None:
        called.set()
        await asyncio.Event().wait()

    @activity.defn(name="fetch_sky")
    async def fetch_no_sky(city: str) -> str:
        await wait_for_ever()
        return city

    count, look = (
        use_tool("letter_counter", {"word": "x", "letter": "x"}),
        use_tool("fetch_sky", {"city": "x"}),
    )
    script = [count, look.when(wait_for_ever)] if where == "in a model call" else [count, look]
    queue = f"otel-{uuid.uuid4()}"
    async with agents(
        workflows=[ToolWorkflow],
        activities=[fetch_no_sky],
        plugins=plugins(*script),
        task_queue=queue,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    ) as env:
        handle = await env.start(ToolWorkflow.run, "go")
        await asyncio.wait_for(called.wait(), 10)
    del env
    gc.collect()  # finalizes what the workflow left of Strands' generators, in no workflow
    sent = {span.name for span in receiver.spans}
    assert "execute_tool letter_counter" in sent
    assert "invoke_agent Strands Agents" not in sent, "it goes on elsewhere"
    second = plugins(*([look, say("answer")] if where == "in a model call" else [say("answer")]))
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=second, task_queue=queue):
        assert await asyncio.wait_for(handle.result(), 30) == "answer"
    await assert_replays(handle, [ToolWorkflow], plugins=second)
    assert receiver.twice() == []
    assert "?" not in receiver.tree()
    assert len({span.trace_id for span in receiver.spans}) == 1
    for name in ("RunWorkflow:ToolWorkflow", "invoke_agent Strands Agents", "execute_tool letter_counter"):
        assert receiver.one(name).status != 2, name
    cancelled = [s.name for s in receiver.spans if "CancelledError" in s.attributes.get("error.type", "")]
    assert cancelled == (["chat scripted"] if where == "in a model call" else [])
    assert len(receiver.named("RunActivity:fetch_sky")) == (1 if where == "in a model call" else 2)
    # Each export holds what its worker counted.
    calls = [m.total for export in receiver.exports for m in export if m.name == "strands.tool.call_count"]
    errors = [m for export in receiver.exports for m in export if m.name == "strands.tool.error_count"]
    assert (sum(calls), errors) == (2, [])


async def test_content_is_recorded_on_request(
    agents: Agents, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    async with agents(workflows=[WeatherWorkflow], activities=[fetch_sky], plugins=plugins()) as env:
        await ask(env.client, env.task_queue)
    said = [
        attributes for name, attributes in receiver.named("chat")[0].events if name == "gen_ai.user.message"
    ]
    assert "SECRET question" in said[0]["content"]
    assert "SECRET instructions" in repr(receiver.spans)


async def test_the_newest_names_on_request(
    agents: Agents, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(say("1"))) as env:
        await env.run(ToolWorkflow.run, "go")
    old = receiver.one("chat scripted").attributes
    assert old == {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "ScriptedModel",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.finish_reasons": ["end_turn"],
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "temporalActivityAttempt": 1,
    }
    receiver.clear()
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental")
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(say("1"))) as env:
        await env.run(ToolWorkflow.run, "go")
    new = receiver.one("chat scripted").attributes
    assert new.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert new.pop("gen_ai.provider.name") == old.pop("gen_ai.system")
    assert new == old
    points = receiver.metrics("gen_ai.client.token.usage")
    assert any("gen_ai.provider.name" in point.attributes for point in points)


async def test_alone_with_a_plain_workflow(client: Client, receiver: Receiver, worker_options: Any) -> None:
    threads = set(threading.enumerate())
    connected = Client(client.service_client, plugins=[OTelPlugin()])
    queue = f"otel-{uuid.uuid4()}"
    async with Worker(
        connected, task_queue=queue, workflows=[PlainWorkflow], activities=[traceparent], **worker_options
    ):
        parent = await connected.execute_workflow(PlainWorkflow.run, id=queue, task_queue=queue)
    assert [line.strip() for line in receiver.tree()] == [
        "StartWorkflow:PlainWorkflow",
        "RunWorkflow:PlainWorkflow",
        "StartActivity:traceparent",
        "RunActivity:traceparent",
    ]
    run_activity = receiver.one("RunActivity:traceparent")
    assert parent == f"00-{run_activity.trace_id}-{run_activity.span_id}-01"
    assert await threads_are_gone(threads)


async def test_an_mcp_server_joins_the_trace(
    client: Client, receiver: Receiver, worker_options: dict[str, Any]
) -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=[str(Path(__file__).with_name("meta_server.py"))]
    )

    transport: Any = partial(stdio_client, parameters)  # typed for each line of mcp alone

    @activity.defn(name="traceparent")
    def ask_server() -> str:
        with MCPClient(transport) as server:
            return str(server.call_tool_sync("1", "traceparent", {})["content"][0].get("text"))

    queue = f"otel-{uuid.uuid4()}"
    connected = Client(client.service_client, plugins=[OTelPlugin()])
    with ThreadPoolExecutor(1) as executor:
        async with Worker(
            connected,
            task_queue=queue,
            workflows=[PlainWorkflow],
            activities=[ask_server],
            activity_executor=executor,
            **worker_options,
        ):
            seen = await connected.execute_workflow(PlainWorkflow.run, id=queue, task_queue=queue)
    _, trace_id, parent, _ = seen.split("-")
    callers = {span.span_id: span for span in receiver.spans if span.trace_id == trace_id}
    run_activity = receiver.one("RunActivity:traceparent")
    assert parent in callers
    assert run_activity.span_id in {parent, callers[parent].parent_id}  # mcp 2 has a span of its own between


async def test_without_temporals_spans_the_agents_are_one_trace(agents: Agents, receiver: Receiver) -> None:
    both = [OTelPlugin(add_temporal_spans=False), StrandsPlugin(models={"scripted": weather_model})]
    async with agents(workflows=[WeatherWorkflow], activities=[fetch_sky], plugins=both) as env:
        await ask(env.client, env.task_queue)
    assert len({span.trace_id for span in receiver.spans}) == 1
    assert receiver.tree()[:6] == [
        "ask",
        "  invoke_agent Strands Agents",
        "    execute_event_loop_cycle",
        "      chat",
        "        chat scripted",
        "      execute_tool letter_counter",
    ]


async def test_two_workers_of_one_process_export_until_the_last_ends(
    agents: Agents, receiver: Receiver
) -> None:
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(say("1"))) as env:
        async with agents(
            workflows=[PlainWorkflow], activities=[traceparent], plugins=plugins(say("1"))
        ) as other:
            await other.run(PlainWorkflow.run)
        assert receiver.spans == []  # nothing was closed, so nothing was hurried
        await env.run(ToolWorkflow.run, "go")
    assert receiver.one("RunWorkflow:PlainWorkflow")
    assert receiver.one("RunWorkflow:ToolWorkflow")


async def test_a_collector_that_is_not_there_costs_seconds_not_the_agent(
    agents: Agents, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set(threading.enumerate())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(say("1"))) as env:
        assert await env.run(ToolWorkflow.run, "go") == "1"
        ending = time.monotonic()
    assert time.monotonic() - ending < 8
    assert await threads_are_gone(threads)


async def test_nothing_is_sent_where_the_environment_says_none(
    agents: Agents, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(say("1"))) as env:
        assert await env.run(ToolWorkflow.run, "go") == "1"
    assert (receiver.spans, receiver.exports) == ([], [])


async def test_the_older_interceptor_is_refused(client: Client) -> None:
    connected = Client(client.service_client, interceptors=[TracingInterceptor()])
    with pytest.raises(ValueError, match="TracingInterceptor is registered too"):
        Worker(connected, task_queue=str(uuid.uuid4()), workflows=[PlainWorkflow], plugins=[OTelPlugin()])


@pytest.mark.parametrize(
    "variable",
    ["OTEL_TRACES_EXPORTER=zipkin", "OTEL_METRICS_EXPORTER=console", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"],
)
async def test_what_cannot_be_exported_is_refused(
    client: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    Replayer(workflows=[PlainWorkflow], plugins=[OTelPlugin()])  # exports nothing
    worker = Worker(client, task_queue=str(uuid.uuid4()), workflows=[PlainWorkflow], plugins=[OTelPlugin()])
    with pytest.raises(ValueError, match=f"{value}.* is not supported. Known: 'otlp'"):
        await worker.run()
