"""Says to people who has to decide, and who did so far."""

import json
from collections.abc import Iterable

from ._types import ApprovalRecord, PendingApproval

_LONGEST = 300  # characters of arguments


def people_line(pending: PendingApproval) -> str:
    """Return a line about who decides a question; "" if anybody may, alone."""
    deciders = pending.deciders  # as a workflow of any release tells it, perhaps shortened
    if deciders is None:
        return ""
    quorum, groups, people = (deciders.get(name) for name in ("quorum", "groups", "people"))
    who = named(groups or (), people or ())
    parts = [f"{quorum} people decide: {who}" if (quorum or 1) > 1 else f"Who decides: {who}"]
    if deciders.get("four_eyes"):
        parts.append("nobody who asked for it")
    yes = [each.by for each in pending.votes if each.verdict != "reject"]
    no = [each.by for each in pending.votes if each.verdict == "reject"]
    parts += [f"approved by {', '.join(yes)}"] if yes else []
    parts += [f"rejected by {', '.join(no)}"] if no else []
    if pending.proposed_by is not None:
        before = json.dumps(pending.original_arguments, ensure_ascii=False)[:_LONGEST]
        parts.append(f"{pending.proposed_by} proposes these arguments instead of {before}")
    return "; ".join(parts)


def named(groups: Iterable[str], people: Iterable[str]) -> str:
    """Return the groups and the people who decide, in words."""
    return " or ".join([*(f"the group {name}" for name in groups), *people]) or "verified people"


def vote_line(record: ApprovalRecord) -> str:
    """Return what a person reads whose decision did not decide yet; "" if it did."""
    if record.outcome == "delegated":
        to = ", ".join((record.to or {}).values())
        return f"{to} may decide now, and the question still waits"
    return "Your vote counts. Others have to decide too" if record.outcome == "voted" else ""
