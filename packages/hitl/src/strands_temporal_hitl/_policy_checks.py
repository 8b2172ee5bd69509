"""Checks of decisions and changes against a workflow's policy. A refused one leaves nothing in history."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from temporalio.exceptions import ApplicationError

from strands_temporal import AgentValueError

from ._allowed import refusal
from ._bounds import too_long
from ._deciders import Deciders, same
from ._decision import Decision
from ._in_force import PolicyInForce
from ._policy import ApprovalPolicy
from ._policy_types import (
    MALFORMED_CHANGE,
    NO_POLICY,
    NOT_TRUSTED,
    TOO_MUCH_TRUST,
    PolicyChange,
)
from ._protocol import DENIED_BY_POLICY, NOT_A_DECIDER, NOT_ALLOWED, OWN_REQUEST
from ._state import Question
from ._trusted import MOST_TRUSTED
from ._who import Who

_MISSING = "This workflow has no policy: Approvals(policy=...)"


def check_policy(policy: PolicyInForce, decision: Decision, question: Question | None, now: datetime) -> None:
    """Check that the policy lets a person decide so.

    A person may let a call run that the policy asks about, and no call that it denies.

    Args:
        policy: The policy.
        decision: The decision.
        question: Its question; None if it is not asked yet.
        now: The time.

    Raises:
        ApplicationError: If it does not. The type says why.
    """
    if decision.trust is not None and policy.policy is None:
        raise refusal(NO_POLICY, f"{_MISSING}. Nothing can be trusted in it")
    if question is None or decision.verdict == "reject":
        return
    found = policy.denial(question, decision.arguments, now)
    if found is not None:
        raise refusal(
            DENIED_BY_POLICY,
            f"The policy (version {policy.version}) denies this call by the rule {found.rule!r}: "
            f"{found.reason}. {decision.id!r} can be rejected",
        )
    if decision.trust is not None:
        pending = question.pending
        if pending.tool is None:
            raise refusal(NOT_ALLOWED, f"{decision.id!r} is not about one call, so there is nothing to trust")
        _check_room(policy, pending.tool, pending.digest if decision.trust == "arguments" else None, now)


def parsed_change(value: Any, *, seen: bool) -> PolicyChange:
    """Return the change in an update's argument.

    Raises:
        ApplicationError: If it is malformed.
    """
    try:
        change = PolicyChange.from_wire(value)
        if change.policy is not None:
            ApprovalPolicy.from_json(change.policy)
    except (TypeError, ValueError, RecursionError) as error:
        text = error.message if isinstance(error, ApplicationError) else str(error)
        raise refusal(MALFORMED_CHANGE, f"Malformed change: {text}") from None
    if not seen and (why := too_long(change.to_wire())):
        raise refusal(MALFORMED_CHANGE, f"Malformed change: {why}")
    return change


def check_admin(
    policy: PolicyInForce, admins: Deciders | None, change: PolicyChange, who: Who, own: Collection[str]
) -> None:
    """Check that a person may change the policy.

    Args:
        policy: The policy.
        admins: Who may change it; None for everybody, but under four eyes for nobody in `own`.
        change: The change.
        who: The person.
        own: Who started the workflow, and who asked for the calls that wait.

    Raises:
        ApplicationError: If not. The type says why.
    """
    if admins is None and not who.verified:
        return  # anybody may call Temporal, and may change it
    admins = admins or Deciders(four_eyes=policy.four_eyes)
    if admins.four_eyes and same(who.name) in {same(each) for each in own}:
        raise refusal(OWN_REQUEST, "The policy is changed by somebody else than who asked for the calls")
    if not admins.includes(who.name, who.groups):
        raise refusal(NOT_A_DECIDER, "The policy is changed by others")
    if not admins.through(who.channel, rejects=change.kind == "withdraw"):
        raise refusal(NOT_ALLOWED, f"The policy may not be changed by the channel {who.channel!r}")


def check_askers(change: PolicyChange, *, knows: bool) -> None:
    """Check that a policy with `four_eyes` can know who asked.

    Raises:
        ApplicationError: If it cannot.
    """
    if change.policy is None or knows:
        return
    if any(each.four_eyes for each in ApprovalPolicy.from_json(change.policy).all_deciders):
        raise refusal(
            NOT_ALLOWED,
            "four_eyes needs to know who asked, and this workflow does not tell: "
            "Approvals(started_by=...), or approvals.run(..., asked_by=...)",
        )


def check_change(policy: PolicyInForce, change: PolicyChange, now: datetime) -> None:
    """Check that a change of the policy can be taken.

    Raises:
        ApplicationError: If it cannot be taken. The type says why; the message explains it.
    """
    if policy.policy is None:
        raise refusal(NO_POLICY, _MISSING)
    if change.policy is not None:
        try:
            policy.check_calendars(ApprovalPolicy.from_json(change.policy))
        except AgentValueError as error:
            raise refusal(MALFORMED_CHANGE, f"Malformed change: {error.message}") from None
    if change.kind == "trust":
        _check_room(policy, change.tool or "", change.digest, now)
    if change.kind == "withdraw" and not policy.would_withdraw(change.tool, change.digest):
        trusted = [each.text for each in policy.view.trusted]
        raise refusal(NOT_TRUSTED, f"Nobody trusts {change.tool or 'anything'!r} here. Trusted: {trusted}")


def _check_room(policy: PolicyInForce, tool: str, digest: str | None, now: datetime) -> None:
    if not policy.has_room(tool, digest, now):
        raise refusal(
            TOO_MUCH_TRUST,
            f"{MOST_TRUSTED} entries are trusted already, which is the most. Withdraw some",
        )
