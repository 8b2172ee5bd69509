"""Shared by the tests of the inbox: a browser without a page."""

import html
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx

HOST = "127.0.0.1:8234"
OWN = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
HOSTILE = "<script>alert(1)</script>\u202egnp.exe \x1b[2J"


class Browser:
    """A person's browser, without scripts: it keeps cookies and sends forms as they are on the page."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def send(
        self, page: httpx.Response, verdict: str = "", path: str = "", **fields: str
    ) -> httpx.Response:
        """Send the form of a page, by its verdict or its path."""
        action, hidden = form_of(page, verdict, path)
        given = {name.replace("__", ":"): value for name, value in fields.items()}
        return await self.http.post(action, data={**hidden, **given}, headers=OWN)


@asynccontextmanager
async def browser(
    app: Any,
    *,
    address: str = "127.0.0.1",
    host: str = HOST,
    root: str = "",
    scheme: str = "http",
    **headers: str,
) -> AsyncGenerator[Browser]:
    """Open a browser on an app, without a server between."""
    transport = httpx.ASGITransport(app, client=(address, 1), root_path=root)
    async with httpx.AsyncClient(
        transport=transport, base_url=f"{scheme}://{host}", timeout=30, headers=headers
    ) as http:
        yield Browser(http)


def form_of(page: httpx.Response, verdict: str = "", path: str = "") -> tuple[str, dict[str, str]]:
    """Return the path and the fields of a form of a page."""
    for tag, body in re.findall(r'<form ([^>]*method="post"[^>]*)>(.*?)</form>', page.text, re.DOTALL):
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', body))
        found = re.search(r'action="([^"]*)"', tag)
        action = html.unescape(found[1]) if found else str(page.url)
        if (not verdict or fields.get("verdict") == verdict) and action.endswith(path):
            named = {name: html.unescape(value) for name, value in fields.items()}
            for name, text in re.findall(
                r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', body, re.DOTALL
            ):
                named[html.unescape(name)] = html.unescape(text).removeprefix("\n")
            for name, value in re.findall(r'<input id="[^"]*" name="([^"]*)" value="([^"]*)"', body):
                named[html.unescape(name)] = html.unescape(value)
            for name, options in re.findall(
                r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', body, re.DOTALL
            ):
                chosen = re.search(r'value="([^"]*)" selected', options) or re.search(
                    r'value="([^"]*)"', options
                )
                named[html.unescape(name)] = html.unescape(chosen[1]) if chosen else ""
            return action, named
    raise AssertionError(f"no form {verdict!r} {path!r} on the page:\n{page.text}")


def text_of(page: httpx.Response) -> str:
    """Return the words of a page."""
    body = page.text.partition("<main")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
