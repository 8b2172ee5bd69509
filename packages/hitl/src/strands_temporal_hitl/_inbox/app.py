"""The inbox's ASGI app: routes and endpoints."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from .._client import ApprovalsClient
from .._errors import ApprovalsError
from .._types import PendingApproval
from .access import Access, Visitor
from .conversation import said_before
from .decisions import TRUST_TIMES, Chosen, decision_of, refused, send
from .errors import PageError
from .forms import blank_edit, read_edit
from .index import WaitingIndex
from .link_pages import LinkPages
from .listing import GROUPS, Filter, listing
from .pages import HEADERS, LINK_HEADERS, Pages
from .questions import Found, find, used_by, version_of, view
from .requests import form_of, root_of
from .values import changes

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
_ForVisitors: TypeAlias = Callable[[Request, Visitor], Awaitable[Response]]

_TIMEOUT = timedelta(seconds=15)
_LONGEST_ID = 2_000


class Inbox:
    """The inbox's endpoints. `inbox_app` makes it.

    Args:
        client: The Temporal client.
        access: Who may open it.
        links_keys: Keys of the links; None if there are no links.
        workflow_types: Types whose open workflows are all asked.
        home: Title and path of the page that the inbox is a part of.
    """

    def __init__(
        self,
        client: Client,
        access: Access,
        *,
        links_keys: list[bytes] | None,
        workflow_types: Sequence[str],
        home: tuple[str, str] | None,
    ) -> None:
        self._client = client
        self._access = access
        self._approvals = ApprovalsClient(client, timeout=_TIMEOUT)
        self._index = WaitingIndex(client, workflow_types)
        self._home = home
        self._pages = Pages()
        self._links = (
            LinkPages(self._approvals, access, self._pages, links_keys, client.namespace)
            if links_keys
            else None
        )

    def starlette(self) -> Starlette:
        """Return the ASGI app."""
        visitors: list[tuple[str, str, _ForVisitors]] = [
            ("GET", "/", self._list),
            ("GET", "/question", self._question),
            ("GET", "/edit", self._edit),
            ("GET", "/version", self._version),
            ("POST", "/review", self._review),
            ("POST", "/decide", self._decide),
            ("POST", "/sign-out", self._sign_out),
        ]
        routes = [Route(path, self._for_visitors(answer), methods=[way]) for way, path, answer in visitors]
        routes.append(Route("/assets/{name}", self._guarded(self._asset)))
        if self._access.login is not None:
            routes.append(Route("/sign-in", self._guarded(self._sign_in)))
            routes.append(Route("/sign-in", self._guarded(self._take_sign_in), methods=["POST"]))
        if self._links is not None:
            routes.append(Route("/link/{token}", self._show_link))
            routes.append(Route("/link/{token}", self._decide_link, methods=["POST"]))
        handlers: Any = {PageError: self._error, HTTPException: self._http_error}
        return Starlette(routes=routes, exception_handlers=handlers)

    # --- What waits

    async def _list(self, request: Request, visitor: Visitor) -> Response:
        chosen = Filter.of(request.query_params)
        found = listing(await self._index.waiting(), chosen, visitor.person)
        if found.shown:  # those on this page are asked again sooner than the others
            found = listing(await self._index.waiting(found.shown), chosen, visitor.person)
        return self._page(request, visitor, "list.html", chosen=chosen, listing=found, groupings=GROUPS)

    async def _question(self, request: Request, visitor: Visitor) -> Response:
        workflow_id, id_ = _named(request.query_params)
        found, said = await asyncio.gather(
            find(self._approvals, workflow_id, id_), said_before(self._client, workflow_id)
        )
        if found.pending is None and not found.records:
            text = "The workflow does not know this question, or has ended without an answer to it."
            raise PageError("No such question", text, 404)
        return self._page(
            request,
            visitor,
            "question.html",
            found=found,
            question=view(found.pending, visitor.person) if found.pending else None,
            said=said,
            request_id=secrets.token_urlsafe(12),
            trust_times=TRUST_TIMES,
        )

    async def _version(self, request: Request, visitor: Visitor) -> Response:
        """Tell the page's script whether a question is still as it is shown."""
        workflow_id, id_ = _named(request.query_params)
        pending = await self._pending(workflow_id, id_)
        return Response(version_of(pending), headers=HEADERS, media_type="text/plain")

    # --- Other arguments

    async def _edit(self, request: Request, visitor: Visitor) -> Response:
        workflow_id, pending = await self._waiting(*_named(request.query_params))
        edit = blank_edit(pending)
        question = view(pending, visitor.person)
        return self._page(
            request, visitor, "edit.html", edit=edit, workflow_id=workflow_id, question=question, reason=""
        )

    async def _review(self, request: Request, visitor: Visitor) -> Response:
        """Show what a person changed, before it is sent; or the form again, with what is wrong."""
        form = await self._form(request, visitor)
        workflow_id, pending = await self._waiting(*_named(form))
        if form.get("digest") != pending.digest:
            text = "The arguments changed while you edited them. Open the question again."
            raise PageError("The question has changed", text, 409)
        edit = read_edit(pending, form)
        values: dict[str, Any] = {
            "workflow_id": workflow_id,
            "question": view(pending, visitor.person),
            "edit": edit,
            "reason": form.get("reason", ""),
        }
        if edit.arguments is None:
            return self._page(request, visitor, "edit.html", status=422, **values)
        values["changes"] = changes(pending.arguments, edit.arguments)
        values["request_id"] = secrets.token_urlsafe(12)
        return self._page(request, visitor, "review.html", **values)

    # --- Decisions

    async def _decide(self, request: Request, visitor: Visitor) -> Response:
        form = await self._form(request, visitor)
        workflow_id, id_ = _named(form)
        found = await find(self._approvals, workflow_id, id_)
        number = form.get("request") or secrets.token_urlsafe(12)  # of the page: a form counts once
        request_id = f"inbox-{visitor.person.name}-{number}"[:1_000]
        after = RedirectResponse(f"{root_of(request)}/question?{found.query}", 303, HEADERS)
        if used_by(found.records, request_id) is not None:  # the form was sent before
            return after
        if found.pending is None:
            raise PageError("Already decided", _what_became_of(found), 409)
        decision = decision_of(form, found.pending, visitor.person)
        credential = self._access.credential(visitor, workflow_id, id_)
        try:
            await send(self._approvals, Chosen(workflow_id, decision, request_id, credential))
        finally:
            self._index.forget(workflow_id)
        return after  # so that a page that is reloaded sends nothing

    async def _waiting(self, workflow_id: str, id_: str) -> tuple[str, PendingApproval]:
        pending = await self._pending(workflow_id, id_)
        if pending is None:
            raise PageError("Already decided", "This question does not wait any more.", 409)
        return workflow_id, pending

    async def _pending(self, workflow_id: str, id_: str) -> PendingApproval | None:
        try:
            waiting = await self._approvals.pending(workflow_id)
        except ApprovalsError as error:
            raise refused(error) from error
        return next((each for each in waiting if each.id == id_), None)

    # --- Signing in

    async def _sign_in(self, request: Request) -> Response:
        return self._sign_in_page(request, request.query_params.get("next", ""))

    async def _take_sign_in(self, request: Request) -> Response:
        form = await form_of(request)
        self._access.check_sign_in(request, form)
        login = self._access.login
        person = await login.person(form.get("proof", "")) if login else None
        if login is None or person is None:
            return self._sign_in_page(request, form.get("next", ""), refused=True)
        response = RedirectResponse(f"{root_of(request)}{_own_path(form.get('next', ''))}", 303, HEADERS)
        session = self._access.cookies.new(login.lifetime.total_seconds(), person.name, person.groups)
        self._access.keep(request, response, session)
        return response

    def _sign_in_page(self, request: Request, following: str, *, refused: bool = False) -> Response:
        token, new = self._access.sign_in_token(request)
        response = self._pages.page(
            request,
            "sign_in.html",
            status=401 if refused else 200,
            form_token=token,
            following=_own_path(following),
            refused=refused,
        )
        if new is not None:
            self._access.keep(request, response, new)
        return response

    async def _sign_out(self, request: Request, visitor: Visitor) -> Response:
        await self._form(request, visitor)
        response = RedirectResponse(f"{root_of(request)}/", 303, HEADERS)
        self._access.end(request, response)
        return response

    # --- Links

    async def _show_link(self, request: Request) -> Response:
        assert self._links is not None  # noqa: S101  # else there is no route
        return await self._links.show(request)

    async def _decide_link(self, request: Request) -> Response:
        assert self._links is not None  # noqa: S101  # else there is no route
        return await self._links.decide(request)

    # --- What all endpoints share

    async def _asset(self, request: Request) -> Response:
        return self._pages.asset(request.path_params["name"])

    def _guarded(self, answer: _Endpoint) -> _Endpoint:
        async def endpoint(request: Request) -> Response:
            self._access.check_source(request)
            return await answer(request)

        return endpoint

    def _for_visitors(self, answer: _ForVisitors) -> _Endpoint:
        """Return an endpoint for those who are signed in."""

        async def endpoint(request: Request) -> Response:
            self._access.check_source(request)
            visitor = await self._access.visitor(request)
            if visitor is None:
                return self._nobody(request)
            response = await answer(request, visitor)
            if visitor.new_session is not None:
                self._access.keep(request, response, visitor.new_session)
            return response

        return endpoint

    def _nobody(self, request: Request) -> Response:
        """Ask a person to sign in."""
        if self._access.login is None or request.method != "GET":
            raise PageError("Sign in first", "Nobody is signed in, or the session is over.", 401)
        if request.headers.get("sec-fetch-site") == "cross-site":
            # The browser kept the cookie back, because a page elsewhere has the link. It sends it from here.
            return self._pages.page(request, "again.html", here=_here(request))
        following = quote(_here(request), safe="")
        return RedirectResponse(f"{root_of(request)}/sign-in?next={following}", 303, HEADERS)

    async def _form(self, request: Request, visitor: Visitor) -> dict[str, str]:
        form = await form_of(request)
        self._access.check_form(request, visitor, form)
        return form

    def _page(
        self, request: Request, visitor: Visitor, template: str, *, status: int = 200, **values: Any
    ) -> Response:
        return self._pages.page(
            request,
            template,
            status=status,
            visitor=visitor,
            home=self._home,
            can_sign_out=self._access.login is not None,
            **values,
        )

    async def _error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, PageError)  # noqa: S101  # the handler is for these
        is_link = "token" in request.path_params
        values = {"title": error.title, "text": error.text, "is_link": is_link, "home": self._home}
        headers = LINK_HEADERS if is_link else HEADERS
        return self._pages.page(request, "error.html", status=error.status, headers=headers, **values)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title = {404: "Not found", 405: "Not allowed"}.get(status, "Not possible")
        return await self._error(request, PageError(title, "There is no such page.", status))


def _named(given: Any) -> tuple[str, str]:
    """Return the workflow and the question that an address or a form names."""
    workflow_id, id_ = given.get("workflow", ""), given.get("id", "")
    if not workflow_id or not id_ or max(len(workflow_id), len(id_)) > _LONGEST_ID:
        raise PageError("Not found", "The address names no question.", 404)
    return workflow_id, id_


def _what_became_of(found: Found) -> str:
    if (answer := found.answer) is None:
        return "This question does not wait any more."
    by = f" by {answer.by}" if answer.by else ""
    return f"This question is already {answer.outcome}{by}, at {answer.at}. Your decision was not taken."


def _here(request: Request) -> str:
    """Return the path and query of a request, below the inbox."""
    path = request.url.path.removeprefix(root_of(request)) or "/"
    return f"{path}?{request.url.query}" if request.url.query else path


def _own_path(path: str) -> str:
    """Return a path below the inbox to go on to. What may lead elsewhere leads to the list."""
    if path.partition("?")[0] not in ("/", "/question", "/edit") or not path.isprintable():
        return "/"
    return path
