"""Who asks: a person who signed in, one whom a proxy or another app names, or the user of this machine."""

import asyncio
import getpass
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias, cast

from starlette.requests import Request

from strands_temporal import AgentTypeError, AgentValueError

from .._errors import NotVerifiedError, UnknownKeyError
from .._people import Credential, Person
from .._tickets import checked_groups, checked_name
from .._verifying import Verifier, VerifierLike

logger = logging.getLogger(__name__)

_LARGEST_TOKEN = 20_000
_REFRESH_AT_MOST = 5.0  # seconds between two reads of a verifier's keys because of unknown ones
_REFRESH_TIMEOUT = 10.0
_LONGEST_SESSION = timedelta(hours=24)


@dataclass(frozen=True)
class SignedIn:
    """Who asks.

    Attributes:
        person: The person.
        credential: The person's own proof, if it is passed on to the workflow.
    """

    person: Person
    credential: Credential | None = field(default=None, repr=False)


FindPerson: TypeAlias = Callable[[Request], Awaitable[Person | None] | Person | None]
"""Returns who sent a request, by the app around the inbox; None if nobody is signed in."""


class Verification:
    """Verifies credentials, outside of a worker: it also reads the verifiers' keys.

    Args:
        where: What the verifiers were given to, for errors.
        verify: A verifier or several; the first that accepts a credential counts.

    Raises:
        AgentTypeError: If one of them is neither a verifier nor a function.
    """

    def __init__(self, where: str, verify: VerifierLike | Sequence[VerifierLike]) -> None:
        given: Any = verify
        many = [*cast("Sequence[Any]", given)] if isinstance(given, Sequence) else [given]
        self._verifiers: list[Any] = []
        for each in many:
            if not isinstance(each, Verifier) and not callable(each):
                raise AgentTypeError(f"{where}: verify={each!r} is neither a Verifier nor a function")
            self._verifiers.append(each)
        if not self._verifiers:
            raise AgentValueError(f"{where}: there is no verifier")
        self._read_at: dict[int, float] = {}
        self._lock = asyncio.Lock()

    async def person(self, credential: Credential) -> Person | None:
        """Return who presents a credential; None if it proves nobody."""
        if len(credential.value) > _LARGEST_TOKEN:
            return None
        for each in self._verifiers:
            person = await self._verified(each, credential)
            if person is not None:
                return person
        return None

    async def _verified(self, verifier: Any, credential: Credential) -> Person | None:
        verify: Any = verifier.verify if isinstance(verifier, Verifier) else verifier
        if id(verifier) not in self._read_at:
            await self._refresh(verifier)
        person, is_key_unknown = _verdict(verify, credential)
        if is_key_unknown and await self._refresh(verifier):
            person, _ = _verdict(verify, credential)
        return person

    async def _refresh(self, verifier: Any) -> bool:
        """Read a verifier's keys again. Return whether it was done."""
        refresh = getattr(verifier, "refresh", None)
        if refresh is None:
            self._read_at[id(verifier)] = 0.0
            return False
        async with self._lock:
            now = time.monotonic()
            if now - self._read_at.get(id(verifier), float("-inf")) < _REFRESH_AT_MOST:
                return True  # somebody else's request just did
            self._read_at[id(verifier)] = now
            try:
                await asyncio.wait_for(refresh(), _REFRESH_TIMEOUT)
            except Exception:  # a user's verifier may raise anything; nobody is verified by it
                logger.exception("verifier=<%s> | its keys could not be read", type(verifier).__name__)
                return False
            return True


def _verdict(verify: Callable[[Credential], Person], credential: Credential) -> tuple[Person | None, bool]:
    """Return whom a verifier names, and whether it lacks a key. The log has no token."""
    try:
        person = verify(credential)
        return Person(checked_name("the name", person.name), checked_groups(person.groups)), False
    except NotVerifiedError as error:
        logger.warning("error=<%s> | a sign-in was not accepted", error)
        return None, isinstance(error, UnknownKeyError)
    except Exception as error:  # noqa: BLE001  # a user's verifier may raise anything: it verifies nobody
        logger.warning("error=<%s> | a verifier failed", type(error).__name__)
        return None, False


class SessionLogin:
    """People sign in with a token, on a page of the inbox.

    The token is verified once. The cookie then holds the person's name and groups, signed, and never the
    token. It is for the inbox alone (HttpOnly, SameSite=Strict, Secure other than on this machine).

    A session ends after its lifetime, or in the browser by signing out. A person who loses a group keeps it
    until then.

    Args:
        verify: A verifier (`strands_temporal_hitl.identity`), a function, or several of them.
        scheme: The credential's scheme.
        lifetime: How long a session lasts, at most 24 hours.

    Raises:
        AgentTypeError: If a verifier is none.
        AgentValueError: If there is no verifier, or the lifetime is too long.
    """

    def __init__(
        self,
        verify: VerifierLike | Sequence[VerifierLike],
        *,
        scheme: str = "bearer",
        lifetime: timedelta = timedelta(hours=1),
    ) -> None:
        if not timedelta(0) < lifetime <= _LONGEST_SESSION:
            raise AgentValueError(f"SessionLogin: lifetime={lifetime!r} is not above 0 and at most 24 hours")
        self.lifetime = lifetime
        self._scheme = scheme
        self._verification = Verification("SessionLogin", verify)

    async def person(self, token: str) -> Person | None:
        """Return who has a token; None if it is not accepted."""
        return await self._verification.person(Credential(self._scheme, token.strip()))


class ProxyHeader:
    """A proxy in front of the inbox signs people in, and names them in a header of each request.

    The header holds a proof, a JWT or a person signed for the inbox, and never a bare name: whoever reaches
    the inbox past the proxy could write one.

    Args:
        verify: A verifier (`strands_temporal_hitl.identity`), a function, or several of them.
        header: The header's name. A value that begins with `Bearer ` is taken without that.
        scheme: The credential's scheme.
        pass_on: Whether the workflow gets this credential, so that its worker verifies it again, and not one
            that the inbox signs.

    Raises:
        AgentTypeError: If a verifier is none.
        AgentValueError: If there is no verifier.
    """

    def __init__(
        self,
        verify: VerifierLike | Sequence[VerifierLike],
        *,
        header: str = "authorization",
        scheme: str = "bearer",
        pass_on: bool = False,
    ) -> None:
        self._header = header
        self._scheme = scheme
        self.pass_on = pass_on
        self._verification = Verification("ProxyHeader", verify)

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Return who sent a request; None if the header proves nobody."""
        value = request.headers.get(self._header, "")
        if value[:7].lower() == "bearer ":
            value = value[7:].strip()
        if not value:
            return None
        credential = Credential(self._scheme, value)
        person = await self._verification.person(credential)
        if person is None:
            return None
        return SignedIn(person, credential if self.pass_on else None)


class LocalUser:
    """The user of this machine, whom nobody verifies."""

    def person(self) -> Person:
        """Return the person by the operating system's name."""
        try:
            return Person(getpass.getuser())
        except (KeyError, OSError):  # a container without such a user
            return Person("local")
