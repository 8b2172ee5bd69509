"""`Decision`: a person's answer to one question, and the checks of what a client sends."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast

from ._values import KEPT, brief, check_seconds, check_text, is_too_deep, wire_fault

Verdict = Literal["approve", "reject", "edit", "respond", "delegate"]

Trust = Literal["tool", "arguments"]

VERDICTS: tuple[Verdict, ...] = ("approve", "reject", "edit", "respond")
"""The kinds of decision that decide a question."""

_KNOWN_VERDICTS = (*VERDICTS, "delegate")
_TEXTS = ("id", "verdict", "by", "reason", "digest", "proof")
_REQUIRED = ("id", "verdict", "by")


@dataclass(frozen=True)
class Decision:
    """A person's answer to one question: the argument of the update.

    Attributes:
        id: Id of the question.
        verdict: The kind of decision.
        by: Who decides. Temporal does not check it: anyone who may send the update can claim any name, so
            authenticate people first, or let the worker verify them. With a proof it may be empty: the proof
            tells.
        reason: Why. The model also reads the reason of a rejection or an edit.
        response: With "respond": the value that Strands gets, not None.
        digest: Digest of the call that the person saw. If the waiting call has a different digest, the
            decision is refused. An edit needs it.
        early: Whether to keep the decision if the question was not asked yet.
        arguments: With "edit": all arguments with which the call runs.
        trust: With "approve", if the workflow has a policy: whether further calls of the "tool", or further
            calls with the same "arguments", run without a question.
        trust_seconds: How long they are trusted; None is for the rest of the workflow.
        to: With "delegate": the "person" or the "group" who decides instead.
        proof: The ticket by which a worker vouches for who decides.
    """

    id: str
    verdict: Verdict
    by: str = ""
    reason: str | None = None
    response: Any = None
    digest: str | None = None
    early: bool = False
    arguments: dict[str, Any] | None = None
    trust: Trust | None = None
    trust_seconds: float | None = None
    to: dict[str, str] | None = None
    proof: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that the update takes, with only the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)} | (
            {"response": self.response} if self.response is not None else {}
        )

    @classmethod
    def from_wire(cls, value: Any) -> "Decision":
        """Return the decision in an update's argument.

        Raises:
            TypeError: If it, or a field of it, is of a wrong type.
            ValueError: If a field has a wrong value.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f'a decision is an object like {{"id", "verdict", "by"}}, not {brief(value)}')
        given = cast("Mapping[str, Any]", value)
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"unknown field {', '.join(map(repr, unknown))}. Known: {known}")
        is_proved = given.get("proof") is not None  # then it tells who decides
        for name in _TEXTS:
            is_required = name in _REQUIRED and not (name == "by" and is_proved)
            check_text(name, given.get(name), is_required=is_required)
        if given["verdict"] not in _KNOWN_VERDICTS:
            raise ValueError(f"verdict={brief(given['verdict'])} is not one of {list(_KNOWN_VERDICTS)}")
        if (given["verdict"] == "respond") != (given.get("response") is not None):
            raise ValueError("a response belongs to the verdict 'respond', and may not be null there")
        if not isinstance(given.get("early", False), bool):
            raise TypeError(f"early={brief(given['early'])} is not true or false")
        if wire_fault(given.get("response")) or is_too_deep(given.get("response")):
            raise ValueError(f"response cannot be kept: {KEPT}")
        _check_edit(given)
        _check_trust(given)
        _check_delegation(given)
        values: dict[str, Any] = {**given, "by": given.get("by") or ""}
        return cls(**values)


def _check_edit(given: Mapping[str, Any]) -> None:
    arguments = given.get("arguments")
    if (given["verdict"] == "edit") != (arguments is not None):
        raise ValueError("arguments belong to the verdict 'edit', and it needs them")
    if arguments is None:
        return
    if not isinstance(arguments, dict):
        raise TypeError(
            f"arguments={brief(arguments)} is not an object with all arguments of the call, by their names"
        )
    if wire_fault(arguments) or is_too_deep(cast("Any", arguments)):
        raise ValueError(f"arguments cannot be kept: {KEPT}")
    if given.get("digest") is None:
        raise ValueError(
            "an edit needs the digest of the call that the person saw. A question about no call takes no edit"
        )


def _check_trust(given: Mapping[str, Any]) -> None:
    trust, seconds = given.get("trust"), given.get("trust_seconds")
    if trust is not None and (trust not in ("tool", "arguments") or given["verdict"] != "approve"):
        raise ValueError(
            f"trust={brief(trust)} is not 'tool' or 'arguments', or the verdict is not 'approve'"
        )
    if seconds is not None and trust is None:
        raise ValueError("trust_seconds belongs to trust")
    check_seconds("trust_seconds", seconds)


def _check_delegation(given: Mapping[str, Any]) -> None:
    to = given.get("to")
    if (given["verdict"] == "delegate") != (to is not None):
        raise ValueError("to belongs to the verdict 'delegate', and it needs it")
    if to is None:
        return
    values = cast("dict[Any, Any]", to) if isinstance(to, dict) else {}
    if len(values) != 1 or not values.keys() <= {"person", "group"}:
        raise ValueError(f'to={brief(to)} is neither {{"person": name}} nor {{"group": name}}')
    for name, value in values.items():
        check_text(f"to.{name}", value, is_required=True)
