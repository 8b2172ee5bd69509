"""Who may decide a question in which way, and what the votes of several people come to.

Pure: questions in, questions out. A decision is refused before history (`check_person`), then it is a vote
(`vote`), then the votes are counted (`counted`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from temporalio.exceptions import ApplicationError

from ._allowed import refusal
from ._deciders import Deciders, same
from ._decision import Decision
from ._people import Vote
from ._people_text import named
from ._protocol import ALREADY_VOTED, NOT_A_DECIDER, NOT_ALLOWED, NOT_WHAT_WAS_SEEN, OWN_REQUEST
from ._shown import digest_of
from ._state import Delegation, Question
from ._tickets import not_verified
from ._trusted import TrustedCalls
from ._types import ApprovalRecord, Outcome, PendingApproval
from ._who import Who

_YES = ("approve", "edit")

_MOST_DELEGATIONS = 50
"""How often a question is handed on. Who may decide it is found along the chain of those who did."""


def deciders_of(question: Question) -> Deciders | None:
    """Return who may decide a question; None for anybody."""
    given = question.pending.deciders
    return None if given is None else Deciders(**given)


def check_person(question: Question, decision: Decision, who: Who) -> None:
    """Check that a person may decide a question in this way.

    Raises:
        ApplicationError: If not. The type says why.
    """
    deciders = deciders_of(question)
    if deciders is None:
        if not who.verified and decision.verdict == "delegate":
            raise refusal(
                NOT_ALLOWED, f"{decision.id!r} can be handed to nobody: nobody verifies who decides it"
            )
        deciders = Deciders(assistants=not who.verified)
    elif not who.verified:
        raise not_verified()
    rejects = decision.verdict == "reject"
    _check_role(question, deciders, who, rejects=rejects)
    if not deciders.through(who.channel, rejects=rejects):
        raise refusal(
            NOT_ALLOWED,
            f"The decision {decision.verdict!r} on {decision.id!r} may not come by {who.channel!r}."
            + (" An assistant may only reject it: a person has to confirm" if who.channel == "mcp" else ""),
        )
    _check_vote(question, deciders, decision, who)
    if decision.verdict == "delegate":
        _check_delegation(question, deciders, decision.to or {}, who)


def may_still(question: Question, deciders: Deciders | None, record: ApprovalRecord) -> bool:
    """Tell whether a decision still counts for a question, by whoever may decide it now."""
    if deciders is None:
        return True
    if not record.verified:
        return False
    now = replace(question, pending=replace(question.pending, deciders=deciders.to_json()))
    votes = record.votes or [Vote(record.by, "approve", groups=record.groups, channel=record.channel)]
    good = [each for each in votes if each.verdict in _YES and _counts(now, deciders, each)]
    return len({same(each.by) for each in good}) >= deciders.quorum


def may_trust(deciders: Deciders, trusted: TrustedCalls, own: Sequence[str]) -> bool:
    """Tell whether a person's trust stands in for the decision of these people, which no quorum allows."""
    if not trusted.verified or deciders.quorum > 1 or not deciders.includes(trusted.by, trusted.groups):
        return False
    is_own = deciders.four_eyes and (not own or _is_one_of(trusted.by, own))
    return not is_own and deciders.through(trusted.channel, rejects=False)


def restricted(
    question: Question, deciders: Deciders | None, *, approvable: bool, verified: bool
) -> Question:
    """Return a question with those who may decide it. Votes of others drop.

    Args:
        question: The question.
        deciders: Those people; None for anybody.
        approvable: Whether any of them may approve it.
        verified: Whether everybody is verified, so that a decision can be handed to somebody.
    """
    before = [each for each in question.pending.allowed_decisions if each != "delegate"]
    kinds = (question.kinds or before) if approvable else ["reject"]
    if deciders is None:
        question = as_asked(question)
        kinds = [*kinds, "delegate"] if verified else kinds
        pending = replace(question.pending, deciders=None, votes=[], allowed_decisions=kinds)
        return replace(question, pending=pending)
    if deciders.quorum > 1 and "respond" in kinds:
        kinds = [each for each in kinds if each != "respond"] or ["reject"]
    pending = replace(question.pending, deciders=deciders.to_json(), allowed_decisions=[*kinds, "delegate"])
    question = replace(question, pending=pending)
    votes = [each for each in pending.votes if _counts(question, deciders, each)]
    if not approvable:  # a yes from before the change counts for nobody's question
        votes = [each for each in votes if each.verdict not in _YES]
    return replace(question, pending=replace(pending, votes=votes))


def voted(question: Question, decision: Decision, who: Who, at: str) -> Question:
    """Return a question with a person's vote, edit or delegation."""
    question = _taken(question, who)
    if decision.verdict == "delegate":
        to = decision.to or {}
        handed = Delegation(who.name, who.groups, to.get("person"), to.get("group"))
        return replace(question, delegations=[*question.delegations, handed])
    votes = [each for each in question.pending.votes if same(each.by) != same(who.name)]
    if decision.arguments is not None and (changed := _proposed(question.pending, decision)) is not None:
        by = _proposer(changed, who)
        original = changed.original_arguments if by else None
        question = replace(question, pending=replace(changed, proposed_by=by, original_arguments=original))
        votes = []
    verdict = "approve" if decision.verdict == "respond" else decision.verdict
    digest = question.pending.digest
    mine = Vote(who.name, verdict, at, decision.reason, digest, who.groups, who.channel)
    return replace(question, pending=replace(question.pending, votes=[*votes, mine]))


def counted(question: Question) -> Outcome | None:
    """Return what the votes on a question come to; None if more have to decide."""
    deciders, votes = deciders_of(question) or Deciders(), question.pending.votes
    noes = [each for each in votes if each.verdict == "reject"]
    ends = [each for each in noes if not deciders.veto or deciders.vetoes(each.groups)]
    if ends or len(noes) >= deciders.quorum:
        return "rejected"
    yes = [each for each in votes if each.verdict in _YES]
    if len({same(each.by) for each in yes}) >= deciders.quorum:
        return "approved" if question.pending.proposed_by is None else "edited"
    return None


def deciding(question: Question, outcome: Outcome) -> list[Vote]:
    """Return the votes that made an outcome."""
    votes = question.pending.votes
    return [each for each in votes if (each.verdict == "reject") == (outcome == "rejected")]


def as_asked(question: Question) -> Question:
    """Return a question about the call that the agent asked about, without a proposal of other arguments."""
    pending = question.pending
    if pending.proposed_by is None:
        return question
    arguments = pending.original_arguments
    digest = digest_of(pending.tool or "", arguments)
    pending = replace(pending, arguments=arguments, digest=digest, proposed_by=None, original_arguments=None)
    return replace(question, pending=pending)


def refuse_nobody(decision: Decision) -> ApplicationError:
    """Return the error for an edit of a call that nobody may approve."""
    text = (
        f"Nobody may decide both on {decision.id!r} as it was asked and as you changed it. Reject it instead"
    )
    return refusal(NOT_ALLOWED, text)


def _check_role(question: Question, deciders: Deciders, who: Who, *, rejects: bool) -> None:
    id_ = question.pending.id
    if deciders.four_eyes and (not question.own or _is_one_of(who.name, question.own)):
        raise refusal(OWN_REQUEST, f"{id_!r} has to be decided by somebody else than who asked for it")
    if _is_one_of(who.name, (each.by for each in question.delegations)):
        raise refusal(NOT_A_DECIDER, f"You handed the decision on {id_!r} to somebody else")
    if not _is_entitled(question, deciders, who.name, who.groups) and not (
        rejects and deciders.vetoes(who.groups)
    ):
        raise refusal(NOT_A_DECIDER, f"{id_!r} is decided by {named(deciders.groups, deciders.people)}")


def _check_vote(question: Question, deciders: Deciders, decision: Decision, who: Who) -> None:
    pending, several = question.pending, deciders.quorum > 1
    mine = next((each for each in pending.votes if same(each.by) == same(who.name)), None)
    changes = decision.arguments is not None and _proposed(pending, decision) is not None
    turns = mine is not None and mine.verdict in _YES and decision.verdict == "reject"
    if mine is not None and not changes and not turns:
        raise refusal(ALREADY_VOTED, f"You decided on {decision.id!r} at {mine.at}, and others have to now")
    if several and decision.trust is not None:
        raise refusal(
            NOT_ALLOWED,
            f"{decision.id!r} takes {deciders.quorum} people, so that nobody's trust stands in for it",
        )
    if several and decision.verdict == "approve" and decision.digest is None and pending.digest is not None:
        raise refusal(
            NOT_WHAT_WAS_SEEN,
            f"{decision.id!r} takes {deciders.quorum} people, who may change its arguments: approve it with "
            "the digest of the call that you saw",
        )


def _check_delegation(question: Question, deciders: Deciders, to: dict[str, str], who: Who) -> None:
    id_, person = question.pending.id, to.get("person")
    if len(question.delegations) >= _MOST_DELEGATIONS:
        raise refusal(NOT_ALLOWED, f"{id_!r} was handed on {_MOST_DELEGATIONS} times, which is the most")
    if person is None:
        return
    if deciders.four_eyes and _is_one_of(person, question.own):
        raise refusal(OWN_REQUEST, f"{person!r} asked for {id_!r}, and may not decide it")
    if _is_one_of(person, [who.name, *(each.by for each in question.delegations)]):
        raise refusal(NOT_ALLOWED, f"{person!r} hands on the decision on {id_!r}, and cannot get it")


def _counts(question: Question, deciders: Deciders, vote: Vote) -> bool:
    """Tell whether a vote still counts, for example after the policy changed."""
    decision = Decision(question.pending.id, "reject" if vote.verdict == "reject" else "approve", vote.by)
    who = Who(vote.by, vote.groups, vote.channel, verified=True)
    rejects = decision.verdict == "reject"
    try:
        _check_role(question, deciders, who, rejects=rejects)
    except ApplicationError:
        return False
    return deciders.through(who.channel, rejects=rejects)


def _is_entitled(question: Question, deciders: Deciders, name: str, groups: Sequence[str]) -> bool:
    """Tell whether a person is named, or somebody who is handed the decision on."""
    return deciders.includes(name, groups) or _handed(question, deciders, name, groups) is not None


def _handed(question: Question, deciders: Deciders, name: str, groups: Sequence[str]) -> int | None:
    """Return the number of the delegation by which a person may decide."""
    for i, each in enumerate(question.delegations):
        is_for = each.person == name or (each.group is not None and each.group in groups)
        before = replace(question, delegations=question.delegations[:i])
        if is_for and each.used_by in ("", name) and _is_entitled(before, deciders, each.by, each.groups):
            return i
    return None


def _taken(question: Question, who: Who) -> Question:
    """Return a question in which a delegation is taken by the person who decides through it."""
    deciders = deciders_of(question) or Deciders()
    if deciders.includes(who.name, who.groups):
        return question
    number = _handed(question, deciders, who.name, who.groups)
    if number is None:
        return question
    handed = [*question.delegations]
    handed[number] = replace(handed[number], used_by=who.name)
    return replace(question, delegations=handed)


def _proposed(pending: PendingApproval, decision: Decision) -> PendingApproval | None:
    """Return a question about the arguments of an edit; None if it is about them already."""
    digest = digest_of(pending.tool or "", decision.arguments)
    if digest == pending.digest:
        return None
    original = pending.arguments if pending.proposed_by is None else pending.original_arguments
    return replace(pending, arguments=decision.arguments, digest=digest, original_arguments=original)


def _proposer(pending: PendingApproval, who: Who) -> str | None:
    """Return who proposes the arguments; None if they are the original ones."""
    is_original = pending.digest == digest_of(pending.tool or "", pending.original_arguments)
    return None if is_original else who.name


def _is_one_of(name: str, names: Iterable[str]) -> bool:
    return same(name) in {same(each) for each in names}
