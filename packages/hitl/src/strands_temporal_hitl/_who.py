"""Who makes a decision or a change, by its proof or by what it states. Times are arguments."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._tickets import TICKET_SECONDS, claims_of, not_verified

_KEPT_AFTER = 5 * 60
"""Seconds for which a used proof is remembered after it expired: the clocks of workers may differ."""


@dataclass(frozen=True)
class Who:
    """A person who decides.

    Attributes:
        name: The person.
        groups: The person's groups.
        channel: Where the person decides.
        verified: Whether a worker verified the person.
    """

    name: str
    groups: list[str] = field(default_factory=list[str])
    channel: str = ""
    verified: bool = False


class UsedProofs:
    """The proofs that a workflow took, each of which counts once.

    Args:
        used: When each of them expires, by its nonce: from an earlier run of the workflow.
        verified: Whether each decision needs a proof.
    """

    def __init__(self, used: dict[str, float], *, verified: bool) -> None:
        self._used = used
        self.verified = verified

    def who(self, proof: str | None, by: str, *, needed: bool = False, seen: bool = False) -> Who:
        """Return who decides.

        Args:
            proof: The ticket, which was verified before.
            by: Who decides, as stated.
            needed: Whether a proof is needed, even if this workflow takes decisions without one.
            seen: Whether this replays what was accepted, perhaps when none was needed.

        Raises:
            ApplicationError: If there has to be a proof, or it was used before.
        """
        if proof is None:
            if (self.verified or needed) and not seen:
                raise not_verified()
            return Who(by)
        claims = claims_of(proof)
        if claims.nonce in self._used:
            raise not_verified()
        return Who(claims.person, claims.groups, claims.channel, verified=True)

    def use(self, proof: str | None, now: datetime) -> None:
        """Note that a proof was used."""
        if proof is None:
            return
        seconds, claims = now.timestamp(), claims_of(proof)
        for nonce in [each for each, until in self._used.items() if until < seconds]:
            del self._used[nonce]
        # The claims come from a client, though a verified one: no proof is kept for long.
        until = min(claims.expires_at, seconds + 2 * TICKET_SECONDS)
        self._used[claims.nonce] = until + _KEPT_AFTER


def by_whom(who: Who) -> dict[str, Any]:
    """Return the fields of a record that tell who decided."""
    return {"verified": who.verified, "groups": who.groups, "channel": who.channel}
