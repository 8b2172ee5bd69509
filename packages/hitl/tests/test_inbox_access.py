"""Who may open the inbox and send its forms. No server: what is refused reaches no workflow."""

import time
from datetime import timedelta
from typing import Any

import pytest
from packages.hitl.tests.inbox_browser import OWN, browser, form_of, text_of
from starlette.requests import Request
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal_hitl import Credential, NotVerifiedError, Person
from strands_temporal_hitl._inbox.cookies import Cookies, Session
from strands_temporal_hitl.identity import UnknownKeyError
from strands_temporal_hitl.inbox import ProxyHeader, SessionLogin, inbox_app

KEY = "a key of the inbox, of 32 bytes or more"
TOKEN = "ana's token"  # of the test
DECISION = {"workflow": "w", "id": "q", "verdict": "approve", "request": "1"}


def verify(credential: Credential) -> Person:
    if credential.value != TOKEN:
        raise NotVerifiedError("unknown")
    return Person("ana", ["finance"])


async def lazy_client() -> Client:
    """Return a client of a server that is not there."""
    return await Client.connect("127.0.0.1:1", lazy=True)


async def session_app(**options: Any) -> Any:
    return inbox_app(await lazy_client(), authenticate=SessionLogin(verify), key=KEY, **options)


async def test_without_authentication_it_answers_this_machine_alone() -> None:
    app = inbox_app(await lazy_client())
    for stranger in ({"address": "192.0.2.7"}, {"host": "inbox.example"}, {"x-forwarded-for": "192.0.2.7"}):
        async with browser(app, **stranger) as person:
            for path in ("/", "/question?workflow=w&id=q", "/assets/inbox.js", "/sign-in", "/link/x"):
                assert (await person.get(path)).status_code in (403, 404), (stranger, path)
            refused = await person.http.post("/decide", data=DECISION, headers=OWN)
            assert refused.status_code == 403
    async with browser(app) as person:
        assert (await person.get("/assets/inbox.js", **{"sec-fetch-dest": "iframe"})).status_code == 403
        assert (await person.get("/assets/..%2Fapp.py")).status_code == 404
        for path in ("/decide", "/review", "/sign-out"):
            assert (await person.get(path)).status_code == 405


async def test_a_person_signs_in_with_a_token_that_no_cookie_holds() -> None:
    async with browser(
        await session_app(), address="192.0.2.7", host="inbox.example", scheme="https"
    ) as person:
        own = {"origin": "https://inbox.example", "sec-fetch-site": "same-origin"}
        gone = await person.get("/question?workflow=w&id=q")
        assert (gone.status_code, gone.headers["location"][:14]) == (303, "/sign-in?next=")
        page = await person.get(gone.headers["location"])
        policy = page.headers["content-security-policy"]
        for rule in (
            "default-src 'none'",
            "script-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ):
            assert rule in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        action, fields = form_of(page)
        url = f"https://inbox.example{action}"
        for bad in ("", "guess"):
            refused = await person.http.post(url, data={**fields, "proof": bad}, headers=own)
            assert refused.status_code == 401
            assert "The token was not accepted." in text_of(refused)
        for headers, given in (
            ({"origin": "http://evil.example", "sec-fetch-site": "cross-site"}, fields),
            ({"origin": "null", "sec-fetch-site": "same-site"}, fields),
            ({}, fields),
            (own, {**fields, "token": "guess"}),
        ):
            refused = await person.http.post(url, data={**given, "proof": TOKEN}, headers=headers)
            assert refused.status_code == 403, headers
        for elsewhere in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/link/x"):
            _, fields = form_of(await person.get(gone.headers["location"]))
            given = {**fields, "next": elsewhere, "proof": TOKEN}
            assert (await person.http.post(url, data=given, headers=own)).headers["location"] == "/"
        _, fields = form_of(await person.get(gone.headers["location"]))
        done = await person.http.post(url, data={**fields, "proof": TOKEN}, headers=own)
        assert (done.status_code, done.headers["location"]) == (303, "/question?workflow=w&id=q")
        cookie = done.headers["set-cookie"]
        for part in ("__Host-strands-inbox=", "HttpOnly", "SameSite=strict", "Secure", "Path=/"):
            assert part in cookie
        session = Cookies([KEY.encode()]).read(cookie.partition("=")[2].partition(";")[0].strip('"'))
        assert session is not None
        assert (session.person, session.groups) == ("ana", ["finance"])
        assert session.expires_at - time.time() < 3_601
        # A page elsewhere had the link: the browser keeps the cookie back, and sends it from here.
        person.http.cookies.clear()
        again = await person.get("/question?workflow=w&id=q", **{"sec-fetch-site": "cross-site"})
        assert 'http-equiv="refresh" content="0;url=/question?workflow=w&amp;id=q"' in again.text


async def test_a_form_counts_only_from_the_page_of_this_person_in_this_browser() -> None:
    app = await session_app()
    async with browser(app) as person:
        await sign_in(person)
        session = Cookies([KEY.encode()]).read(person.http.cookies["strands-inbox"])
        assert session is not None
        good = Cookies([KEY.encode()]).form_token(session.id, "ana")
        others = Cookies([KEY.encode()]).form_token("another session", "ana")
        for headers, token in (
            (OWN, ""),
            (OWN, others),
            (OWN, Cookies([b"x" * 32]).form_token(session.id, "ana")),
            ({**OWN, "sec-fetch-site": "same-site"}, good),
            ({**OWN, "sec-fetch-site": "cross-site"}, good),
            ({"origin": "http://evil.example"}, good),
            ({"origin": "null"}, good),
            ({}, good),
        ):
            for path in ("/decide", "/review", "/sign-out"):
                refused = await person.http.post(path, data={**DECISION, "token": token}, headers=headers)
                assert refused.status_code == 403, (headers, token, path)
        json_form = await person.http.post("/decide", json=DECISION, headers=OWN)
        assert json_form.status_code == 415
        large = await person.http.post("/decide", data={"reason": "x" * 2_000_000}, headers=OWN)
        assert large.status_code == 413
        out = await person.http.post("/sign-out", data={"token": good}, headers=OWN)
        assert out.status_code == 303
        assert 'strands-inbox=""' in out.headers["set-cookie"]
        assert (await person.get("/")).headers["location"].startswith("/sign-in")
        nobody = await person.http.post("/decide", data={**DECISION, "token": good}, headers=OWN)
        assert nobody.status_code == 401


async def sign_in(person: Any) -> None:
    page = await person.get("/sign-in")
    action, fields = form_of(page)
    done = await person.http.post(action, data={**fields, "proof": TOKEN}, headers=OWN)
    assert done.status_code == 303


async def test_a_cookie_that_is_not_ours_is_nobody() -> None:
    cookies = Cookies([KEY.encode()])
    ana = cookies.new(60, "ana")
    good = cookies.sealed(ana)
    assert cookies.read(good) == ana
    assert Cookies([b"n" * 32, KEY.encode()]).read(good) == ana  # a key that was replaced
    body, _, signature = good.partition(".")
    forged = Cookies([b"x" * 32]).sealed(Session("1", 9_999_999_999, "eve"))
    old = cookies.sealed(Session("1", int(time.time()) - 1, "ana"))
    for bad in (
        None,
        "",
        "x",
        body,
        f"{body}.",
        f".{signature}",
        f"{body[:-2]}.{signature}",
        forged,
        old,
        "é.é",
    ):
        assert cookies.read(bad) is None, bad
    async with browser(await session_app()) as person:
        person.http.cookies.set("strands-inbox", forged, domain="127.0.0.1")
        assert (await person.get("/")).status_code == 303


async def test_a_proxy_names_people_by_a_proof() -> None:
    app = inbox_app(await lazy_client(), authenticate=ProxyHeader(verify, header="x-proof"), key=KEY)
    async with browser(app, address="192.0.2.7", host="inbox.example") as person:
        for value in ("", "ana", "Bearer guess"):
            assert (await person.get("/edit", **{"x-proof": value})).status_code == 401
        known = await person.get("/edit", **{"x-proof": f"Bearer {TOKEN}"})
        assert known.status_code == 404  # it names no question
        assert (await person.get("/sign-in")).status_code == 404


class Keys:
    """A verifier whose key comes with its second read."""

    def __init__(self) -> None:
        self.reads = 0

    def verify(self, credential: Credential) -> Person:
        if self.reads < 2:
            raise UnknownKeyError("no such key")
        return verify(credential)

    async def refresh(self) -> None:
        self.reads += 1


def breaks(credential: Credential) -> Person:
    raise RuntimeError(credential.value)


async def test_verifiers_are_asked_in_turn_and_read_their_keys(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from strands_temporal_hitl._inbox import sign_in as module

    monkeypatch.setattr(module, "_REFRESH_AT_MOST", 0.0)
    keys = Keys()
    login = SessionLogin([breaks, keys])
    assert await login.person(f" {TOKEN}\n") == Person("ana", ["finance"])
    assert keys.reads == 2
    assert await login.person("x" * 30_000) is None
    assert await SessionLogin(lambda _: Person("a\u202eb")).person(TOKEN) is None
    assert TOKEN not in caplog.text


async def test_an_app_around_it_may_name_people() -> None:
    async def person_of(request: Request) -> Person | None:
        name = request.headers.get("x-user")
        return Person(name) if name else None

    app = inbox_app(await lazy_client(), authenticate=person_of, key=KEY)
    async with browser(app, address="192.0.2.7") as person:
        assert (await person.get("/edit")).status_code == 401
        assert (await person.get("/edit", **{"x-user": "ana"})).status_code == 404
        cookies = Cookies([KEY.encode()])
        session = cookies.new(60)
        person.http.cookies.set("strands-inbox", cookies.sealed(session), domain="127.0.0.1")
        form = {"token": cookies.form_token(session.id, "ana")}
        for name, status in (("bo", 403), ("ana", 303)):  # another person in the same browser
            sent = await person.http.post("/sign-out", data=form, headers={**OWN, "x-user": name})
            assert sent.status_code == status


async def test_bad_arguments_are_refused() -> None:
    client = await lazy_client()
    for options, text in (
        ({"authenticate": SessionLogin(verify)}, "key= is needed"),
        ({"links_key": KEY}, "key= is needed"),
        ({"key": "short"}, "32"),
        ({"key": KEY, "links_key": b"short"}, "links_key"),
    ):
        with pytest.raises(AgentValueError, match=text):
            inbox_app(client, **options)  # pyright: ignore[reportArgumentType]  # what is tested
    for options in ({"authenticate": "ana"}, {"people": "ana"}, {"workflow_types": "Desk"}):
        with pytest.raises(AgentTypeError, match="inbox_app"):
            inbox_app(client, key=KEY, **options)  # pyright: ignore[reportArgumentType]  # what is tested
    with pytest.raises(AgentValueError, match="24 hours"):
        SessionLogin(verify, lifetime=timedelta(days=2))
    with pytest.raises(AgentValueError, match="no verifier"):
        ProxyHeader([])
    with pytest.raises(AgentTypeError, match="neither a Verifier"):
        SessionLogin("ana")  # pyright: ignore[reportArgumentType]  # what is tested
