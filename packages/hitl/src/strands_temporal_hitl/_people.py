"""People who decide: the proof of who they are, and their votes. They cross between processes."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Credential:
    """What a client presents to prove who decides. It goes to a worker in a query, and is never in history.

    Attributes:
        scheme: Its kind: "bearer" for a token, "signed" for a person whom a front end vouches for, or any
            name that the worker's verifier knows.
        value: The proof itself, a secret.
    """

    scheme: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class Person:
    """A verified person.

    Attributes:
        name: The name that records hold.
        groups: The groups that the person belongs to.
    """

    name: str
    groups: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class SignedPerson(Person):
    """A person whose proof says more than who it is. A verifier may return one.

    Attributes:
        channel: Where the person decides. It counts instead of what the client states.
        about: The "workflow_id" and the question's "id" that the proof is for; None is for any.
        nonce: If given, one decision of a workflow counts for it.
    """

    channel: str = ""
    about: dict[str, Any] | None = None
    nonce: str = ""


@dataclass(frozen=True)
class Vote:
    """One person's part of a decision that takes several people.

    Attributes:
        by: The person.
        verdict: What the person decided: "approve", "reject" or "edit".
        at: When.
        reason: Why.
        digest: Digest of the call that the person saw.
        groups: The person's groups at that time.
        channel: Where the person decided.
    """

    by: str
    verdict: str
    at: str = ""
    reason: str | None = None
    digest: str | None = None
    groups: list[str] = field(default_factory=list[str])
    channel: str = ""
