"""Sends a text and prints the object read out of it: `python -m examples.structured_output.client`."""

import asyncio
import os
import sys
import uuid

from temporalio.client import Client

from examples.structured_output.workflow import TASK_QUEUE, StructuredOutputWorkflow
from examples.support.failures import failure_in_one_line
from strands_temporal import StrandsPlugin

TEXT = "We leave for Lisbon on the second of May and are back after a week."


async def main(text: str) -> None:
    """Run one text."""
    # The plugin, for its data converter: the result arrives as a Trip.
    client = await Client.connect(
        os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"), plugins=[StrandsPlugin()]
    )
    with failure_in_one_line():
        trip = await client.execute_workflow(
            StructuredOutputWorkflow.run, text, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )
    print(f"City:  {trip.city}")
    print(f"Days:  {trip.days}")
    print(f"Month: {trip.month}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or TEXT))
