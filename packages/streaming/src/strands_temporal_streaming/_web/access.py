"""Who may use the app: where a request comes from, and what `authorize` says of the person."""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from starlette.requests import Request

from .errors import NOT_ALLOWED, WebError

Authorize: TypeAlias = Callable[[Request, str, str | None], bool | str | Awaitable[bool | str]]
"""Tells whether a request may use an agent, and a thread of it if there is one. It returns the name of the
person, which decisions record, or True or False."""

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Access:
    """Decides about requests.

    Args:
        authorize: The user's function. Without it, requests from this machine may do everything.
        origins: Origins of other sites whose pages may use the app.
    """

    def __init__(self, authorize: Authorize | None, origins: Sequence[str]) -> None:
        self._authorize = authorize
        self.origins = frozenset(origins)

    def check_source(self, request: Request) -> None:
        """Check where a request comes from, before anything else.

        Raises:
            WebError: If it is of another site's page; or of another machine, without `authorize`.
        """
        self._check_origin(request)
        if self.is_local:
            check_local(request)

    @property
    def is_local(self) -> bool:
        """Whether the app is for this machine alone."""
        return self._authorize is None

    async def may(self, request: Request, agent: str, thread: str | None) -> bool:
        """Tell whether a request may use an agent, and a thread of it if there is one."""
        return await self.person(request, agent, thread) is not None

    async def check(self, request: Request, agent: str, thread: str | None) -> str:
        """Return who asks.

        Raises:
            WebError: If they may not.
        """
        by = await self.person(request, agent, thread)
        if by is None:
            raise WebError("This is not allowed", NOT_ALLOWED, 403)
        return by

    async def person(self, request: Request, agent: str, thread: str | None) -> str | None:
        """Return who asks; None if they may not."""
        if self._authorize is None:
            return "local"
        answer: Any = self._authorize(request, agent, thread)
        if isinstance(answer, Awaitable):
            answer = await cast("Awaitable[Any]", answer)
        if isinstance(answer, str) and answer:
            return answer
        return "web" if answer is True else None

    def _check_origin(self, request: Request) -> None:
        """Refuse requests of pages of other sites, which a browser sends with the person's cookies."""
        origin = request.headers.get("origin")
        if origin is None or origin in self.origins:
            return
        if urlsplit(origin).netloc != request.headers.get("host", ""):
            raise WebError(f"Pages of {origin[:100]!r} may not use this server", NOT_ALLOWED, 403)


def check_local(request: Request) -> None:
    """Refuse what does not come from this machine: without `authorize` nobody is asked who they are.

    A page of another site could reach this server through the person's browser, so the host must be a
    local name as well. What a proxy passes on comes from elsewhere.

    Raises:
        WebError: It does not.
    """
    client = request.client.host if request.client else ""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    passed_on = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    if not _is_loopback(client) or host not in _LOCAL_HOSTS or passed_on:
        raise WebError(
            "This server answers only this machine. Give agent_app(authorize=...) to open it",
            NOT_ALLOWED,
            403,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
