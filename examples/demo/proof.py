"""What the show claims, from the history. `strands-temporal history --json` has read it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from temporalio.api.history.v1 import HistoryEvent

from examples.demo.stage import NotShownError, Worker


class Proof:
    """Checks claims.

    Args:
        read: What `strands-temporal history --json` printed.
        events: The same history as events.
    """

    def __init__(self, read: str, events: Sequence[HistoryEvent]) -> None:
        self._steps: list[dict[str, Any]] = [
            step for run in json.loads(read)["runs"] for step in run["steps"]
        ]
        self._events = events

    def of_the_kill(self, before: int, question: str, killed: Worker, successor: Worker) -> Iterator[str]:
        """Yield the claims about the model calls.

        Args:
            before: Number of the last event before the question.
            question: The question of the turn in which the worker was killed.
            killed: The worker that ran the call.
            successor: The worker that answered.

        Raises:
            NotShownError: The history contradicts a claim.
        """
        asked = {step["turn"]: step.get("prompt") for step in self._steps if step["kind"] == "turn"}
        calls = [step for step in self._steps if step["kind"] == "model" and step["status"] == "completed"]
        earlier = [call for call in calls if call["event"] <= before]
        interrupted = next((call for call in calls if call not in earlier), None)
        if not earlier or interrupted is None or asked.get(interrupted["turn"]) != question:
            raise NotShownError(f"The history holds no completed model call for {question!r}")
        if repeated := [call for call in earlier if Worker.of(call["worker"]) == successor]:
            raise NotShownError(f"The model call of event {repeated[0]['event']} was made again")
        worker, attempt = Worker.of(interrupted["worker"]), interrupted["attempts"]
        if attempt < 2 or worker == killed:
            raise NotShownError(
                f"The killed call is attempt {attempt} on {worker.name}: it was not retried on another worker"
            )
        yield _sentence([Worker.of(call["worker"]) for call in earlier])
        yield (
            f"The interrupted one ran as attempt {attempt} on {worker.name}; "
            f"attempt {attempt - 1} had ended with {self._failure_before(interrupted['event'])!r}."
        )

    def of_the_tools(self, in_workflow: str, as_activity: str, approved: str) -> str:
        """Return the claim about the tools.

        Raises:
            NotShownError: One of them did not run where it should.
        """
        where = {step["tool"]: step["where"] for step in self._steps if _succeeded(step)}
        for tool, place in {in_workflow: "workflow", as_activity: "activity", approved: "activity"}.items():
            if where.get(tool) != place:
                raise NotShownError(f"{tool} did not run in the workflow or as an activity, as it should")
        decisions = [step["result"] for step in self._steps if step["kind"] == "decision"]
        if [(each["tool"], each["outcome"]) for each in decisions] != [(approved, "approved")]:
            raise NotShownError(f"The decisions are {decisions}, not one approval of {approved}")
        return (
            f"Tools: {in_workflow} ran in the workflow, {as_activity} ran as an activity, and {approved} "
            f"only after {decisions[0]['by']} had approved."
        )

    def _failure_before(self, scheduled: int) -> str:
        """Return why the attempt before the last one of an activity failed."""
        for event in self._events:
            started = event.activity_task_started_event_attributes
            if started.scheduled_event_id == scheduled:
                return started.last_failure.message
        return ""


def _succeeded(step: dict[str, Any]) -> bool:
    return step["kind"] == "tool" and step["status"] == "success"


def _sentence(earlier: Sequence[Worker]) -> str:
    by_worker = Counter(worker.name for worker in earlier)
    who = " and ".join(f"{count} by {worker}" for worker, count in by_worker.items())
    if len(by_worker) == 1:
        who = f"all by {earlier[0].name}"
    return f"{len(earlier)} model calls were completed before the kill, {who}: none was made again."
