"""What a replay of a recorded history does, beside its commands, and whether it did so when it was recorded.

Temporal's replay compares the kinds of commands. Here the values are compared too: the result, what the next
run gets, and what clients got from updates. This release may add fields to them, and change none.
"""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any, cast

from temporalio import worker
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

CONVERTER = pydantic_data_converter.payload_converter


class Outcomes(worker.Interceptor):
    """Notes what the replayed run returned, gave to the next run, and answered.

    Attributes:
        result: The run's result.
        next_run: The arguments of its continue-as-new.
        answers: What the updates returned or raised, by their ids.
    """

    def __init__(self) -> None:
        self.result: Any = None
        self.next_run: Any = None
        self.answers: dict[str, Any] = {}

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """See base class."""
        outcomes = self

        class Leaving(worker.WorkflowOutboundInterceptor):
            def continue_as_new(self, input: worker.ContinueAsNewInput) -> Any:
                outcomes.next_run = as_json(input.args)
                self.next.continue_as_new(input)

        class Note(worker.WorkflowInboundInterceptor):
            def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
                super().init(Leaving(outbound))

            async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
                outcomes.result = await self.next.execute_workflow(input)
                return outcomes.result

            async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
                try:
                    answer = await self.next.handle_update_handler(input)
                except Exception as error:
                    outcomes.answers[input.id] = str(getattr(error, "type", None) or type(error).__name__)
                    raise
                outcomes.answers[input.id] = as_json([answer])
                return answer

        return Note


def recorded(path: Path) -> WorkflowHistory:
    """Return a history of the tree."""
    return WorkflowHistory.from_json("golden", path.read_text())


def first_argument(path: Path) -> Any:
    """Return the first argument of a recorded run, as JSON values."""
    start = recorded(path).events[0].workflow_execution_started_event_attributes
    return values_of(start.input)[0]


async def replay_to_what_was(path: Path, workflows: list[type], plugins: list[Any]) -> Outcomes:
    """Replay a history, and assert that the run had the same outcome when it was recorded.

    Returns:
        What the replayed run did.
    """
    history = recorded(path)
    outcomes = Outcomes()
    await Replayer(workflows=workflows, plugins=plugins, interceptors=[outcomes]).replay_workflow(history)
    last = history.events[-1]
    if last.HasField("workflow_execution_completed_event_attributes"):
        ended = last.workflow_execution_completed_event_attributes
        assert_has(as_json([outcomes.result]), values_of(ended.result))
    else:
        left = last.workflow_execution_continued_as_new_event_attributes
        assert left.new_execution_run_id, f"{path.name} ends with neither a result nor another run"
        assert_has(unpacked(outcomes.next_run), unpacked(values_of(left.input)))
    assert_has(outcomes.answers, answers_in(history))
    return outcomes


def answers_in(history: WorkflowHistory) -> dict[str, Any]:
    """Return what the updates of a recorded run returned, or the types of their errors, by their ids."""
    answers: dict[str, Any] = {}
    for event in history.events:
        if event.HasField("workflow_execution_update_completed_event_attributes"):
            update = event.workflow_execution_update_completed_event_attributes
            failure = update.outcome.failure.application_failure_info.type
            answers[update.meta.update_id] = failure or values_of(update.outcome.success)
    return answers


def as_json(values: Any) -> list[Any]:
    """Return values as the workers' data converter writes them."""
    return values_of(Payloads(payloads=CONVERTER.to_payloads(values)))


def values_of(payloads: Payloads) -> list[Any]:
    """Return payloads as JSON values."""
    return [json.loads(payload.data) if payload.data else None for payload in payloads.payloads]


def unpacked(value: Any) -> Any:
    """Return a value with the content of the carries in it: two releases may compress differently."""
    if isinstance(value, list):
        return [unpacked(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    content = {key: unpacked(each) for key, each in cast("dict[str, Any]", value).items()}
    if content.keys() == {"number", "hash"}:  # of an audit chain: a Replayer makes up namespace and ids
        del content["hash"]
    if content.keys() == {"topic", "data", "offset"}:  # of a stream's log
        item = Payload.FromString(base64.b64decode(content["data"]))
        content["data"] = _without_runs(item.data.decode()), dict(item.metadata)
    elif isinstance(content.get("data"), str) and "version" in content:
        content["data"] = unpacked(json.loads(zlib.decompress(base64.b64decode(content["data"]))))
    return content


def _without_runs(event: str) -> str:
    """Return an event without what its call's identity has of the run.

    A replay with another release may tell a call with another identity. Readers expect that.
    """
    return re.sub(r'"call":"[0-9a-f]+-', '"call":"-', event)


def assert_has(now: Any, then: Any, *, where: str = "") -> None:
    """Assert that a value has all that the recorded one had."""
    if isinstance(then, dict):
        assert isinstance(now, dict), f"{where}: {now!r} is no dict"
        for key, value in cast("dict[str, Any]", then).items():
            assert key in now, f"{where}.{key} is missing"
            assert_has(now[key], value, where=f"{where}.{key}")
    elif isinstance(then, list):
        assert isinstance(now, list), f"{where}: {now!r} is no list"
        before, after = cast("list[Any]", then), cast("list[Any]", now)
        assert len(after) == len(before), f"{where}: {after!r}, not {before!r}"
        for at, (new, old) in enumerate(zip(after, before, strict=True)):
            assert_has(new, old, where=f"{where}[{at}]")
    else:
        assert now == then, f"{where}: {now!r}, not {then!r}"
