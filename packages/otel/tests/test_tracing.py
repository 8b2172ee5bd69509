"""One trace, read back from a real OTLP receiver."""

import sys
import threading
import uuid
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from mcp import StdioServerParameters, stdio_client
from opentelemetry import metrics, trace
from packages.otel.tests.otlp_receiver import Receiver
from packages.otel.tests.traced_workflows import (
    PlainWorkflow,
    ToolWorkflow,
    WeatherWorkflow,
    fetch_sky,
    traceparent,
)
from packages.otel.tests.tracing_support import TREE, ask, plugins, threads_are_gone, tree_of, weather_model
from strands.tools.mcp import MCPClient
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, assert_replays, say
from strands_temporal_otel import OTelPlugin

pytestmark = pytest.mark.server


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


@pytest.mark.sample(7)
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
        # A client without the plugin sends no context: the caller and the workflow have separate traces.
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


class InstrumentedModel(ScriptedModel):
    """A model whose SDK has its own instrumentation: it records each call by the GenAI conventions."""

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        scope = "opentelemetry.instrumentation.provider"
        tokens = metrics.get_meter(scope).create_histogram("gen_ai.client.token.usage", "{token}")
        with trace.get_tracer(scope).start_as_current_span("chat scripted"):
            events = [event async for event in super().stream(*args, **kwargs)]
        for kind in ("input", "output"):
            tokens.record(1, {"gen_ai.token.type": kind})
        for event in events:
            yield event


@pytest.mark.parametrize("instrument_models", [True, False])
async def test_a_provider_with_an_instrumentation_of_its_own_is_left_to_it(
    agents: Agents, receiver: Receiver, instrument_models: bool
) -> None:
    model = InstrumentedModel(say("x"))
    given = [
        OTelPlugin(instrument_models=instrument_models),
        StrandsPlugin(models={"scripted": lambda: model}),
    ]
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=given) as env:
        assert await env.run(ToolWorkflow.run, "go") == "x"
    spans = [span for span in receiver.spans if span.name == "chat scripted"]
    recorded = 2 if instrument_models else 1
    assert len(spans) == recorded
    assert receiver.counts()["gen_ai.client.token.usage"] == 2 * recorded
    assert ("gen_ai.client.operation.duration" in receiver.counts()) is instrument_models
    run = receiver.one("RunActivity:invoke_model")
    assert run.span_id in {span.parent_id for span in spans}


async def test_the_plugin_may_come_and_go_between_runs(agents: Agents, receiver: Receiver) -> None:
    with_plugin = plugins()
    without = [StrandsPlugin(models={"scripted": weather_model})]
    for running, replaying in ((with_plugin, without), (without, with_plugin)):
        async with agents(workflows=[WeatherWorkflow], activities=[fetch_sky], plugins=running) as env:
            handle, _ = await ask(env.client, env.task_queue)
        await assert_replays(handle, [WeatherWorkflow], plugins=replaying)


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

    transport: Any = partial(stdio_client, parameters)  # each major version of mcp has its own type

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
    assert run_activity.span_id in {parent, callers[parent].parent_id}  # mcp 2 adds its own span in between


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
