"""Histories of released versions replay forever. Each gives the result that it had then."""

import json
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.golden import HISTORIES, GoldenAgent, GoldenContext, GoldenEnds, GoldenStop
from temporalio import worker
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from strands_temporal import StrandsPlugin

RECORDED = sorted(HISTORIES.glob("*-run*.json"))


class Outcome(worker.Interceptor):
    """Notes the replayed run's result."""

    def __init__(self) -> None:
        self.result: Any = None

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        outcome = self

        class Note(worker.WorkflowInboundInterceptor):
            async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
                outcome.result = await self.next.execute_workflow(input)
                return outcome.result

        return Note


def recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("golden", path.read_text())


def test_there_are_histories() -> None:
    assert [path.name for path in RECORDED] == ["core-0.1.0-run1.json", "core-0.1.0-run2.json"]
    assert all(path.stat().st_size < 1024 * 1024 for path in RECORDED)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_released_history_replays_to_its_result(path: Path) -> None:
    history = recorded(path)
    outcome = Outcome()
    replayer = Replayer(workflows=[GoldenAgent], plugins=[StrandsPlugin()], interceptors=[outcome])
    await replayer.replay_workflow(history)
    last = history.events[-1]
    if last.HasField("workflow_execution_completed_event_attributes"):
        (payload,) = last.workflow_execution_completed_event_attributes.result.payloads
        assert json.loads(json.dumps(outcome.result)) == json.loads(payload.data)
        assert "will remember tea" not in str(outcome.result[0])  # trimmed by the conversation manager
        assert outcome.result[1] == {"fact": "tea"}
    else:
        assert last.HasField("workflow_execution_continued_as_new_event_attributes")


async def test_an_agent_that_waited_on_after_a_stop_does_in_a_replay() -> None:
    """Later releases end this wait: `strands_temporal._upstream.install.ENDS_WAITING`."""
    history = recorded(HISTORIES / "core-0.1.0-stop.json")
    outcome = Outcome()
    replayer = Replayer(workflows=[GoldenStop], plugins=[StrandsPlugin()], interceptors=[outcome])
    await replayer.replay_workflow(history)
    assert outcome.result[0] == "cancelled"
    assert "must resume from interrupt" in outcome.result[1]


async def test_an_agent_whose_manager_could_not_wait_goes_on_without_it() -> None:
    """Later releases ask for the model's facts, wait for the summary, and have the model count."""
    history = recorded(HISTORIES / "core-0.1.0-context.json")
    outcome = Outcome()
    replayer = Replayer(workflows=[GoldenContext], plugins=[StrandsPlugin()], interceptors=[outcome])
    await replayer.replay_workflow(history)
    assert outcome.result == [16, "15 messages, last 'on'\n"]


async def test_a_run_that_went_on_without_what_cannot_work_does_in_a_replay() -> None:
    """Later releases end such a run: `strands_temporal._upstream.own_sandboxes.ENDS_PATCH`."""
    history = recorded(HISTORIES / "core-0.1.0-ends.json")
    outcome = Outcome()
    replayer = Replayer(workflows=[GoldenEnds], plugins=[StrandsPlugin()], interceptors=[outcome])
    await replayer.replay_workflow(history)
    assert outcome.result[0] == ["error", "error"]
    assert "ST201" in outcome.result[1]
    assert "ST105" in outcome.result[1]
