"""Decides who may open a page, and proves to workflows who decides."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from .._errors import NotVerifiedError
from .._people import Credential, Person
from ..identity import sign_person
from .cookies import Cookies, Session
from .errors import PageError
from .requests import check_local, check_own_form, is_loopback, root_of
from .sign_in import FindPerson, LocalUser, ProxyHeader, SessionLogin, SignedIn

_COOKIE = "strands-inbox"
_BROWSER_SESSION = timedelta(hours=12)
_FRAMES = ("iframe", "frame", "embed", "object")


@dataclass(frozen=True)
class Visitor:
    """Who asks, and the token of this person's forms.

    Attributes:
        signed_in: The person.
        form_token: Each form carries it.
        is_verified: Whether somebody verified the person.
        new_session: A session to give to the browser; None if it has one.
    """

    signed_in: SignedIn
    form_token: str
    is_verified: bool
    new_session: Session | None = None

    @property
    def person(self) -> Person:
        """The person."""
        return self.signed_in.person


class Access:
    """Who may open the inbox.

    Args:
        authenticate: How people are found; None is the user of this machine, for requests from it.
        keys: Keys of cookies and forms, and of the proofs for workers; the first one signs.
        vouch: Whether the inbox proves to workflows who decides. Otherwise it states the name.
        people: Returns the groups of a person by the name, for links.
    """

    def __init__(
        self,
        authenticate: SessionLogin | ProxyHeader | FindPerson | None,
        keys: list[bytes],
        *,
        vouch: bool,
        people: Callable[[str], Person | None] | None,
    ) -> None:
        self._authenticate = authenticate
        self._keys = keys
        self._vouch = vouch
        self._people = people
        self.cookies = Cookies(keys)

    @property
    def login(self) -> SessionLogin | None:
        """How people sign in on a page; None if they do elsewhere."""
        return self._authenticate if isinstance(self._authenticate, SessionLogin) else None

    def check_source(self, request: Request) -> None:
        """Check where a request comes from, before anything else.

        Raises:
            PageError: It may not come from there.
        """
        if self._authenticate is None:
            check_local(request)
        if request.headers.get("sec-fetch-dest") in _FRAMES:
            raise PageError("Not in a frame", "The inbox does not open inside of another page.", 403)

    async def visitor(self, request: Request) -> Visitor | None:
        """Return who asks; None if nobody is signed in."""
        session = self.cookies.read(request.cookies.get(self._cookie_name(request)))
        signed_in = await self._signed_in(request, session)
        if signed_in is None:
            return None
        new = None
        if session is None:
            session = new = self.cookies.new(_BROWSER_SESSION.total_seconds())
        token = self.cookies.form_token(session.id, signed_in.person.name)
        return Visitor(signed_in, token, self._authenticate is not None, new)

    async def _signed_in(self, request: Request, session: Session | None) -> SignedIn | None:
        if self._authenticate is None:
            return SignedIn(LocalUser().person())
        if isinstance(self._authenticate, SessionLogin):
            known = session is not None and session.person
            return SignedIn(Person(session.person, session.groups)) if session and known else None
        if isinstance(self._authenticate, ProxyHeader):
            return await self._authenticate.signed_in(request)
        found: Any = self._authenticate(request)
        if isinstance(found, Awaitable):
            found = await cast("Awaitable[Any]", found)
        return SignedIn(found) if isinstance(found, Person) and found.name.strip() else None

    def check_form(self, request: Request, visitor: Visitor, form: dict[str, str]) -> None:
        """Check that a form is one of this inbox, shown to this person in this browser.

        Raises:
            PageError: It is not.
        """
        check_own_form(request)
        session = self.cookies.read(request.cookies.get(self._cookie_name(request)))
        if session is None or not self.cookies.is_form_token(
            form.get("token", ""), session.id, visitor.person.name
        ):
            text = "The page is too old, or was made for another person. Go back, reload it and try again."
            raise PageError("Open the page again", text, 403)

    # --- The page where people sign in

    def sign_in_token(self, request: Request) -> tuple[str, Session | None]:
        """Return the token of the sign-in form, and a session to give to the browser."""
        session = self.cookies.read(request.cookies.get(self._cookie_name(request)))
        new = None if session else self.cookies.new(_BROWSER_SESSION.total_seconds())
        return self.cookies.form_token((session or cast("Session", new)).id, "sign in"), new

    def check_sign_in(self, request: Request, form: dict[str, str]) -> None:
        """Check that a sign-in form is one of this inbox, shown in this browser.

        Raises:
            PageError: It is not.
        """
        check_own_form(request)
        session = self.cookies.read(request.cookies.get(self._cookie_name(request)))
        if session is None or not self.cookies.is_form_token(form.get("token", ""), session.id, "sign in"):
            text = "The page is too old, or the browser sent no cookie: but for this machine it needs https."
            raise PageError("Open the page again", text, 403)

    def keep(self, request: Request, response: Response, session: Session) -> None:
        """Give a session to the browser."""
        response.set_cookie(
            self._cookie_name(request),
            self.cookies.sealed(session),
            expires=session.expires_at,
            path=self._path(request),
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )

    def end(self, request: Request, response: Response) -> None:
        """Take the session from the browser."""
        response.delete_cookie(
            self._cookie_name(request),
            path=self._path(request),
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )

    def _cookie_name(self, request: Request) -> str:
        # Such a cookie cannot be set by another host of the same domain.
        return f"__Host-{_COOKIE}" if _is_secure(request) and not root_of(request) else _COOKIE

    def _path(self, request: Request) -> str:
        return root_of(request) or "/"

    # --- Proofs for the workflow

    def credential(self, visitor: Visitor, workflow_id: str, approval: str) -> Credential | None:
        """Return the proof of who decides a question; None if the name is only stated."""
        if visitor.signed_in.credential is not None:
            return visitor.signed_in.credential
        if self._authenticate is None:
            return None
        return self._signed(visitor.person, workflow_id, approval, "inbox")

    def link_credential(self, person: Person, workflow_id: str, approval: str) -> Credential | None:
        """Return the proof for a person who decides by a link."""
        return self._signed(self.known(person), workflow_id, approval, "link")

    def known(self, person: Person) -> Person:
        """Return the person of a link, with the groups of now if there is a way to know them.

        Raises:
            PageError: If the person is not known any more.
        """
        if self._people is None:
            return person
        found = self._people(person.name)
        if found is None:
            raise PageError("Not known", f"{person.name} is not known here any more.", 403)
        return found

    def _signed(self, person: Person, workflow_id: str, approval: str, channel: str) -> Credential | None:
        if not self._vouch:
            return None
        about = {"workflow_id": workflow_id, "id": approval}
        try:
            return sign_person(person, self._keys[0], channel=channel, about=about)
        except NotVerifiedError as error:  # the name or a group cannot be read
            raise PageError("You could not be verified", str(error), 403) from error


def _is_secure(request: Request) -> bool:
    """Tell whether cookies are for https alone. Behind a proxy that ends TLS, requests come by http."""
    host = request.url.hostname or ""
    return request.url.scheme == "https" or not (host == "localhost" or is_loopback(host))
