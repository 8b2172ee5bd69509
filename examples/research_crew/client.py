"""Asks the crew a question and prints its report: `python -m examples.research_crew.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.research_crew.workflow import TASK_QUEUE, ResearchCrewWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

QUESTION = "How did coffee come to Europe?"


async def main(question: str) -> None:
    """Ask one question."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "research_crew")
    workflow_id = f"{TASK_QUEUE}-{uuid.uuid4()}"
    report = await client.execute_workflow(
        ResearchCrewWorkflow.run, question, id=workflow_id, task_queue=TASK_QUEUE
    )
    for name, calls in report.calls.items():
        called = ", ".join(f"{tool} ({count})" for tool, count in calls.items())
        print(f"{name}: {called or 'no tools'}")
    print(f"Report: {report.text}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or QUESTION))
