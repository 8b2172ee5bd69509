"""Values that cross between a workflow with a policy and those who change or read it. As in `_types`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, cast

from ._trusted import TrustedCalls
from ._values import brief, check_seconds, check_text

CHANGE_UPDATE = "change_approval_policy"
"""Update that takes a `PolicyChange` (as a JSON object) and returns its `ApprovalRecord`."""

POLICY_QUERY = "approval_policy"
"""Query that returns the `PolicyView` of a workflow."""

POLICY_QUESTION = "approval policy"
"""Name of the questions that a policy asks, and of the records of what it decides and how it changes.

If it asks about one call again, a number follows.
"""

WAITS = "It waits until the other calls of its message are decided"
"""The question of a call that the policy lets run as soon as no other call of its message waits. No person
sees it: the policy answers it at once."""

NO_POLICY = "NoPolicy"
MALFORMED_CHANGE = "MalformedChange"
TOO_MUCH_TRUST = "TooMuchTrust"
NOT_TRUSTED = "NotTrusted"

Kind = Literal["policy", "trust", "withdraw"]
KINDS: tuple[Kind, ...] = ("policy", "trust", "withdraw")


@dataclass(frozen=True)
class PolicyChange:
    """A change of a workflow's policy: the argument of the update.

    Attributes:
        kind: "policy": another policy. "trust": calls that run from now on. "withdraw": trust that ends.
        by: Who changes it, as stated. With a proof it may be empty: the proof tells.
        reason: Why.
        policy: With "policy": the policy's JSON.
        tool: With "trust" and "withdraw": the tool's name. None withdraws all trust.
        digest: With "trust" and "withdraw": the digest of the tool and the arguments; None is for all.
        seconds: With "trust": for how long, from when the workflow takes it; None is for good.
        proof: The ticket by which a worker vouches for who changes it.
    """

    kind: Kind
    by: str = ""
    reason: str | None = None
    policy: dict[str, Any] | None = None
    tool: str | None = None
    digest: str | None = None
    seconds: float | None = None
    proof: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that the update takes, with only the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_wire(cls, value: Any) -> "PolicyChange":
        """Return the change in an update's argument.

        Raises:
            TypeError: If it is no object.
            ValueError: If a field has a wrong value.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f'a change is an object like {{"kind", "by"}}, not {brief(value)}')
        given = cast("Mapping[str, Any]", value)
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"unknown field {', '.join(map(repr, unknown))}. Known: {known}")
        if given.get("kind") not in KINDS:
            raise ValueError(f"kind={brief(given.get('kind'))} is not one of {list(KINDS)}")
        is_proved = given.get("proof") is not None  # then it tells who changes it
        for name in ("by", "reason", "tool", "digest", "proof"):
            check_text(name, given.get(name), is_required=name == "by" and not is_proved)
        kind = given["kind"]
        if (kind == "policy") != (given.get("policy") is not None):
            raise ValueError("a policy belongs to the kind 'policy', and it needs one")
        if kind == "trust" and given.get("tool") is None:
            raise ValueError("trust needs the name of a tool")
        if given.get("digest") is not None and given.get("tool") is None:
            raise ValueError("a digest is of a tool and its arguments: name the tool too")
        check_seconds("seconds", given.get("seconds"))
        values: dict[str, Any] = {**given, "by": given.get("by") or ""}
        return cls(**values)


@dataclass(frozen=True)
class PolicyView:
    """The policy of a workflow: the answer to a query.

    Attributes:
        policy: The policy in force, as JSON; None if the workflow has none.
        policy_version: Its version.
        digest: Its digest (`ApprovalPolicy.digest`).
        trusted: What people trust.
    """

    policy: dict[str, Any] | None = None
    policy_version: str | None = None
    digest: str | None = None
    trusted: list[TrustedCalls] = field(default_factory=list[TrustedCalls])
