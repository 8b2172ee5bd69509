"""A client with its own span: run it with `python -m examples.tracing.client`."""

import sys
import uuid

from opentelemetry import trace
from temporalio.client import Client

from examples.support.programs import ADDRESS, note_missing_worker, run_client
from examples.tracing.spans import print_spans
from examples.tracing.workflow import TASK_QUEUE, TracingWorkflow
from strands_temporal_otel import OTelPlugin


async def main(prompt: str) -> None:
    """Ask the agent, and print the id of the trace."""
    client = await Client.connect(ADDRESS, plugins=[OTelPlugin()])
    print_spans()
    await note_missing_worker(client, TASK_QUEUE, "tracing")
    with trace.get_tracer("examples.tracing").start_as_current_span("ask") as span:
        print(f"Trace:  {trace.format_trace_id(span.get_span_context().trace_id)}")
        result = await client.execute_workflow(
            TracingWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )
    print(f"Result: {result}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or "Write a haiku about durable execution."))
