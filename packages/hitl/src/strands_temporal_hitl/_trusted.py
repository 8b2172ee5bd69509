"""What people trust in one workflow: calls that run without another question."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ._decision import Trust

MOST_TRUSTED = 200
"""How many entries a workflow keeps. Expired ones are dropped first."""


@dataclass(frozen=True)
class TrustedCalls:
    """Calls of a tool that a person trusts for the rest of the workflow, over all of its runs.

    Attributes:
        tool: Name of the tool.
        digest: Digest of the tool and the arguments that are trusted; None trusts all arguments.
        until: When it expires, in the workflow's time; None if never.
        by: Who trusts them.
        at: Since when.
        reason: Why; its first 1,000 characters. The record has all of it.
        groups: The groups of who trusts them, at that time.
        channel: Where the person decided so.
        verified: Whether a worker verified the person.
    """

    tool: str
    digest: str | None = None
    until: str | None = None
    by: str = ""
    at: str = ""
    reason: str | None = None
    groups: list[str] = field(default_factory=list[str])
    channel: str = ""
    verified: bool = False

    @property
    def kind(self) -> Trust:
        """What is trusted: the tool, or one call's arguments."""
        return "tool" if self.digest is None else "arguments"

    @property
    def text(self) -> str:
        """What is trusted, for a record."""
        return self.tool if self.digest is None else f"{self.tool} with {self.digest}"

    def counts(self, now: datetime | None) -> bool:
        """Tell whether it has not expired."""
        return self.until is None or (now is not None and now < datetime.fromisoformat(self.until))


def trusting(trusted: Sequence[TrustedCalls], new: TrustedCalls, now: datetime) -> list[TrustedCalls]:
    """Return what is trusted with a new entry, which takes the place of one for the same calls."""
    kept = [
        each for each in trusted if each.counts(now) and (each.tool, each.digest) != (new.tool, new.digest)
    ]
    return [*kept, new]


def withdrawn(trusted: Sequence[TrustedCalls], tool: str | None, digest: str | None) -> list[TrustedCalls]:
    """Return what is still trusted when trust is withdrawn.

    Args:
        trusted: What was trusted.
        tool: The tool; None withdraws everything.
        digest: The arguments' digest; None withdraws all trust in the tool.
    """
    return [
        each
        for each in trusted
        if tool is not None and (each.tool != tool or digest not in (None, each.digest))
    ]
