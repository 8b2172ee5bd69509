"""Makes pages of templates. Each text in them is escaped, and what a reader would not see is visible."""

import mimetypes
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from .._visible import visible
from .errors import PageError
from .requests import root_of
from .values import brief, marked

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Headers of all responses. Pages run the inbox's own script alone, and are kept nowhere."""

LINK_HEADERS: Mapping[str, str] = {
    **HEADERS,
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow, noarchive",
}
"""Headers of the pages of links, whose address is a secret."""

_PACKAGE = "strands_temporal_hitl._inbox"


class Pages:
    """The templates and files of the inbox."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader(_PACKAGE, "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Any] = {
            "seen": seen,
            "attribute": _attribute,
            "brief": brief,
            "moment": _moment,
            "number": _number,
        }
        self._environment.filters.update(filters)
        folder = files(_PACKAGE) / "assets"
        self._assets = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] = HEADERS,
        **values: Any,
    ) -> Response:
        """Return a page."""
        text = self._environment.get_template(template).render(
            root=root_of(request), now=datetime.now(timezone.utc), **values
        )
        return Response(text, status, headers, media_type="text/html")

    def asset(self, name: str) -> Response:
        """Return a file of the pages.

        Raises:
            PageError: If there is no such file.
        """
        content = self._assets.get(name)
        if content is None:
            raise PageError("Not found", "There is no such page.", 404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        kind = "text/javascript" if name.endswith(".js") else kind
        return Response(content, headers={**HEADERS, "cache-control": "no-cache"}, media_type=kind)


def seen(value: object) -> Markup:
    """Return a text for the page. Characters that a reader would not see are marked escapes."""
    pieces: list[Markup] = []
    for is_odd, piece in marked(str(value)):
        if is_odd:
            pieces.append(Markup('<span class="odd">{}</span>').format(piece))
        else:
            pieces.append(escape(piece))
    return Markup("").join(pieces)


def _attribute(value: object) -> str:
    """Return a text for an attribute."""
    return visible(str(value), lines=False)


def _moment(value: str) -> Markup:
    """Return a time, which the script writes in the reader's time zone."""
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return escape(value)
    text = f"{at.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), text)


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
