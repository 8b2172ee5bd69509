"""Reads the arguments of `Approvals` that are about time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, cast

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal.extension import did_you_mean

from ._calendars import Calendar, unknown_calendar
from ._checks import check_deadline
from ._deciders import given_deciders
from ._policy_time import AT_DEADLINE, LONGEST_LIST
from ._state import Times
from ._times import QuestionTimes

AtDeadline = Literal["deny", "approve", "escalate", "fail"]


def given_times(
    *,
    deadline: timedelta | None,
    at_deadline: AtDeadline,
    remind: timedelta | Sequence[timedelta] | None,
    escalate_to: Any,
    escalation_deadline: timedelta | None,
    calendars: Mapping[str, Calendar] | None,
    calendar: str | None,
) -> QuestionTimes:
    """Return the times of a workflow's questions.

    Raises:
        AgentTypeError: If an argument has a wrong type.
        AgentValueError: If an argument has a wrong value, or does not go with the others.
    """
    check_deadline(deadline)
    if at_deadline not in AT_DEADLINE:
        raise AgentValueError(
            f"Approvals: at_deadline={at_deadline!r} is unknown. Known: {', '.join(AT_DEADLINE)}."
            f"{did_you_mean(str(at_deadline), AT_DEADLINE)}"
        )
    if at_deadline != "deny" and deadline is None:
        raise AgentValueError(f"Approvals: at_deadline={at_deadline!r} needs deadline=")
    if (at_deadline == "escalate") != (escalate_to is not None):
        raise AgentValueError(
            "Approvals: at_deadline='escalate' and escalate_to= go together. Write for example "
            "at_deadline='escalate', escalate_to={'groups': ['managers']}"
        )
    if escalation_deadline is not None and escalate_to is None:
        raise AgentValueError("Approvals: escalation_deadline= belongs to at_deadline='escalate'")
    known = _calendars(calendars)
    if calendar is not None and calendar not in known:
        raise unknown_calendar("calendar=", calendar, list(known))
    every, at = _reminders(remind)
    times = Times(
        deadline_seconds=None if deadline is None else deadline.total_seconds(),
        at_deadline=at_deadline,
        remind_seconds=at,
        remind_every_seconds=every,
        escalate_to=None if escalate_to is None else _escalation(escalate_to),
        escalation_seconds=_span("escalation_deadline", escalation_deadline),
        calendar=calendar or "",
    )
    return QuestionTimes(times, known)


def _calendars(given: Any) -> dict[str, Calendar]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise AgentTypeError(f"Approvals: calendars={given!r} is not a mapping of names to functions")
    for name, each in cast("Mapping[Any, Any]", given).items():
        if not isinstance(name, str) or not name or not callable(each):
            raise AgentTypeError(
                f"Approvals: calendars= has {name!r}: {each!r}. Write calendars={{'office': "
                "business_hours('Europe/Berlin')}}"
            )
    return dict(cast("Mapping[str, Calendar]", given))


def _reminders(given: Any) -> tuple[float | None, list[float]]:
    if given is None:
        return None, []
    if isinstance(given, timedelta):
        return _span("remind", given), []
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise AgentTypeError(
            f"Approvals: remind={given!r} is neither a timedelta (every so long) nor a list of them (so long "
            "after the question)"
        )
    each = [_span("remind", one) for one in cast("Sequence[Any]", given)]
    if len(each) > LONGEST_LIST:
        raise AgentValueError(f"Approvals: remind= has {len(each)} entries, and may have {LONGEST_LIST}")
    return None, [one for one in each if one is not None]


def _span(name: str, given: Any) -> float | None:
    if given is None and name != "remind":
        return None
    if not isinstance(given, timedelta):
        raise AgentTypeError(f"Approvals: {name}= has {given!r}, which is not a timedelta")
    if given <= timedelta(0):
        raise AgentValueError(f"Approvals: {name}= has {given!r}, which is not positive")
    return given.total_seconds()


def _escalation(given: Any) -> dict[str, Any]:
    found = given_deciders("escalate_to", given)
    if found is None or not (found.groups or found.people):
        raise AgentValueError("Approvals: escalate_to= names neither groups nor people: who decides?")
    return found.to_json()
