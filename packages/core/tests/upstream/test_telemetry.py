"""With a provider that knows no replays, Strands' spans and counts are those of a plain agent."""

import asyncio
import json
import sys
import uuid
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from opentelemetry import baggage, metrics, trace
from opentelemetry import context as contexts
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from packages.core.tests.upstream import traced_scenes
from packages.core.tests.upstream.own_tracer import OwnTracer
from packages.core.tests.upstream.traced_scenes import (
    QUESTIONS,
    Failing,
    Traced,
    answer,
    build,
    take_a_look,
    team,
)
from strands import Agent, tool
from strands.telemetry import MetricsClient, get_tracer
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import AgentEnvironment, DevServer, ScriptedModel

pytestmark = pytest.mark.server

SCOPE = "strands.telemetry.tracer"
NOT_ALWAYS = {"gen_ai.server.time_to_first_token", "gen_ai.server.request.duration", "gen_ai.request.model"}
"""Attributes left out where they would be 0 ms, and in a workflow before the model's first answer."""


@pytest.fixture
def provider() -> TracerProvider:
    """A provider that knows no replays."""
    return TracerProvider()


@pytest.fixture
def exported(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What a plain tracer provider exports of Strands' spans."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(get_tracer(), "tracer", provider.get_tracer(SCOPE))
    return exporter


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Generator[InMemoryMetricReader]:
    """What a plain meter provider counts for Strands."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr(MetricsClient, "_instance", None)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: provider)
    MetricsClient()
    yield reader
    provider.shutdown()


def models() -> dict[str, Any]:
    return {"m": lambda: ScriptedModel(answer)}


async def plain() -> None:
    """Ask a plain agent the same."""

    def make(_: str, **options: Any) -> Agent:
        return Agent(ScriptedModel(answer), callback_handler=None, **options)

    agent = build(make, tool(take_a_look))
    for question in QUESTIONS:
        await agent.invoke_async(question)
    await team(make).invoke_async("And you?")


@pytest.fixture(autouse=True)
def lets_go() -> None:
    traced_scenes.begun.clear()
    traced_scenes.let_go.set()


async def ask_all(env: AgentEnvironment, run: Any = Traced.run) -> Any:
    """Ask the agent of a workflow, with a query after each answer; return the handle of the ended run."""
    handle = await env.start(run)
    for number in range(len(QUESTIONS)):
        await handle.signal(Traced.ask)
        await until_said(handle, number + 1)
    await handle.result()
    return handle


async def until_said(handle: Any, answers: int) -> None:
    async def said() -> int:
        try:
            return await handle.query(Traced.said)
        except WorkflowQueryFailedError:  # it met a workflow task that fails on purpose
            return -1

    async def wait() -> None:
        while await said() < answers:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.05)

    await asyncio.wait_for(wait(), 20)


def paths(spans: Sequence[ReadableSpan]) -> Counter[str]:
    """Return the spans as paths of names from their roots. A parent that was not exported is a `?`."""
    by_id = {span.context.span_id: span for span in spans if span.context}

    def path(span: ReadableSpan) -> str:
        if span.parent is None:
            return span.name
        parent = by_id.get(span.parent.span_id)
        return f"{path(parent) if parent else '?'} > {span.name}"

    return Counter(map(path, spans))


def contents(spans: Sequence[ReadableSpan]) -> Counter[Any]:
    """Return what else of the spans must agree: kind, status, names of attributes and events, links."""
    return Counter(
        (
            span.name,
            span.kind,
            span.status.status_code,
            tuple(sorted((span.attributes or {}).keys() - NOT_ALWAYS)),
            tuple(event.name for event in span.events),
        )
        for span in spans
    )


def values(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Return how often each instrument was used."""
    data = reader.get_metrics_data()
    found: dict[str, Any] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points: Any = metric.data.data_points
                if metric.name != "strands.model.time_to_first_token":  # left out where it is 0 ms
                    found[metric.name] = sum(
                        getattr(p, "count", None) or getattr(p, "value", 0) for p in points
                    )
    return found


@pytest.mark.sample(1)
@pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "no cache"])
async def test_spans_are_exported_once_and_are_those_of_a_plain_agent(
    agents: Agents, exported: InMemorySpanExporter, counted: InMemoryMetricReader, cached: int
) -> None:
    await plain()
    expected, expected_contents = (
        paths(exported.get_finished_spans()),
        contents(exported.get_finished_spans()),
    )
    expected_values = values(counted)
    assert expected["invoke_agent host"] == len(QUESTIONS)
    exported.clear()
    async with agents(
        workflows=[Traced], models=models(), activities=[take_a_look], max_cached_workflows=cached
    ) as env:
        handle = await ask_all(env)
        spans = exported.get_finished_spans()
        for _ in range(2):
            await env.assert_replays(handle)
        assert await handle.query(Traced.said) == len(QUESTIONS)
    assert paths(spans) == expected
    assert contents(spans) == expected_contents
    assert exported.get_finished_spans() == spans
    named = [span for span in spans if (span.attributes or {}).get("gen_ai.request.model") == "scripted"]
    assert Counter(span.name for span in named) == {"chat": 3, "invoke_agent host": 1}
    assert len({span.context.trace_id for span in spans if span.context}) == len(QUESTIONS) + 1
    assert values(counted) == {name: 2 * value for name, value in expected_values.items()}
    check_times(spans)


def check_times(spans: Sequence[ReadableSpan]) -> None:
    by_id = {span.context.span_id: span for span in spans if span.context}
    for span in spans:
        start, end = span.start_time or 0, span.end_time or 0
        assert 0 < start <= end
        for event in span.events:
            assert start <= event.timestamp <= end
        if span.parent:
            parent = by_id[span.parent.span_id]
            assert (parent.start_time or 0) <= start
            assert end <= (parent.end_time or 0)
        if span.name.startswith("invoke_agent"):
            assert 3e8 <= end - start <= 20e9  # the last answer takes 0.3 s


async def test_a_worker_exports_what_another_one_began(
    agents: Agents, exported: InMemorySpanExporter
) -> None:
    await plain()
    expected = paths(exported.get_finished_spans())
    exported.clear()
    options: dict[str, Any] = {
        "workflows": [Traced],
        "models": models(),
        "activities": [take_a_look],
        "task_queue": f"traced-{uuid.uuid4()}",
    }
    traced_scenes.begun.clear()
    traced_scenes.let_go.clear()
    async with agents(**options) as env:
        handle = await env.start(Traced.run)
        await handle.signal(Traced.ask)
        await asyncio.wait_for(traced_scenes.begun.wait(), 20)
    before = paths(exported.get_finished_spans())
    assert before["? > chat"] == 1  # its cycle goes on
    traced_scenes.let_go.set()
    async with agents(**options) as env:  # a new worker, which has only the history
        same = env.client.get_workflow_handle_for(Traced.run, handle.id)
        await same.signal(Traced.ask)
        await same.result()
        await env.assert_replays(same)
    spans = exported.get_finished_spans()
    assert paths(spans) == expected
    check_times(spans)


async def test_what_no_worker_has_done_yet_is_not_counted(
    agents: Agents, counted: InMemoryMetricReader
) -> None:
    options: dict[str, Any] = {
        "workflows": [Traced],
        "models": models(),
        "activities": [take_a_look],
        "task_queue": f"traced-{uuid.uuid4()}",
    }
    async with agents(**options) as env:
        handle = await env.start(Traced.run)
        await until_said(handle, 0)
    await handle.signal(Traced.ask)  # no worker is there: temporalio runs the new turn as a preview
    await env.assert_replays(handle)
    assert values(counted) == {}
    async with agents(**options) as env:
        await until_said(handle, 1)
    assert values(counted)["strands.event_loop.start_cycle"] == 2
    await handle.terminate()


async def test_a_workflow_task_that_is_tried_again_adds_nothing(
    agents: Agents,
    provider: TracerProvider,
    exported: InMemorySpanExporter,
    counted: InMemoryMetricReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await plain()
    expected, expected_values = paths(exported.get_finished_spans()), values(counted)
    exported.clear()
    # As if the application had set its provider after its first agent.
    monkeypatch.setattr(get_tracer(), "tracer", trace.ProxyTracer(SCOPE))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    traced_scenes.failed.clear()
    async with agents(workflows=[Failing], models=models(), activities=[take_a_look]) as env:
        handle = await ask_all(env, Failing.run)
        await env.assert_replays(handle)
    assert len(traced_scenes.failed) == 2
    assert paths(exported.get_finished_spans()) == expected
    assert values(counted) == {name: 2 * value for name, value in expected_values.items()}


@pytest.mark.sample(1)
@pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "no cache"])
async def test_a_provider_that_is_not_the_sdks(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    tracer = OwnTracer()
    monkeypatch.setattr(get_tracer(), "tracer", tracer)
    await plain()
    expected, expected_contents = paths(tracer.ended), contents(tracer.ended)
    tracer.ended.clear()
    tracer.started = 0
    async with agents(
        workflows=[Traced], models=models(), activities=[take_a_look], max_cached_workflows=cached
    ) as env:
        handle = await ask_all(env)
        await env.assert_replays(handle)
    assert paths(tracer.ended) == expected
    assert contents(tracer.ended) == expected_contents
    assert tracer.started == len(tracer.ended)  # none is left open
    check_times(tracer.ended)


class Counting(SpanProcessor):
    """Counts what it is told, and stamps the caller's baggage, as Strands' baggage processor does."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ended: list[int] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        span.set_attribute("stamped", str(baggage.get_baggage("tenant", parent_context)))
        self.started.append(span.context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        assert span.context
        self.ended.append(span.context.span_id)


async def test_with_temporalios_interceptor_all_is_one_trace(
    client: Client, worker_options: dict[str, Any], provider: TracerProvider, exported: InMemorySpanExporter
) -> None:
    counting = Counting()
    provider.add_span_processor(counting)
    connected = Client(
        client.service_client,
        interceptors=[TracingInterceptor(provider.get_tracer("temporalio"))],
        plugins=[StrandsPlugin(models=models())],
    )
    queue = f"traced-{uuid.uuid4()}"
    async with Worker(
        connected, task_queue=queue, workflows=[Traced], activities=[take_a_look], **worker_options
    ):
        token = contexts.attach(baggage.set_baggage("tenant", "blue"))
        handle = await connected.start_workflow(Traced.run, id=queue, task_queue=queue)
        contexts.detach(token)
        for _ in QUESTIONS:
            await handle.signal(Traced.ask)
        await handle.result()
    spans = exported.get_finished_spans()
    seen = paths(spans)
    workflow_path = "StartWorkflow:Traced"
    assert seen[f"{workflow_path} > invoke_agent host"] == len(QUESTIONS)
    chat = f"{workflow_path} > invoke_agent host > execute_event_loop_cycle > chat"
    assert seen[chat] == 4
    assert seen[f"{chat} > StartActivity:invoke_model > RunActivity:invoke_model"] == 4
    assert not [path for path in seen if path.startswith("?")]
    assert Counter(counting.started) == Counter(counting.ended)
    stamped = {str((span.attributes or {})["stamped"]) for span in spans if "invoke_agent" in span.name}
    assert stamped == {"blue"}


@pytest.mark.slow
async def test_users_setup_in_processes_of_which_one_is_killed(server: DevServer, tmp_path: Path) -> None:
    """With `StrandsTelemetry`, in two processes. The first is killed inside an invocation."""
    spans, queue = tmp_path / "spans.json", f"traced-{uuid.uuid4()}"
    for part in ("first", "second"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "packages.core.tests.upstream.traced_process"),
            *(server.address, queue, str(spans), part),
            cwd=Path(__file__).parents[4],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout
            if part == "first":
                line = await asyncio.wait_for(process.stdout.readline(), 30)
                assert line == b"looking\n"
                process.kill()
            out, err = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0, err.decode()[-2000:]
    seen = [json.loads(line) for line in spans.read_text().splitlines()]
    names = {span["context"]["span_id"]: span["name"] for span in seen}
    assert len(names) == len(seen)
    tree = Counter((names.get(span["parent_id"], span["parent_id"]), span["name"]) for span in seen)
    assert tree == {
        (None, "invoke_agent host"): 2,
        ("invoke_agent host", "execute_event_loop_cycle"): 4,
        ("execute_event_loop_cycle", "chat"): 4 + 2,
        ("execute_event_loop_cycle", "execute_tool letter_counter"): 1,
        ("execute_event_loop_cycle", "execute_tool take_a_look"): 1,
        ("execute_event_loop_cycle", "execute_tool broken"): 1,
        ("execute_event_loop_cycle", "execute_tool expert"): 1,
        ("execute_tool expert", "invoke_agent expert"): 1,
        ("invoke_agent expert", "execute_event_loop_cycle"): 1,
        (None, "invoke_graph"): 1,
        ("invoke_graph", "invoke_agent alone"): 1,
        ("invoke_agent alone", "execute_event_loop_cycle"): 1,
    }
    # The first cycle of the host began in the process that was killed.
    assert json.loads(out)["strands.event_loop.cycle_count"] == 5
