"""The decisions of people in one turn of an agent, over all its pauses."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from strands.interventions.actions import default_evaluate

from strands_temporal.extension import CHANGED_CALL, DecidedCall

from ._in_force import by_policy
from ._policy_types import POLICY_QUESTION
from ._state import Granted, Place, Question, Ruled
from ._types import ApprovalRecord, ShownCall

if TYPE_CHECKING:
    from ._watch import Watch

_NO = ("rejected", "expired", "expired_failed", "withdrawn", "denied")

IN_CHILD = "in child"
"""The part of a place between a call of a child workflow and the calls in the child."""


@dataclass(frozen=True)
class Asked:
    """The subject of a question.

    Attributes:
        agent: Name of the agent that asks.
        outer: The calls of sub-agents that led to the question, outermost first.
        call: The tool call that waits, if it is about a single one.
        calls: All calls of a message, if it is about all of them.
        places: The places of these calls.
        tool_use_id: Id of the call.
        former_digest: The digest to which earlier releases bound a decision: the digest of the agent's own
            call, as the model made it.
        schema: JSON schema of the call's arguments, if people may edit them: the question is asked before the
            call runs.
        declared_safe: Whether the tool of the call is declared safe in code.
    """

    agent: str = ""
    outer: list[ShownCall] = field(default_factory=list[ShownCall])
    call: ShownCall | None = None
    calls: list[ShownCall] = field(default_factory=list[ShownCall])
    places: list[Place] = field(default_factory=list[Place])
    tool_use_id: str | None = None
    former_digest: str | None = None
    schema: dict[str, Any] | None = None
    declared_safe: bool = False


class Turn:
    """The decisions in one turn of an agent, a graph or a swarm, by the places of the calls.

    Args:
        granted: The calls that people allowed earlier in this turn, if the turn began in a previous run of
            the workflow.
        own: Who started the workflow, and who asked for the turn.
        ruled: The judge's rulings in this turn, in that case.
    """

    def __init__(self, granted: list[Granted], own: Sequence[str] = (), ruled: Sequence[Ruled] = ()) -> None:
        self.own = own
        self.reasons: dict[Place, str] = {}
        self.notes: dict[Place, str] = {}  # what the model is told of calls that ran
        self.watches: dict[Place, Watch] = {}
        self.judged: dict[Place, str] = {}  # the policy's answers for calls, as they were recorded
        self.denied: dict[Place, bool] = {}  # the calls to which people or the policy said no
        self.refused: dict[Place, bool] = {}  # the calls for whose policy's question the answer is no
        self.ruled: dict[Place, Ruled] = {tuple(each.place): each for each in ruled}  # by the judge
        self._granted = {tuple(each.place): each for each in granted}

    @property
    def granted(self) -> list[Granted]:
        """The calls that people allowed."""
        return list(self._granted.values())

    def decided(self, question: Question, record: ApprovalRecord) -> None:
        """Record the effect of a decision on the calls that the question was about."""
        places = question.places or ([[question.tool_use_id]] if question.tool_use_id else [])
        self._note_policy(question, record)
        if record.outcome in _NO:
            self.denied |= dict.fromkeys(map(tuple, places), True)
            if record.reason and len(places) == 1:
                self.reasons[tuple(places[0])] = record.reason
            return
        if record.outcome == "expired_approved":
            self._note_deadline(question)
        written = record.response if record.outcome == "responded" else None
        pending = question.pending
        if pending.name.startswith(CHANGED_CALL) and not (written is None or default_evaluate(written)):
            return
        calls = pending.calls or [ShownCall(pending.tool or "", pending.arguments)]
        for place, call in zip(question.places, calls, strict=False):  # some questions are about no call
            before = self._granted.get(tuple(place))
            granted = Granted(place, call.tool, call.arguments, written)
            if by_policy(record):
                times = before.by_policy if before else 0
                if before is None or times:
                    self._granted[tuple(place)] = replace(granted, by_policy=times + 1)
                continue
            if record.edited_arguments is not None:
                self._granted[tuple(place)] = _edited(granted, record, pending.name, before)
            elif before and before.edited is not None:
                edit = before.edited, before.edited_why, before.question
                self._granted[tuple(place)] = Granted(place, call.tool, call.arguments, written, *edit)
            else:
                self._granted[tuple(place)] = granted

    def _note_deadline(self, question: Question) -> None:
        """Note for the model that nobody decided. A call in a child workflow is noted at the child's call."""
        for place in question.places:
            below = place.index(IN_CHILD) if IN_CHILD in place else len(place)
            called = f"A call of {question.pending.tool!r} in it" if below < len(place) else "This call"
            text = f"{called} was approved at its deadline: nobody decided in time."
            self.notes[tuple(place[:below])] = text

    def _note_policy(self, question: Question, record: ApprovalRecord) -> None:
        pending = question.pending
        calls = pending.calls or [ShownCall(pending.tool or "", pending.arguments)]
        for place, call in zip(question.places, calls, strict=False):
            at = tuple(place)
            if by_policy(record):
                self.judged[at] = answer_text(call, record.outcome, record.layer, record.rule)
            if record.outcome in _NO and pending.name.startswith(POLICY_QUESTION):
                self.refused[at] = True

    def edit_of(self, place: Place) -> Granted | None:
        """Return the edit of the call at `place`, if a person changed its arguments."""
        granted = self._granted.get(place)
        return granted if granted and granted.edited is not None else None

    def exceeded(self, place: Place, call: ShownCall) -> Granted | None:
        """Return the call that a person allowed at `place` if `call` differs from it, else None."""
        granted = self._granted.get(place)
        if granted is not None and granted.by_policy:  # the policy judges the call as it is now
            return None
        allowed = granted is None or decided_call(granted).allows(call.tool, call.arguments)
        return None if allowed else granted

    def granted_to(self, place: Place, call: ShownCall, approved: Any) -> Granted | None:
        """Return what a person or the policy allowed at `place` with a yes, if it is `call`."""
        granted = self._granted.get(place)
        if granted is None or not decided_call(granted).allows(call.tool, call.arguments):
            return None
        written = granted.written
        return granted if written in (None, approved) or default_evaluate(written) else None

    def decided_in_child(self, place: Place, approved: Any) -> list[DecidedCall]:
        """Return the decisions on the calls in the child workflow of the call at `place`.

        Args:
            place: The place of the call.
            approved: The response to a question that means a yes.
        """
        at = (*place, IN_CHILD)
        found: dict[Place, DecidedCall] = {}
        for each, granted in self._granted.items():
            if each[: len(at)] == at:
                found[each] = replace(decided_call(granted), approved=approved)
        for each, reason in self.reasons.items():
            if each[: len(at)] == at:
                found[each] = replace(found.get(each, DecidedCall(approved=approved)), reason=reason)
        return [replace(one, path=list(each[len(at) :])) for each, one in found.items()]

    def forget(self, place: Place, *, but: Collection[str]) -> None:
        """Forget the decisions about the calls of the agent at `place`, which have ended.

        Args:
            place: The agent's place.
            but: Ids of its calls that have not ended.
        """
        below = len(place)
        by_call = (self._granted, self.reasons, self.notes, self.watches, self.judged)
        for kept in (*by_call, self.denied, self.refused, self.ruled):
            for each in [each for each in kept if len(each) > below and each[:below] == place]:
                if each[below] not in but:
                    del kept[each]


def answer_text(call: ShownCall, outcome: str, layer: str, rule: str | None) -> str:
    """Return the policy's answer for a call as text, to tell whether it is recorded already."""
    return json.dumps([call.tool, call.arguments, outcome, layer, rule or ""], sort_keys=True)


def decided_call(granted: Granted) -> DecidedCall:
    """Return an allowed call as core compares it with the call that runs."""
    return DecidedCall(
        [],
        granted.tool,
        granted.arguments,
        granted.written,
        edited=granted.edited,
        edited_why=granted.edited_why,
    )


def _edited(granted: Granted, record: ApprovalRecord, question: str, before: Granted | None) -> Granted:
    """Return what a person allows who edits a call.

    If another question about the call allowed other arguments, those stay the ones that are allowed: people
    are asked about the edited call before it runs. A question about a changed call replaces all earlier ones.
    """
    edited = record.edited_arguments or {}
    allowed = replace(
        granted, arguments=edited, edited=edited, edited_why=record.reason or "", question=record.id
    )
    if before is None or question.startswith(CHANGED_CALL):
        return allowed
    if decided_call(before).allows(allowed.tool, edited):
        return allowed
    return replace(allowed, tool=before.tool, arguments=before.arguments, written=before.written)
