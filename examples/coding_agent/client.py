"""Gives the agent its task, and shows what it changed."""

import difflib
import sys
import uuid
from pathlib import Path

from temporalio.client import Client

from examples.coding_agent.sandbox import PROJECT, directory_of
from examples.coding_agent.workflow import TASK_QUEUE, CodingWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

TASK = "A test of this project fails. Mend it."


async def main(task: str) -> None:
    """Run one task."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "coding_agent")
    id_ = f"{TASK_QUEUE}-{uuid.uuid4()}"
    result = await client.execute_workflow(CodingWorkflow.run, task, id=id_, task_queue=TASK_QUEUE)
    for line in changes(directory_of(id_)):
        print(line)
    print(f"Result: {result}")


def changes(directory: Path) -> list[str]:
    """Return the lines of the project that the agent has removed and added."""
    diff: list[str] = []
    for before in sorted(PROJECT.glob("*.py")):
        after = (directory / before.name).read_text().splitlines()
        diff += list(difflib.unified_diff(before.read_text().splitlines(), after, lineterm="", n=0))[3:]
    return diff


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or TASK))
