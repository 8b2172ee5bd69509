"""Chats with approvals that released versions led replay forever, run by run, with the answers of then."""

from pathlib import Path

import pytest
from packages.core.tests.golden_outcomes import answers_in, recorded, replay_to_what_was
from packages.hitl.tests.golden_hitl import HISTORIES
from packages.hitl.tests.golden_hitl_chats import GoldenDesk

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import HITLPlugin

RECORDED = sorted(HISTORIES.glob("*-conversation-*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_released_chat_with_approvals_replays_to_its_answers(path: Path) -> None:
    await replay_to_what_was(path, [GoldenDesk], [StrandsPlugin(), HITLPlugin()])


def test_the_histories_have_questions_that_went_from_run_to_run() -> None:
    assert len(RECORDED) >= 7
    assert all(path.stat().st_size < 100_000 for path in RECORDED)
    runs = [answers_in(recorded(path)) for path in RECORDED if "carried" in path.stem]
    assert [run.get("m1") == "TurnHandedOverError" for run in runs[:2]] == [True, False]
    outcomes = [
        answer[0].get("outcome") for run in runs for answer in run.values() if "outcome" in str(answer)
    ]
    assert outcomes == ["approved", "rejected", "approved", "approved"]
    (late,) = answers_in(recorded(RECORDED[-1]))["m1"]
    assert "Nobody decided in time" in late["text"]
