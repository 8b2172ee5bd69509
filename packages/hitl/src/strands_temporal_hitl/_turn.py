"""The decisions of people in one turn of an agent, over all its pauses."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from strands.interventions.actions import default_evaluate

from ._shown import digest_of
from ._state import Granted, Place, Question
from ._types import ApprovalRecord, ShownCall

if TYPE_CHECKING:
    from ._watch import Watch

CHANGED = "changed call"
"""Prefix of the names of questions about a call that has changed since a person allowed it."""


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
    """

    agent: str = ""
    outer: list[ShownCall] = field(default_factory=list[ShownCall])
    call: ShownCall | None = None
    calls: list[ShownCall] = field(default_factory=list[ShownCall])
    places: list[Place] = field(default_factory=list[Place])
    tool_use_id: str | None = None
    former_digest: str | None = None


class Turn:
    """The decisions in one turn of an agent, a graph or a swarm, by the places of the calls.

    Args:
        granted: The calls that people allowed earlier in this turn, if the turn began in a previous run of
            the workflow.
    """

    def __init__(self, granted: list[Granted]) -> None:
        self.reasons: dict[Place, str] = {}
        self.watches: dict[Place, Watch] = {}
        self._granted = {tuple(each.place): each for each in granted}

    @property
    def granted(self) -> list[Granted]:
        """The calls that people allowed."""
        return list(self._granted.values())

    def decided(self, question: Question, record: ApprovalRecord) -> None:
        """Record what a decision means for the calls that the question was about."""
        places = question.places or ([[question.tool_use_id]] if question.tool_use_id else [])
        if record.outcome in ("rejected", "expired", "withdrawn"):
            if record.reason and len(places) == 1:
                self.reasons[tuple(places[0])] = record.reason
            return
        written = record.response if record.outcome == "responded" else None
        if question.pending.name.startswith(CHANGED) and not (written is None or default_evaluate(written)):
            return
        pending = question.pending
        calls = pending.calls or [ShownCall(pending.tool or "", pending.arguments)]
        for place, call in zip(question.places, calls, strict=False):  # some questions are about no call
            self._granted[tuple(place)] = Granted(place, call.tool, call.arguments, written)

    def exceeded(self, place: Place, call: ShownCall) -> Granted | None:
        """Return the call that a person allowed at `place` if `call` differs from it, else None."""
        granted = self._granted.get(place)
        if granted is None or _same([granted.tool, granted.arguments], [call.tool, call.arguments]):
            return None
        return None if _is_written(granted, call) else granted

    def forget(self, place: Place) -> None:
        """Forget the decisions about the calls of the agent at `place`: the calls have ended."""
        below = len(place)
        for kept in (self._granted, self.reasons, self.watches):
            for each in [each for each in kept if len(each) > below and each[:below] == place]:
                del kept[each]


def _same(one: Any, other: Any) -> bool:
    return digest_of("", one) == digest_of("", other)  # compared as JSON text, because in Python 1 == True


def _is_written(granted: Granted, call: ShownCall) -> bool:
    """Tell whether a call differs from the granted one only by what the person answered.

    If it does, the person need not be asked again. An answer that is an object must contain each changed
    argument under its name. Any other answer must equal each changed argument. True and false never do: too
    many arguments have these values.
    """
    written, before, after = granted.written, granted.arguments, call.arguments
    if written is None or granted.tool != call.tool:
        return False
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return False
    old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
    changed = [name for name in new if name not in old or not _same(old[name], new[name])]
    if isinstance(written, dict):
        said = cast("dict[str, Any]", written)
        return old.keys() <= new.keys() and all(n in said and _same(said[n], new[n]) for n in changed)
    return (
        old.keys() <= new.keys()
        and not isinstance(written, bool)
        and all(_same(written, new[n]) for n in changed)
    )
