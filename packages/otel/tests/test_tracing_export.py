"""The environment decides what is recorded and where it is exported to."""

import threading
import time
import uuid

import pytest
from conftest import Agents
from packages.otel.tests.otlp_receiver import Receiver
from packages.otel.tests.traced_workflows import (
    PlainWorkflow,
    ToolWorkflow,
    WeatherWorkflow,
    fetch_sky,
    traceparent,
)
from packages.otel.tests.tracing_support import ask, plugins, threads_are_gone
from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Replayer, Worker

from strands_temporal.testing import say
from strands_temporal_otel import OTelPlugin

pytestmark = pytest.mark.server


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


async def test_two_workers_of_one_process_export_until_the_last_ends(
    agents: Agents, receiver: Receiver
) -> None:
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(say("1"))) as env:
        async with agents(
            workflows=[PlainWorkflow], activities=[traceparent], plugins=plugins(say("1"))
        ) as other:
            await other.run(PlainWorkflow.run)
        assert receiver.spans == []  # the exporter is still open, so nothing was flushed
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
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")  # the protocol matters only if something is exported
    monkeypatch.setenv(name, value)
    Replayer(workflows=[PlainWorkflow], plugins=[OTelPlugin()])  # exports nothing
    with pytest.raises(ValueError, match=f"{value}.* is not supported. Known: 'otlp'"):
        Worker(client, task_queue=str(uuid.uuid4()), workflows=[PlainWorkflow], plugins=[OTelPlugin()])
