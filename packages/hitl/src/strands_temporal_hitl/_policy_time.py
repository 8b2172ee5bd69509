"""Reads what a policy's rule says about time."""

from typing import Any

from ._deciders import read_deciders
from ._policy_reading import each_in, fault, object_in, text_in, unknown
from ._values import brief, check_seconds

AT_DEADLINE = ("deny", "approve", "escalate", "fail")
"""What may happen at a question's deadline."""

LONGEST_LIST = 20
"""Most entries of a list of reminders."""

_TIME = (
    "deadline_seconds",
    "at_deadline",
    "remind_seconds",
    "remind_every_seconds",
    "escalate_to",
    "escalation_seconds",
    "calendar",
)


def read_time(place: str, value: Any) -> dict[str, Any]:
    """Return a rule's settings of time, as fields of `Times`.

    Raises:
        AgentValueError: If something in it is wrong. The message names the place.
    """
    given = object_in(place, value, _TIME, ())
    for name in ("deadline_seconds", "remind_every_seconds", "escalation_seconds"):
        if name in given:
            _seconds(f"{place}.{name}", given[name])
    if "remind_seconds" in given:
        each_in(f"{place}.remind_seconds", given["remind_seconds"], _seconds)
        if len(given["remind_seconds"]) > LONGEST_LIST:
            raise fault(f"{place}.remind_seconds", f"has more than {LONGEST_LIST} entries")
        if "remind_every_seconds" in given:
            raise fault(f"{place}.remind_every_seconds", "is there besides remind_seconds. Give one of them")
        given["remind_seconds"] = [float(each) for each in given["remind_seconds"]]
    at_deadline = given.get("at_deadline", "deny")
    if at_deadline not in AT_DEADLINE:
        raise unknown(f"{place}.at_deadline", at_deadline, AT_DEADLINE)
    if "at_deadline" in given and "deadline_seconds" not in given:
        raise fault(f"{place}.deadline_seconds", f"is missing. At it, {at_deadline!r} happens")
    if at_deadline == "escalate" and "escalate_to" not in given:
        raise fault(f"{place}.escalate_to", "is missing: who decides after the deadline?")
    for name in ("escalate_to", "escalation_seconds"):
        if name in given and at_deadline != "escalate":
            raise fault(f"{place}.{name}", "belongs to at_deadline 'escalate'")
    if "escalate_to" in given:
        given["escalate_to"] = read_escalation(f"{place}.escalate_to", given["escalate_to"])
    if "calendar" in given:
        text_in(f"{place}.calendar", given["calendar"])
    return given


def read_escalation(place: str, value: Any) -> dict[str, Any]:
    """Return who decides after a deadline, as JSON."""
    found = read_deciders(place, value)
    if not (found.groups or found.people):
        raise fault(f"{place}.groups", "is missing, and so is people: one of them says who decides")
    return found.to_json()


def _seconds(place: str, value: Any) -> Any:
    try:
        check_seconds("seconds", value)
    except ValueError:
        raise fault(place, f"{brief(value)} is not a number of seconds above 0") from None
    if value is None:
        raise fault(place, "null is not a number of seconds above 0")
    return value
