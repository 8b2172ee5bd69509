"""A user's process with Strands' own set-up of OpenTelemetry, which can be set once per process.

Its arguments are the server's address, the task queue, the file for the spans, and "first" or "second".
`test_telemetry.py` runs it.
"""

import asyncio
import json
import sys
from pathlib import Path

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from packages.core.tests.upstream.test_telemetry import models, values
from packages.core.tests.upstream.traced_scenes import Traced
from strands.telemetry import StrandsTelemetry
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin


@activity.defn
async def take_a_look(what: str) -> str:
    """Look at something; in the first process, for longer than that one lives."""
    if sys.argv[4] == "first":
        sys.stdout.write("looking\n")
        sys.stdout.flush()
        await asyncio.sleep(60)
    return f"seen: {what}"


def line(span: ReadableSpan) -> str:
    """Return a span as a line."""
    return span.to_json(indent=None) + "\n"


async def main(address: str, queue: str, spans: str, part: str) -> None:
    """Run a worker, and start the workflow or wait for it."""
    reader = InMemoryMetricReader()
    with Path(spans).open("a") as file:  # noqa: ASYNC230  # once, before anything runs
        StrandsTelemetry().setup_console_exporter(out=file, formatter=line)
        metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
        client = await Client.connect(address, plugins=[StrandsPlugin(models=models())])
        async with Worker(
            client, task_queue=queue, workflows=[Traced], activities=[take_a_look], max_cached_workflows=0
        ):
            if part == "first":
                handle = await client.start_workflow(Traced.run, id=queue, task_queue=queue)
            else:
                handle = client.get_workflow_handle_for(Traced.run, queue)
            await handle.signal(Traced.ask)
            await handle.result()
        sys.stdout.write(json.dumps(values(reader)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
