"""Sends a text and prints the object that comes back: `python -m examples.structured_output.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.structured_output.workflow import TASK_QUEUE, StructuredOutputWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client
from strands_temporal import StrandsPlugin

TEXT = "We leave for Lisbon on the second of May and are back after a week."


async def main(text: str) -> None:
    """Run one text."""
    # The plugin brings the data converter: the result arrives as a Trip.
    client = await Client.connect(ADDRESS, plugins=[StrandsPlugin()])
    await note_missing_worker(client, TASK_QUEUE, "structured_output")
    trip = await client.execute_workflow(
        StructuredOutputWorkflow.run, text, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    print(f"City:  {trip.city}")
    print(f"Days:  {trip.days}")
    print(f"Month: {trip.month}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or TEXT))
