"""The pages of links. Opening one decides nothing: the button on it does."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .._client import ApprovalsClient
from .._decision import Decision
from .._links import LINK_VERDICTS, DecisionLink, LinkError, read_link
from .._people import Person
from .access import Access
from .decisions import Chosen, decision_of, send
from .errors import PageError
from .pages import LINK_HEADERS, Pages
from .questions import Found, find, used_by, view
from .requests import check_own_form, form_of


class LinkPages:
    """The pages behind `DecisionLinks`.

    Args:
        approvals: The client that decides.
        access: Proves to workflows who decides.
        pages: The templates.
        keys: Keys of the links; each of them is accepted.
        namespace: The client's namespace.
    """

    def __init__(
        self, approvals: ApprovalsClient, access: Access, pages: Pages, keys: list[bytes], namespace: str
    ) -> None:
        self._approvals = approvals
        self._access = access
        self._pages = pages
        self._keys = keys
        self._namespace = namespace

    async def show(self, request: Request) -> Response:
        """Show the question of a link, with a button for each verdict that the link is for."""
        link = self._link(request)
        found = await find(self._approvals, link.workflow_id, link.approval)
        person = self._access.known(Person(link.person, link.groups))
        if (over := self._over(link, found)) is not None:
            return self._page(request, "link_over.html", 410, link=link, found=found, **over)
        assert found.pending is not None  # noqa: S101  # else it is over
        verdicts = [link.verdict] if link.verdict else list(LINK_VERDICTS)
        return self._page(
            request,
            "link.html",
            link=link,
            question=view(found.pending, person),
            verdicts=[each for each in verdicts if each in found.pending.allowed_decisions],
            form_token=self._access.cookies.form_token("link", request.path_params["token"]),
        )

    async def decide(self, request: Request) -> Response:
        """Take the decision of the page's form."""
        check_own_form(request, alone=True)
        form = await form_of(request)
        link = self._link(request)
        if not self._access.cookies.is_form_token(
            form.get("token", ""), "link", request.path_params["token"]
        ):
            raise PageError("Open the link again", "Only the page of the link may send a decision.", 403)
        verdict = form.get("verdict", "")
        if verdict not in ([link.verdict] if link.verdict else LINK_VERDICTS):
            raise PageError("Not this decision", "The link is not for this decision.", 422)
        found = await find(self._approvals, link.workflow_id, link.approval)
        if (over := self._over(link, found)) is not None:
            return self._page(request, "link_over.html", 410, link=link, found=found, **over)
        assert found.pending is not None  # noqa: S101  # else it is over
        person = self._access.known(Person(link.person, link.groups))
        about = {"verdict": verdict, "reason": form.get("reason", ""), "digest": link.digest or ""}
        decision: Decision = decision_of(about, found.pending, person)
        credential = self._access.link_credential(person, link.workflow_id, link.approval)
        record = await send(self._approvals, Chosen(link.workflow_id, decision, link.request_id, credential))
        return self._page(request, "link_done.html", link=link, record=record)

    def _link(self, request: Request) -> DecisionLink:
        try:
            link = read_link(request.path_params["token"], self._keys, now=time.time())
        except LinkError as error:
            raise PageError("This link cannot be used", str(error), 410) from error
        if link.namespace != self._namespace:
            raise PageError("This link cannot be used", "It is for another inbox.", 410)
        return link

    def _over(self, link: DecisionLink, found: Found) -> dict[str, Any] | None:
        """Return what happened, if the link's question does not wait any more as it was sent."""
        used = used_by(found.records, link.request_id)
        if used is not None:
            return {"why": "used", "record": used}
        if found.pending is None:
            answer = found.answer
            return {"why": "decided" if answer else "gone", "record": answer}
        if found.pending.digest != link.digest:
            return {"why": "changed", "record": None}
        return None

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return self._pages.page(request, template, status=status, headers=LINK_HEADERS, **values)
