"""Histories of earlier releases replay, although this release publishes more events."""

from pathlib import Path

import pytest
from packages.streaming.tests.golden_streaming import HISTORIES, GoldenStream
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from strands_temporal import StrandsPlugin
from strands_temporal_streaming import StreamingPlugin

RECORDED = sorted(HISTORIES.glob("*.json"))


def test_there_are_histories() -> None:
    assert RECORDED
    assert all(path.stat().st_size < 100_000 for path in RECORDED)


def recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("golden", path.read_text())


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_released_history_replays(path: Path) -> None:
    history = recorded(path)
    await Replayer(workflows=[GoldenStream], plugins=[StrandsPlugin(), StreamingPlugin()]).replay_workflow(
        history
    )
