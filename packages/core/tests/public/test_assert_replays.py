"""`assert_replays` on a busy machine."""

from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from strands_temporal.testing import assert_replays


@workflow.defn
class AnyWorkflow:
    @workflow.run
    async def run(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "attempts"), [("[TMPRL1101] Potential deadlock detected", 3), ("Nondeterminism error", 1)]
)
async def test_only_a_deadlock_is_replayed_again(
    monkeypatch: pytest.MonkeyPatch, text: str, attempts: int
) -> None:
    replayed: list[WorkflowHistory] = []

    async def fail(_: Replayer, history: WorkflowHistory, **__: Any) -> None:
        replayed.append(history)
        raise RuntimeError(text)

    monkeypatch.setattr(Replayer, "replay_workflow", fail)
    with pytest.raises(RuntimeError, match=text.split()[-1]):
        await assert_replays(WorkflowHistory("id", []), [AnyWorkflow])
    assert len(replayed) == attempts
