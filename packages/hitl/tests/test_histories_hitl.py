"""Histories of earlier releases replay, even where this release would act differently."""

import json
from pathlib import Path
from typing import Any

import pytest
from packages.hitl.tests.golden_hitl import GOLDEN, HISTORIES
from temporalio import worker
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import HITLPlugin

RECORDED = sorted(set(HISTORIES.glob("*.json")) - set(HISTORIES.glob("*-conversation-*.json")))


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
    assert len(RECORDED) == 10
    assert all(path.stat().st_size < 100_000 for path in RECORDED)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_released_history_replays_to_its_result(path: Path) -> None:
    history = recorded(path)
    outcome = Outcome()
    plugins = [StrandsPlugin(), HITLPlugin()]
    replayer = Replayer(workflows=GOLDEN, plugins=plugins, interceptors=[outcome])
    await replayer.replay_workflow(history)
    (payload,) = history.events[-1].workflow_execution_completed_event_attributes.result.payloads
    assert outcome.result == json.loads(payload.data)
