"""Facts about an activity on another task queue, for the worker that runs the workflow. Never sent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WaitingActivity:
    """An activity that a workflow has scheduled on another task queue.

    Attributes:
        name: Its type.
        task_queue: Its task queue.
        workflow_id: Its workflow.
        run_id: The workflow's run.
        number: Its number among the activities of the run on other task queues.
    """

    name: str
    task_queue: str
    workflow_id: str
    run_id: str
    number: int
