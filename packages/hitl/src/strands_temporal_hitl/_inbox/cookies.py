"""What a browser keeps for the inbox: a signed cookie, and from it the token that each form carries."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from temporalio.exceptions import ApplicationError

from strands_temporal.extension import read_as

from .._sealed import seal, unseal, url_text

_SESSION = b"strands-temporal inbox session 1"
_FORM = b"strands-temporal inbox form 1"
_LARGEST = 4_000  # bytes; browsers keep no larger cookies


@dataclass(frozen=True)
class Session:
    """The content of the cookie. It holds no token of the person's.

    Attributes:
        id: A random number. The token of forms is bound to it.
        expires_at: Until when it counts, in seconds since 1970.
        person: Name of who signed in at the inbox; "" if something else says who asks.
        groups: The person's groups.
    """

    id: str
    expires_at: int
    person: str = ""
    groups: list[str] = field(default_factory=list[str])


_NAMES = [each.name for each in fields(Session)]


class Cookies:
    """Signs sessions and the tokens of forms.

    Args:
        keys: Keys; the first one signs, and each of them is accepted.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # Keys of their own: what is signed with the same key for a worker is no session.
        self._sessions = [hmac.digest(key, _SESSION, hashlib.sha256) for key in keys]
        self._forms = [hmac.digest(key, _FORM, hashlib.sha256) for key in keys]

    def new(self, lifetime: float, person: str = "", groups: Sequence[str] = ()) -> Session:
        """Return a new session."""
        return Session(secrets.token_urlsafe(18), int(time.time() + lifetime), person, list(groups))

    def sealed(self, session: Session) -> str:
        """Return a session as the cookie's value."""
        content = json.dumps(list(vars(session).values()), separators=(",", ":")).encode()
        return seal(content, self._sessions[0])

    def read(self, value: str | None) -> Session | None:
        """Return the session in a cookie; None if it is none of ours, or its time is over."""
        if not value or len(value) > _LARGEST or not value.isascii():
            return None
        try:
            body = unseal(value, self._sessions)
        except ValueError:
            return None
        if body is None:
            return None
        try:
            values = json.loads(body)
            session = read_as(Session, dict(zip(_NAMES, values, strict=True)))
        except (ApplicationError, ValueError, TypeError, RecursionError):  # of another release
            return None
        return session if time.time() < session.expires_at else None

    def form_token(self, *bound_to: str) -> str:
        """Return the token of forms that belong to a session and a person."""
        return self._form_token(self._forms[0], bound_to)

    def is_form_token(self, given: str, *bound_to: str) -> bool:
        """Tell whether a form's token is that of the session and the person."""
        wanted = [self._form_token(key, bound_to) for key in self._forms]
        good = [hmac.compare_digest(given.encode(), each.encode()) for each in wanted]
        return any(good)

    def _form_token(self, key: bytes, bound_to: Sequence[str]) -> str:
        return url_text(hmac.digest(key, json.dumps(bound_to).encode(), hashlib.sha256))
