"""What the web app refuses, who may use it, and how it treats readers. No Temporal server is asked."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, cast

import httpx
import pytest
from ag_ui.core import RunStartedEvent
from packages.streaming.tests.streaming_support import WAIT
from packages.streaming.tests.web_support import run_input
from temporalio.client import Client

from strands_temporal import AgentDescription, AgentTypeError, AgentValueError
from strands_temporal_streaming._web.sse import Position, Sent, SSEResponse
from strands_temporal_streaming._web.threads import Thread, Threads
from strands_temporal_streaming.web import WebLimits, agent_app

CLIENT = cast("Client", None)


def http_of(monkeypatch: pytest.MonkeyPatch, host: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
    """Return a client of an app whose thread `t` is agent `a`'s, and which starts nothing."""

    async def descriptions(self: Threads) -> dict[str, AgentDescription]:
        return {"a": AgentDescription("a", client_tools=["paint"])}

    async def find(self: Threads, thread: str) -> Thread | None:
        return Thread("t", "a", is_open=True) if thread == "t" else None

    async def nothing(self: Threads, thread: str, agent: str) -> None:
        raise AssertionError("the request was let through")

    for name, function in (("descriptions", descriptions), ("find", find), ("open", nothing)):
        monkeypatch.setattr(Threads, name, function)
    app = agent_app(CLIENT, ["a", "b"], task_queue="q", **options)
    transport = httpx.ASGITransport(app, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")


GOOD = run_input("Hello")
PART = {"type": "image", "source": {"type": "url", "value": "http://10.0.0.1/"}}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("{", 400, "not JSON"),
        ("[" * 100_000, 400, "not JSON"),
        ({}, 400, "threadId"),
        ({**GOOD, "threadId": "a\nb"}, 400, "threadId"),
        ({**GOOD, "runId": "x" * 201}, 400, "runId"),
        ({**GOOD, "messages": [{"id": "1", "role": "nobody", "content": ""}]}, 400, "messages.0"),
        ({**GOOD, "messages": []}, 400, "nothing new"),
        ({**GOOD, "messages": [{"id": "1", "role": "assistant", "content": "Hi"}]}, 400, "nothing new"),
        ({**GOOD, "messages": [{"id": "1", "role": "user", "content": [PART]}]}, 400, "fetches nothing"),
        ({**GOOD, "tools": [{"name": "rm", "description": ""}]}, 400, "'rm'"),
        ({**GOOD, "tools": [{"name": "paint"}]}, 400, "tools.0.description"),
        ({**GOOD, "resume": [{"interruptId": "1", "status": "maybe"}]}, 400, "resume.0.status"),
        ({**GOOD, "forwardedProps": "x" * 3_000}, 413, "2,000 bytes"),
    ],
)
async def test_bad_input_is_an_agui_error(
    monkeypatch: pytest.MonkeyPatch, body: Any, status: int, says: str
) -> None:
    async with http_of(monkeypatch, limits=WebLimits(body=2_000 if status == 413 else 1_000_000)) as http:
        content = body if isinstance(body, str) else json.dumps(body)
        answer = await http.post("/agents/a", content=content, headers={"content-type": "application/json"})
    error = answer.json()
    assert (answer.status_code, error["type"]) == (status, "RUN_ERROR")
    assert says in error["message"]


async def test_only_this_machine_is_answered_without_authorize(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_of(monkeypatch) as http:
        assert (await http.get("/agents/a")).status_code == 200
        for headers in (
            {"host": "evil.example"},  # a name that leads here
            {"x-forwarded-for": "8.8.8.8"},  # what a proxy passes on
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            for path in ("/agents", "/agents/a", "/threads/t", "/threads/t/events", "/threads"):
                answer = await http.get(path, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED"), (path, headers)
            assert (await http.post("/agents/a", json=GOOD, headers=headers)).status_code == 403
        plain = await http.post("/agents/a", content=json.dumps(GOOD), headers={"content-type": "text/plain"})
        assert plain.status_code == 415  # what a form of another site can send
    async with http_of(monkeypatch, "192.0.2.1") as http:
        for path in ("/agents", "/agents/a", "/threads/t", "/threads"):
            assert (await http.get(path)).status_code == 403


async def test_authorize_says_who_may(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    async def authorize(request: Any, agent: str, thread: str | None) -> bool | str:
        asked.append((agent, thread))
        return request.headers.get("x-user") == "ana" and agent == "a" and thread in (None, "t", "mine")

    async with http_of(monkeypatch, "192.0.2.1", authorize=authorize) as http:
        ana = {"x-user": "ana"}
        assert (await http.get("/agents", headers=ana)).json()["agents"][0]["name"] == "a"
        assert (await http.get("/agents/a")).status_code == 403
        assert (await http.get("/agents/b", headers=ana)).status_code == 403
        assert (await http.get("/agents/c", headers=ana)).status_code == 404
        for thread in ("t", "other"):  # nobody learns which threads there are
            answer = await http.get(f"/threads/{thread}/events")
            assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
        body = {**GOOD, "threadId": "hers"}
        assert (await http.post("/agents/a", json=body, headers=ana)).status_code == 403
        assert ("a", "hers") in asked
        bad = await http.get("/threads/t/events", headers={**ana, "last-event-id": "1.2.3"})
        assert bad.status_code == 400


async def test_cors_is_off_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    site = {"origin": "https://app.example"}
    preflight = {**site, "access-control-request-method": "POST"}
    async with http_of(monkeypatch) as http:
        answer = await http.options("/agents/a", headers=preflight)
        assert "access-control-allow-origin" not in answer.headers
    async with http_of(monkeypatch, allowed_origins=["https://app.example"]) as http:
        answer = await http.options("/agents/a", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert (await http.get("/agents/a", headers=site)).status_code == 200
        assert (await http.get("/agents/a", headers={"origin": "https://other.example"})).status_code == 403


def test_the_app_checks_its_arguments() -> None:
    for wrong, error in (
        ({"agents": "support"}, AgentTypeError),
        ({"agents": []}, AgentValueError),
        ({"agents": ["a"], "allowed_origins": ["*"]}, AgentValueError),
        ({"agents": ["a"], "authorize": "yes"}, AgentTypeError),
    ):
        with pytest.raises(error, match="agent_app"):
            agent_app(CLIENT, task_queue="q", **cast("Any", wrong))


async def test_a_reader_that_does_not_read_is_dropped() -> None:
    ended = asyncio.Event()

    async def events() -> AsyncGenerator[Sent]:
        try:
            for number in range(1_000):
                yield Sent(RunStartedEvent(thread_id="t", run_id=str(number)))
        finally:
            ended.set()

    taken: list[Any] = []

    async def send(message: Any) -> None:
        taken.append(message)
        if len(taken) > 10:
            await asyncio.Event().wait()  # its buffers are full

    async def receive() -> Any:
        await asyncio.Event().wait()

    response = SSEResponse(events(), keep_alive=1, write_timeout=0.05)
    await asyncio.wait_for(response({"type": "http", "path": "/"}, receive, send), WAIT)
    assert ended.is_set()
    assert len(taken) == 11


async def test_silence_is_kept_alive_and_a_reader_that_leaves_ends_it() -> None:
    leaves = asyncio.Event()

    async def events() -> AsyncGenerator[Sent]:
        await asyncio.Event().wait()
        yield Sent(RunStartedEvent(thread_id="t", run_id="r"))

    async def send(message: Any) -> None:
        if message.get("body"):
            assert message["body"] == b": keep-alive\n\n"
            leaves.set()

    async def receive() -> Any:
        await leaves.wait()
        return {"type": "http.disconnect"}

    response = SSEResponse(events(), keep_alive=0.01, write_timeout=1)
    await asyncio.wait_for(response({"type": "http", "path": "/"}, receive, send), WAIT)


def test_a_position_is_text_and_comes_back() -> None:
    position = Position(1, 22, 3, 0, "run/1 ü.x", is_running=True, beside=4)
    assert Position.parse(str(position)) == position
