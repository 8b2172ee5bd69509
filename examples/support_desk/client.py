"""A clerk hands a customer's request to the agent, and waits for what becomes of it."""

import json
import sys
import uuid
from pathlib import Path

from temporalio.client import Client

from examples.support.programs import ADDRESS, note_missing_worker, run_client
from examples.support_desk.workflow import TASK_QUEUE, Request, SupportDeskWorkflow
from strands_temporal import StrandsPlugin

TEXT = "Please refund 800 euros for order 17: the kettle leaks."
POLICY = Path(__file__).with_name("policy.json")


async def main(clerk: str, text: str) -> None:
    """Hand over one request."""
    client = await Client.connect(ADDRESS, plugins=[StrandsPlugin()])
    await note_missing_worker(client, TASK_QUEUE, "support_desk")
    request = Request(text, clerk, json.loads(POLICY.read_text()))
    id_ = f"{TASK_QUEUE}-{uuid.uuid4()}"
    print(f"Request {id_} of {clerk}. It may wait for people: see the inbox.", flush=True)
    outcome = await client.execute_workflow(SupportDeskWorkflow.run, request, id=id_, task_queue=TASK_QUEUE)
    for record in outcome.records:
        who = record.by or f"the policy, by the rule {record.rule!r}"
        print(f"{record.tool}: {record.outcome} by {who}")
    print(f"Answer: {outcome.answer}")


if __name__ == "__main__":
    run_client(main(sys.argv[1] if len(sys.argv) > 1 else "cy", " ".join(sys.argv[2:]) or TEXT))
