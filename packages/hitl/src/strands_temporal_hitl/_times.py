"""What happens to a question as time passes: its deadline, reminders, and the step at the deadline.

Pure: times are arguments. `Approvals(...)` gives the settings of all questions, and the rules of a policy
change them for theirs.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from strands_temporal import AgentTypeError, AgentValueError

from ._calendars import Calendar
from ._state import Times, Waiting

MOST_REMINDERS = 100
"""Most reminders of one question for one group of people. Each is an activity, and a timer."""


class QuestionTimes:
    """The times of one workflow's questions.

    Args:
        settings: The settings for all questions.
        calendars: The calendars by name.
    """

    def __init__(self, settings: Times, calendars: Mapping[str, Calendar]) -> None:
        self.settings = settings
        self._calendars = dict(calendars)

    @property
    def names(self) -> list[str]:
        """The names of the calendars."""
        return sorted(self._calendars)

    @property
    def is_plain(self) -> bool:
        """Whether the settings have nothing but a deadline at which questions are rejected."""
        return self.settings == Times(deadline_seconds=self.settings.deadline_seconds)

    def of(self, rule: Mapping[str, Any] | None, *, is_plain: bool) -> Times:
        """Return the settings of a question.

        Args:
            rule: What the policy's rule says.
            is_plain: Whether only the deadline counts of the settings for all questions: this replays a run
                whose code had no others.
        """
        base = Times(deadline_seconds=self.settings.deadline_seconds) if is_plain else self.settings
        return with_rule(base, rule)

    def begin(self, times: Times, now: datetime) -> tuple[str | None, Waiting | None]:
        """Return the deadline of a question that is asked now, and what happens before and at it."""
        deadline = self._after(times, now, times.deadline_seconds)
        if times == Times(deadline_seconds=times.deadline_seconds):
            return deadline, None
        return deadline, self._waiting(Waiting(times, now.isoformat()), now, deadline)

    def escalated(self, waiting: Waiting, now: datetime) -> tuple[str | None, Waiting]:
        """Return the new deadline of a question that goes to other people now, and what happens before it."""
        times = waiting.times
        seconds = times.escalation_seconds or times.deadline_seconds
        deadline = self._after(times, now, seconds)
        begun = Waiting(times, now.isoformat(), reminded=waiting.reminded, escalated=True)
        return deadline, self._waiting(begun, now, deadline)

    def reminded(self, waiting: Waiting, now: datetime, deadline: str | None) -> Waiting:
        """Return what happens next to a question whose people are reminded now.

        Reminders that a worker's absence left behind count as this one.
        """
        once_more = replace(waiting, reminded=waiting.reminded + 1, here=waiting.here + 1)
        return self._waiting(once_more, now, deadline)

    def _waiting(self, waiting: Waiting, now: datetime, deadline: str | None) -> Waiting:
        times, since = waiting.times, moment(waiting.since)
        at = [self._moved(times, since, each) for each in times.remind_seconds]
        if times.remind_every_seconds is not None and waiting.here < MOST_REMINDERS:
            at.append(self._moved(times, now, times.remind_every_seconds))
        end = None if deadline is None else moment(deadline)
        later = [each for each in at if each > now and (end is None or each < end)]
        return replace(waiting, reminder_at=min(later).isoformat() if later else None)

    def _after(self, times: Times, now: datetime, seconds: float | None) -> str | None:
        return None if seconds is None else self._moved(times, now, seconds).isoformat()

    def _moved(self, times: Times, start: datetime, seconds: float) -> datetime:
        span = timedelta(seconds=seconds)
        if not times.calendar:
            return start + span
        found = self._calendars[times.calendar](start, span)
        if not isinstance(found, datetime) or found.tzinfo is None:  # pyright: ignore[reportUnnecessaryIsInstance]  # users
            raise AgentTypeError(
                f"Approvals: the calendar {times.calendar!r} returned {found!r}. Return a datetime with a "
                "time zone"
            )
        if found < start:
            raise AgentValueError(
                f"Approvals: the calendar {times.calendar!r} returned {found}, which is before {start}"
            )
        return found.astimezone(timezone.utc)


def with_rule(times: Times, rule: Mapping[str, Any] | None) -> Times:
    """Return settings, with what a policy's rule says in their place.

    A rule that has a deadline says what happens at it. A rule with reminders has no others.
    """
    if not rule:
        return times
    changed = dict(rule)
    if "deadline_seconds" in rule:
        named = ("at_deadline", "escalate_to", "escalation_seconds")
        changed = {**{name: getattr(Times(), name) for name in named}, **changed}
    if "remind_seconds" in rule:
        changed["remind_every_seconds"] = None
    return replace(times, **changed)


def moment(text: str) -> datetime:
    """Return a time that was written as text."""
    return datetime.fromisoformat(text)
