"""A user's process. OpenTelemetry's providers can be set once per process, so each case needs its own.

Its arguments are the server's address and the case. `test_tracing_process.py` runs it.
"""

import asyncio
import logging
import sys
import uuid

import opentelemetry.metrics
import opentelemetry.trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from packages.otel.tests.traced_workflows import WeatherWorkflow, fetch_sky
from temporalio.client import Client
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, use_tool
from strands_temporal_otel import OTelPlugin


def model() -> ScriptedModel:
    """Ask for a plain tool, an activity tool and structured output."""
    return ScriptedModel(
        use_tool("letter_counter", {"word": "x", "letter": "x"}),
        use_tool("fetch_sky", {"city": "Rome"}),
        lambda call: use_tool("Weather", {"city": "Rome", "sky": call.text}),
    )


async def run(client: Client, plugins: list[StrandsPlugin | OTelPlugin]) -> None:
    """Run the agent once, inside a span that ends after the worker. Every workflow task is replayed."""
    queue = f"otel-{uuid.uuid4()}"
    with opentelemetry.trace.get_tracer("users").start_as_current_span("ask"):
        async with Worker(
            client,
            task_queue=queue,
            workflows=[WeatherWorkflow],
            activities=[fetch_sky],
            plugins=plugins,
            max_cached_workflows=0,
        ):
            sky = await client.execute_workflow(WeatherWorkflow.run, "go", id=queue, task_queue=queue)
            sys.stdout.write(sky)


async def guide(address: str) -> None:
    """The guide's lines, with an exporter for the spans."""
    provider = create_tracer_provider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    opentelemetry.trace.set_tracer_provider(provider)
    client = await Client.connect(address, plugins=[OpenTelemetryPlugin()])
    await run(client, [StrandsPlugin(models={"scripted": model})])
    provider.shutdown()


async def one_line(address: str) -> None:
    """Only the plugin."""
    client = await Client.connect(address, plugins=[OTelPlugin()])
    await run(client, [StrandsPlugin(models={"scripted": model})])


async def own(address: str) -> None:
    """The application's own providers, which are left in place."""
    provider = create_tracer_provider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    opentelemetry.trace.set_tracer_provider(provider)
    meter = MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
    opentelemetry.metrics.set_meter_provider(meter)
    await one_line(address)
    assert opentelemetry.trace.get_tracer_provider() is provider
    assert opentelemetry.metrics.get_meter_provider() is meter
    provider.shutdown()
    meter.shutdown()


async def plain(address: str) -> None:
    """The application's own tracer provider, which is not replay-safe."""
    opentelemetry.trace.set_tracer_provider(TracerProvider())
    await one_line(address)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    way = {"guide": guide, "one_line": one_line, "own": own, "plain": plain}[sys.argv[2]]
    asyncio.run(way(sys.argv[1]))
