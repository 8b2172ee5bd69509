"""Checks of where a request comes from, and the fields of a form."""

import ipaddress
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from .errors import PageError

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip")
_LARGEST_BODY = 1_500_000  # bytes: an edit's 250,000 bytes of JSON, each of which a form may need three for
_MOST_FIELDS = 1_000


def check_local(request: Request) -> None:
    """Refuse what does not come from this machine. Nobody is asked there who they are.

    A page of another site could reach this server through the person's browser, so the host must be a local
    name as well. What a proxy passes on comes from elsewhere.

    Raises:
        PageError: It does not come from here.
    """
    client = request.client.host if request.client else ""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    passed_on = any(name in request.headers for name in _PASSED_ON)
    if not is_loopback(client) or host not in _LOCAL_HOSTS or passed_on:
        raise PageError(
            "For this machine only",
            "This inbox answers only this machine. Give inbox_app(authenticate=...) to open it.",
            403,
        )


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_own_form(request: Request, *, alone: bool = False) -> None:
    """Refuse a form that another site sent.

    Browsers tell it by `Sec-Fetch-Site`; those before 2023 may tell it by `Origin` alone. A page without
    referrer sends the origin `null`.

    Args:
        request: The request.
        alone: Whether the form has a secret of its own in its address, so that a browser that tells nothing
            may send it.

    Raises:
        PageError: It is of another site, or the browser does not tell.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_own = site == "same-origin"
    if site is None:
        is_own = alone and origin in (None, "null")
    if origin not in (None, "null"):
        is_own = site in (None, "same-origin") and _is_own_origin(origin, request)
    if not is_own:
        raise PageError("Not sent from here", "Only a page of this inbox may send a decision.", 403)


def _is_own_origin(origin: str, request: Request) -> bool:
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc == request.headers.get("host", "")


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        PageError: It is too large, or no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise PageError("Not a form", "The request is not a form of this inbox.", 415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise PageError("Too large", f"A form may have {_LARGEST_BODY:,} bytes.", 413)
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError:  # not UTF-8, or too many fields
        raise PageError("Not a form", "The request is not a form of this inbox.", 400) from None
    # A form sends line breaks as CR LF, whatever the person typed.
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def root_of(request: Request) -> str:
    """Return the path where the inbox is mounted, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")
