"""A worker's start takes what is loaded out of the garbage collector's sight, once and by leave."""

import gc

import pytest

from strands_temporal._worker.garbage import spare_what_stays


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what is asked of the collector. The tests' own process stays as it is."""
    found: list[str] = []

    def set_threshold(*numbers: int) -> None:
        found.append(f"look after {numbers}")

    monkeypatch.setattr(gc, "isenabled", lambda: True)
    monkeypatch.setattr(gc, "collect", lambda: found.append("collect"))
    monkeypatch.setattr(gc, "freeze", lambda: found.append("freeze"))
    monkeypatch.setattr(gc, "get_freeze_count", lambda: found.count("freeze"))
    monkeypatch.setattr(gc, "get_threshold", lambda: (700, 10, 10))
    monkeypatch.setattr(gc, "set_threshold", set_threshold)
    return found


def test_garbage_goes_before_and_a_second_worker_changes_nothing(calls: list[str]) -> None:
    spare_what_stays()
    spare_what_stays()
    assert calls == ["collect", "freeze", "look after (10000, 10, 10)"]


def test_thresholds_that_somebody_has_set_stay(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "get_threshold", lambda: (50_000, 20, 20))
    spare_what_stays()
    assert calls == ["collect", "freeze"]


def test_a_process_with_its_own_choice_is_left_alone(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 1)
    spare_what_stays()
    monkeypatch.undo()
    monkeypatch.setattr(gc, "isenabled", lambda: False)
    monkeypatch.setattr(gc, "collect", lambda: calls.append("collect"))
    spare_what_stays()
    assert calls == []
