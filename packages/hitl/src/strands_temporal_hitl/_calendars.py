"""Calendars: in which time a deadline or a reminder is counted, for example in business hours."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal.extension import did_you_mean

Calendar: TypeAlias = Callable[[datetime, timedelta], datetime]
"""Takes a time and a span, and returns the time that is so much later. Both times have a time zone.

It runs in the workflow: the same arguments always have to give the same time.
"""

_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST = 20 * 366
"""Days that a span may take in all. A calendar whose days are all holidays has no end."""


@dataclass(frozen=True)
class BusinessHours:
    """A calendar whose time passes in business hours only. Made by `business_hours`.

    Attributes:
        zone: Name of the time zone.
        days: The working days, 0 for Monday.
        opens: When a working day begins, in local time.
        closes: When it ends.
        holidays: Days without business hours.
    """

    zone: str
    days: frozenset[int]
    opens: time
    closes: time
    holidays: frozenset[date]

    def __call__(self, start: datetime, span: timedelta) -> datetime:
        """Return the time, in UTC, at which so much business time has passed since `start`."""
        zone = ZoneInfo(self.zone)
        start = start.astimezone(timezone.utc)
        day, left = start.astimezone(zone).date(), span
        for _ in range(_LONGEST):
            if day.weekday() in self.days and day not in self.holidays:
                # In UTC, so that a change to summer time within the hours counts as it passes.
                opens = datetime.combine(day, self.opens, zone).astimezone(timezone.utc)
                closes = datetime.combine(day, self.closes, zone).astimezone(timezone.utc)
                begin = max(opens, start)
                if begin + left <= closes:
                    return begin + left
                left -= max(closes - begin, timedelta(0))
            day += timedelta(days=1)
        raise AgentValueError(
            f"business_hours: {span} does not pass in {_LONGEST // 366} years after {start}"
        )


def business_hours(
    zone: str,
    *,
    days: Iterable[str | int] = _NAMES[:5],
    hours: tuple[int | time, int | time] = (9, 17),
    holidays: Iterable[date | str] = (),
) -> BusinessHours:
    """Return a calendar whose time passes in business hours only: `Approvals(calendars={"office": ...})`.

    A deadline of four hours that begins on Friday at 15:00 is then on Monday at 11:00. Changes to and from
    summer time are taken into account.

    It reads the time zone from the machine's data, or from the package `tzdata`. Have the same on each
    worker.

    Args:
        zone: Name of the time zone, for example "Europe/Berlin".
        days: The working days: names ("mon", "tue", ...) or numbers, 0 for Monday.
        hours: When a working day begins and ends, in local time: hours, or `datetime.time` without a zone.
        holidays: Days without business hours: `datetime.date`, or text as "2026-12-25".

    Raises:
        AgentTypeError: If an argument has a wrong type.
        AgentValueError: If the zone or a day is unknown, the day ends before it begins, or no day is left.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise AgentValueError(
            f"business_hours: {zone!r} is no time zone that this machine knows ({error}). Write for example "
            "'Europe/Berlin'. If the machine has no time zones, install the package tzdata"
        ) from None
    begin, end = (_time(each) for each in hours)
    if begin >= end:
        raise AgentValueError(f"business_hours: hours={hours!r} end before they begin")
    found = frozenset(_day(each) for each in days)
    if not found:
        raise AgentValueError("business_hours: days= is empty, so that no time would ever pass")
    return BusinessHours(zone, found, begin, end, frozenset(_date(each) for each in holidays))


def unknown_calendar(where: str, name: object, known: Sequence[str]) -> AgentValueError:
    """Return the error for a calendar that a workflow does not have."""
    return AgentValueError(
        f"Approvals: {where} {name!r} is unknown. Known: {list(known)}.{did_you_mean(str(name), known)} Give "
        "it in Approvals(calendars={...})"
    )


def _time(value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24:
        return time.max if value == 24 else time(value)
    raise AgentTypeError(
        f"business_hours: hours= has {value!r}, which is neither an hour nor a time without a zone"
    )


def _day(value: object) -> int:
    name = value[:3].lower() if isinstance(value, str) else value
    if name in _NAMES:
        return _NAMES.index(name)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(_NAMES):
        return value
    raise AgentValueError(f"business_hours: days= has {value!r}. Known: {', '.join(_NAMES)}, or 0 to 6")


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)  # pyright: ignore[reportArgumentType]  # TypeError: no text
    except (TypeError, ValueError):
        raise AgentValueError(
            f"business_hours: holidays= has {value!r}, which is no date. Write '2026-12-25'"
        ) from None
