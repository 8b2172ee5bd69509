"""The console: a page in the browser, and below it the app that it talks to."""

import hmac
import mimetypes
import secrets
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from strands_temporal.extension import ConsolePart

from .access import Access, check_local
from .error_responses import error_handlers
from .errors import NOT_ALLOWED, NOT_FOUND, UNREACHABLE, WebError

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
"""Headers of all files of the page. It runs its own scripts alone, and sends nothing elsewhere."""

_TOKEN_HEADER = "x-console-token"  # noqa: S105  # the name of a header


class Dev(Protocol):
    """A `strands-temporal dev` on this machine."""

    @property
    def ui_url(self) -> str | None:
        """Address of its Web UI."""
        ...

    async def kill_worker(self) -> int | None:
        """Kill its worker. Return the process id; None if no worker runs."""
        ...


class Console:
    """The console's own endpoints. `console_app` makes it.

    Args:
        api: The app that the page talks to.
        namespace: The client's namespace.
        agents: Names of the agents, if they were given.
        access: Who may do what.
        temporal_ui: Address of Temporal's Web UI.
        dev: Returns the `strands-temporal dev` whose worker the page may kill. None where there is none.
        parts: Pages of other packages, by their paths.
    """

    def __init__(
        self,
        api: Starlette,
        *,
        namespace: str,
        agents: Sequence[str],
        access: Access,
        temporal_ui: str | None,
        dev: Callable[[], Dev | None] | None = None,
        parts: Mapping[str, ConsolePart] | None = None,
    ) -> None:
        self._api = api
        self._parts = parts or {}
        self._namespace = namespace
        self._agents = agents
        self._access = access
        self._temporal_ui = temporal_ui
        self._dev = dev
        self._token = secrets.token_urlsafe(24)
        self._files = _page()

    def starlette(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/assets/{name}", self._asset),
                Route("/settings", self._settings),
                Route("/dev/kill-worker", self._kill_worker, methods=["POST"]),
                Mount("/api", self._api),
                *(Mount(f"/{path}", part.app) for path, part in self._parts.items()),
            ],
            exception_handlers=error_handlers(),
        )

    async def _index(self, request: Request) -> Response:
        await self._check(request)
        return self._file("index.html")

    async def _asset(self, request: Request) -> Response:
        await self._check(request)
        return self._file(request.path_params["name"])

    def _file(self, name: str) -> Response:
        content = self._files.get(name)
        if content is None:
            raise WebError(f"There is no file {name[:50]!r}", NOT_FOUND, 404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        kind = "text/javascript" if name.endswith(".js") else kind
        return Response(content, headers=_HEADERS, media_type=kind)

    async def _settings(self, request: Request) -> Response:
        """Tell the page what the server knows."""
        await self._check(request)
        dev = self._running_dev()
        told = {
            "namespace": self._namespace,
            "temporalUi": self._temporal_ui or (dev.ui_url if dev else None),
            "dev": {"token": self._token} if dev else None,
            "parts": [{"title": part.title, "path": f"{path}/"} for path, part in self._parts.items()],
        }
        return JSONResponse(told, headers=_HEADERS)

    async def _kill_worker(self, request: Request) -> Response:
        """Kill dev's worker. Only a page of this server has the token, and only on this machine."""
        check_local(request)
        self._access.check_source(request)
        token = request.headers.get(_TOKEN_HEADER, "")
        if "origin" not in request.headers or not hmac.compare_digest(token.encode(), self._token.encode()):
            raise WebError("Only the console's own page may do this", NOT_ALLOWED, 403)
        dev = self._running_dev()
        if dev is None:
            raise WebError("No `strands-temporal dev` runs the worker", NOT_FOUND, 404)
        try:
            killed = await dev.kill_worker()
        except OSError as error:
            raise WebError(f"`strands-temporal dev` does not answer: {error}", UNREACHABLE, 503) from error
        return JSONResponse({"killed": killed}, headers=_HEADERS)

    def _running_dev(self) -> Dev | None:
        return self._dev() if self._dev is not None and self._access.is_local else None

    async def _check(self, request: Request) -> None:
        """Refuse who may use none of the agents."""
        self._access.check_source(request)
        if self._access.is_local:
            return
        for name in self._agents:
            if await self._access.may(request, name, None):
                return
        raise WebError("This is not allowed", NOT_ALLOWED, 403)


def _page() -> dict[str, bytes]:
    """Return the files of the page, by name."""
    folder = files("strands_temporal_streaming") / "_page"
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
