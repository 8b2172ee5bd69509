"""When a reader asks a worker: not while one workflow task is under way, however long a busy worker takes."""

import pytest

from strands_temporal_streaming import _pace
from strands_temporal_streaming._log import Run
from strands_temporal_streaming._pace import Pace


class Clock:
    """A clock to set.

    Attributes:
        now: Seconds.
    """

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(_pace, "time", clock := Clock())
    return clock


def at_work(task: str) -> Run:
    return Run("r", "r", "RUNNING", 5, is_at_work=True, task=task)


IDLE = Run("r", "r", "RUNNING", 5, is_at_work=False)


def allowed_after(pace: Pace, clock: Clock, tasks: list[str], step: float) -> float | None:
    """Return after how many seconds a query is allowed, if each step shows the next task."""
    begun = clock.now
    for task in tasks:
        if pace.allows(at_work(task)):
            return round(clock.now - begun, 3)
        clock.now += step
    return None


def test_a_query_waits_for_the_end_of_one_task(clock: Clock) -> None:
    pace = Pace(None)
    assert allowed_after(pace, clock, ["one"] * 90, 0.1) is None
    assert pace.allows(IDLE)
    assert allowed_after(pace, clock, ["two"] * 200, 0.1) == 10.1  # a task that has no end


def test_tasks_that_follow_each_other_do_not_keep_a_reader_waiting(clock: Clock) -> None:
    tasks = [str(number) for number in range(20)]
    assert allowed_after(Pace(None), clock, tasks, 0.1) == pytest.approx(0.3, abs=0.11)


def test_a_task_that_is_tried_again_does_not_either(clock: Clock) -> None:
    assert allowed_after(Pace(None), clock, [""] * 20, 0.1) == pytest.approx(0.3, abs=0.11)


def test_the_longer_a_task_takes_the_less_often_is_asked(clock: Clock) -> None:
    pace = Pace(None)
    pauses: list[float] = []
    for _ in range(3):
        pace.begin(is_asked=False)
        assert not pace.allows(at_work("one"))
        pace.end(is_calling=False, is_woken=False)
        pauses.append(pace.pause)
        clock.now += 1
    assert pauses == pytest.approx([0.01, 0.1, 0.2], abs=0.05)
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(("is_woken", "longest"), [(False, 0.5), (True, 1.0)])
def test_pieces_that_wake_the_reader_let_it_poll_less_often(
    clock: Clock, is_woken: bool, longest: float
) -> None:
    pace = Pace(None)
    clock.now += 60
    pace.begin(is_asked=False)
    pace.end(is_calling=True, is_woken=is_woken)
    assert pace.pause == longest
