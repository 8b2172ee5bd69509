"""Sends what a person chose on a page, and says in words what became of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .._bounds import LONGEST_NAME, LONGEST_REASON
from .._client import ApprovalsClient
from .._decision import Decision
from .._errors import ApprovalRefusedError, ApprovalsEndedError, ApprovalsError
from .._people import Credential, Person
from .._types import ApprovalRecord, PendingApproval
from .errors import PageError
from .forms import checked_arguments

TRUST_TIMES = {"": None, "3600": timedelta(hours=1), "86400": timedelta(days=1)}
"""How long a person may trust calls, as the form says it."""

_TITLES = {
    "UnknownApproval": "This question does not wait any more",
    "AlreadyDecided": "Already decided",
    "PastDeadline": "The deadline is over",
    "NotWhatWasSeen": "The question has changed",
    "NotAllowed": "This decision is not allowed",
    "InvalidArguments": "The arguments do not fit",
    "DeniedByPolicy": "The policy denies this call",
    "NotVerified": "You could not be verified",
    "NotADecider": "You may not decide this",
    "OwnRequest": "You may not decide your own request",
    "AlreadyVoted": "You have already voted",
    "MalformedDecision": "The decision could not be read",
}


@dataclass(frozen=True)
class Chosen:
    """A decision with what belongs to it.

    Attributes:
        workflow_id: The workflow.
        decision: The decision.
        request: Temporal's id of the update: the same one counts once.
        credential: Proof of who decides; None if the workflow takes the name as it is stated.
    """

    workflow_id: str
    decision: Decision
    request: str
    credential: Credential | None = None


def decision_of(form: Mapping[str, str], pending: PendingApproval, person: Person) -> Decision:
    """Return the decision in a form.

    Raises:
        PageError: If it is none.
    """
    verdict: Any = form.get("verdict", "")
    reason = form.get("reason", "").strip() or None
    if reason and len(reason) > LONGEST_REASON:
        text = f"The reason has {len(reason):,} characters, and may have {LONGEST_REASON:,}."
        raise PageError("Too long", text, 422)
    # The digest is that of the page which the person saw, and not of what waits now.
    given: dict[str, Any] = {"digest": form.get("digest") or None}
    if verdict == "edit":
        given["arguments"] = checked_arguments(pending, form.get("arguments", ""))
    elif verdict == "respond":
        given["response"] = _response(form)
    elif verdict == "delegate":
        given["to"] = _to(form)
    elif verdict == "approve":
        given |= _trust(form)
    elif verdict != "reject":
        raise PageError("No decision", "Choose what to decide.", 422)
    return Decision(pending.id, verdict, person.name, reason, **given)


def _response(form: Mapping[str, str]) -> Any:
    text = form.get("response", "")
    if not text.strip():
        raise PageError("No answer", "The answer is empty.", 422)
    if form.get("response_kind") != "json":
        return text
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PageError("The answer is not JSON", f"{error}. Send it as text, or correct it.", 422) from None
    if value is None:
        raise PageError("No answer", "null is not an answer.", 422)
    return value


def _to(form: Mapping[str, str]) -> dict[str, str]:
    kind, name = form.get("to_kind", ""), form.get("to", "").strip()
    if kind not in ("person", "group") or not name:
        raise PageError("To whom?", "Write the name of a person or of a group.", 422)
    if len(name) > LONGEST_NAME:
        text = f"The name has {len(name):,} characters, and may have {LONGEST_NAME:,}."
        raise PageError("Too long", text, 422)
    return {kind: name}


def _trust(form: Mapping[str, str]) -> dict[str, Any]:
    trust, time = form.get("trust", ""), form.get("trust_time", "")
    if not trust:
        return {}
    if trust not in ("tool", "arguments") or time not in TRUST_TIMES:
        raise PageError("No such choice", "Choose what to trust, and for how long.", 422)
    until = TRUST_TIMES[time]
    return {"trust": trust, **({"trust_seconds": until.total_seconds()} if until else {})}


async def send(approvals: ApprovalsClient, chosen: Chosen) -> ApprovalRecord:
    """Send a decision, and return its record.

    Raises:
        PageError: If the workflow does not take it. It says why, for people.
    """
    proof: dict[str, Any] = {"credential": chosen.credential} if chosen.credential else {}
    try:
        return await approvals.decide(chosen.workflow_id, chosen.decision, update_id=chosen.request, **proof)
    except ApprovalsError as error:
        raise refused(error) from error


def refused(error: ApprovalsError) -> PageError:
    """Return the page for a refusal."""
    if isinstance(error, ApprovalRefusedError):
        return PageError(_TITLES.get(error.kind, "The decision was refused"), str(error), 409)
    if isinstance(error, ApprovalsEndedError):
        return PageError("The workflow has ended", str(error), 410)
    return PageError("The workflow does not answer", str(error), 503)
