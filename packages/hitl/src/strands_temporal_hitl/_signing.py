"""People whom a trusted front end or a proxy vouches for, by a key that it shares with the workers."""

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from ._errors import NotVerifiedError
from ._people import Credential, Person, SignedPerson
from ._tickets import checked_groups, checked_keys, checked_name, opened, signed

SIGNED = "signed"
"""The scheme of such a credential."""

_LONGEST = timedelta(days=1)
_ABOUT = ("workflow_id", "id")


def sign_person(
    person: Person,
    key: str | bytes,
    *,
    channel: str = "",
    expires_in: timedelta = timedelta(seconds=60),
    about: Mapping[str, str] | None = None,
) -> Credential:
    """Return the credential of a person whom the caller has authenticated. A `SignedVerifier` accepts it.

    It counts for one decision of a workflow.

    Args:
        person: The person.
        key: The key, which the workers' `SignedVerifier` has too.
        channel: Where the person decides, for the record and for rules about channels.
        expires_in: How long it counts, at most a day.
        about: The "workflow_id" and the question's "id" that it is for; None is for any.

    Raises:
        NotVerifiedError: If the person's name or a group is no readable text.
        TypeError: If the key is neither text nor bytes.
        ValueError: If the key is shorter than 32 bytes, `expires_in` is not positive or too long, or `about`
            names something else.
    """
    (secret,) = checked_keys("sign_person", [key])
    if not timedelta(0) < expires_in <= _LONGEST:
        raise ValueError(f"sign_person: expires_in={expires_in!r} is not above 0 and at most a day")
    if unknown := sorted(set(about or {}) - set(_ABOUT)):
        raise ValueError(f"sign_person: about= has {unknown[0]!r}. Known: {list(_ABOUT)}")
    payload = {
        "name": checked_name("the name", person.name),
        "groups": checked_groups(person.groups),
        "channel": channel and checked_name("the channel", channel),
        "about": dict(about) if about else None,
        "expires_at": round(time.time() + expires_in.total_seconds(), 3),
        "nonce": secrets.token_urlsafe(16),
    }
    return Credential(SIGNED, signed("person", payload, secret))


class SignedVerifier:
    """Accepts people whom a trusted front end signed with `sign_person`.

    Args:
        keys: The keys that are accepted, of at least 32 bytes each. Not the ones of `ticket_keys`: who has
            a key can claim to be anybody.

    Raises:
        TypeError: If they are no list of texts or bytes.
        ValueError: If there is none, or one is too short.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        self._keys = checked_keys("SignedVerifier", keys)

    def verify(self, credential: Credential) -> Person:
        """See `Verifier`."""
        if credential.scheme != SIGNED:
            raise NotVerifiedError(f"the scheme is not {SIGNED!r}")
        given = opened("person", credential.value, self._keys)
        now, expires_at = time.time(), given.get("expires_at")
        if (
            not isinstance(expires_at, (int, float))
            or not now < expires_at <= now + 2 * _LONGEST.total_seconds()
        ):
            raise NotVerifiedError("it has expired")
        about: Any = given.get("about")
        if about is not None and not isinstance(about, dict):
            raise NotVerifiedError("it is about nothing that can be compared")
        return SignedPerson(
            checked_name("the name", given.get("name")),
            checked_groups(given.get("groups", [])),
            str(given.get("channel", "")),
            cast("dict[str, Any] | None", about),
            str(given.get("nonce", "")),
        )
