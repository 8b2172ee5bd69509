"""The console's server: who gets the page, what it may load, and what it can ask for."""

import asyncio
import uuid
from importlib.metadata import EntryPoint
from importlib.resources import files
from typing import Any

import httpx
import pytest
from conftest import Agents
from packages.streaming.tests import console_agents as shop
from packages.streaming.tests.streaming_support import WAIT
from packages.streaming.tests.web_support import run_input, serving, sse, text_of
from starlette.requests import Request
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError, StrandsPlugin
from strands_temporal.testing import ScriptedModel
from strands_temporal_hitl import HITLPlugin
from strands_temporal_streaming.web import agent_app, console_app, make_console

pytestmark = pytest.mark.server


class FakeDev:
    """A `strands-temporal dev`."""

    ui_url = "http://127.0.0.1:8233"

    def __init__(self) -> None:
        self.killed = 0

    async def kill_worker(self) -> int | None:
        self.killed += 1
        return 77


def client_of(app: Any, *, address: str = "127.0.0.1", host: str = "127.0.0.1:8234") -> httpx.AsyncClient:
    """Return a client of an app without a server, as from an address."""
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", timeout=WAIT)


async def test_the_page_is_for_this_machine_and_runs_its_own_scripts_alone(client: Client) -> None:
    dev = FakeDev()
    app = make_console(client, None, task_queue="q", dev=lambda: dev)
    async with client_of(app) as http:
        page = await http.get("/")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"):
            assert rule in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == (
            "nosniff",
            "no-referrer",
        )
        for name in ("main.js", "console.css", "icon.svg"):
            asset = await http.get(f"/assets/{name}")
            assert asset.status_code == 200
            assert asset.headers["content-security-policy"] == policy
        assert (await http.get("/assets/main.js")).headers["content-type"].startswith("text/javascript")
        for name in ("..%2Fweb.py", "nothing.js", "%2e%2e"):
            assert (await http.get(f"/assets/{name}")).status_code == 404
        told = (await http.get("/settings")).json()
        assert told["temporalUi"] == dev.ui_url
        assert told["parts"] == [{"title": "Inbox", "path": "inbox/"}]
        style = await http.get("/inbox/assets/inbox.css")
        assert (style.status_code, "'unsafe" in style.headers["content-security-policy"]) == (200, False)
        assert 'href="../"' in (await http.get("/inbox/")).text
        token = {"x-console-token": told["dev"]["token"]}
        own, other = {"origin": "http://127.0.0.1:8234"}, {"origin": "http://evil.example"}
        for headers in ({}, token, own, {**own, "x-console-token": "guess"}, {**token, **other}):
            answer = await http.post("/dev/kill-worker", headers=headers)
            assert answer.status_code == 403, headers
        assert (await http.get("/dev/kill-worker", headers={**token, **own})).status_code == 405
        assert dev.killed == 0
        killed = await http.post("/dev/kill-worker", headers={**token, **own})
        assert (killed.json(), dev.killed) == ({"killed": 77}, 1)
    strangers = {"address": "192.0.2.7"}, {"host": "console.example"}
    for stranger in strangers:
        async with client_of(app, **stranger) as http:
            for path in ("/", "/assets/main.js", "/settings", "/api/agents", "/api/threads", "/inbox/"):
                assert (await http.get(path)).status_code == 403, (stranger, path)
            own = {"origin": str(http.base_url).rstrip("/")}
            assert (await http.post("/dev/kill-worker", headers={**token, **own})).status_code == 403
    assert dev.killed == 1


async def test_authorize_decides_who_gets_the_page(client: Client) -> None:
    def authorize(request: Request, agent: str, thread: str | None) -> str | bool:
        del thread
        return request.headers.get("x-person") == "ana" and agent == "clerk" and "ana"

    app = console_app(client, ["parrot", "clerk"], task_queue="q", authorize=authorize)
    async with client_of(app, address="192.0.2.7", host="console.example") as http:
        for path in ("/", "/assets/main.js", "/settings"):
            assert (await http.get(path)).status_code == 403
            assert (await http.get(path, headers={"x-person": "ana"})).status_code == 200
        told = (await http.get("/settings", headers={"x-person": "ana"})).json()
        assert (told["dev"], told["parts"]) == (None, [])  # an inbox for others signs people in by itself
        assert (await http.get("/inbox/", headers={"x-person": "ana"})).status_code == 404
        foreign = {"x-person": "ana", "origin": "http://evil.example"}
        assert (await http.get("/settings", headers=foreign)).status_code == 403


def anybody(request: Request, agent: str, thread: str | None) -> bool:
    del request, agent, thread
    return True


def test_bad_arguments_are_refused(client: Client) -> None:
    with pytest.raises(AgentTypeError, match="console_app: agents='clerk'"):
        console_app(client, "clerk", task_queue="q")
    with pytest.raises(AgentValueError, match="there are no agents"):
        console_app(client, [], task_queue="q")
    with pytest.raises(AgentValueError, match="name the agents"):
        console_app(client, task_queue="q", authorize=anybody)
    with pytest.raises(AgentValueError, match="temporal_ui"):
        console_app(client, task_queue="q", temporal_ui="javascript:alert(1)")


def test_a_part_that_cannot_be_loaded_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from strands_temporal_streaming._web import parts

    def points(group: str) -> list[EntryPoint]:
        return [EntryPoint("none", "a_package_that_is_not_there:part", group)]

    monkeypatch.setattr(parts, "entry_points", points)
    assert parts.console_parts(None) == {}  # pyright: ignore[reportArgumentType]  # no part asks for it


def test_the_page_loads_nothing_from_elsewhere_and_makes_no_markup_of_texts() -> None:
    for file in (files("strands_temporal_streaming") / "_page").iterdir():
        text = file.read_text()
        if file.name.endswith(".svg"):
            continue
        for sink in (
            "innerHTML",
            "outerHTML",
            "AdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert sink not in text, (file.name, sink)
        for address in ("http://", "https://", "//cdn"):
            own = text.replace('"http://www.w3.org/2000/svg"', "").replace("https?:", "")
            assert address not in own, (file.name, address)
        assert len(text.splitlines()) <= 300, file.name


async def thread_events(http: httpx.AsyncClient, thread: str, last: str = "") -> list[tuple[str | None, Any]]:
    """Read a thread's events with details, until they are what happens now."""
    headers = {"last-event-id": last} if last else {}
    found: list[tuple[str | None, Any]] = []
    async with http.stream("GET", f"/threads/{thread}/events?details=true", headers=headers) as answer:
        async for id_, event in sse(answer):
            found.append((id_, event))
            if event.get("name") == "strands_temporal.Live":
                break
    return found


async def test_threads_are_listed_with_what_they_do_and_their_tools_with_attempts(agents: Agents) -> None:
    plugin = StrandsPlugin(
        models={"claude": lambda: ScriptedModel(shop.answer)},
        agents={"clerk": shop.clerk, "parrot": shop.parrot},
    )
    async with agents(workflows=[], plugins=[plugin, HITLPlugin()], activities=shop.activities) as env:
        app = agent_app(env.client, ["clerk", "parrot"], task_queue=env.task_queue)
        async with serving(app) as (url, _), httpx.AsyncClient(base_url=url, timeout=WAIT) as http:
            names = {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in ("idle", "asks", "gone")}

            async def talk(name: str, agent: str, words: str) -> None:
                body = run_input(words, thread=names[name])
                assert (await http.post(f"/agents/{agent}", json=body)).status_code == 200

            await asyncio.gather(
                talk("idle", "clerk", "where is it?"),
                talk("asks", "clerk", "refund it"),
                talk("gone", "parrot", "bye " * 60),
            )
            await env.client.get_workflow_handle(names["gone"]).signal("close")
            await env.client.get_workflow_handle(names["gone"]).result()
            await talk("idle", "clerk", "again")
            listed = await listed_threads(http, names)
            assert [(one["threadId"], one["status"]) for one in listed] == [
                (names["asks"], "waiting_for_people"),
                (names["idle"], "idle"),
                (names["gone"], "completed"),
            ]
            assert [one["title"][:12] for one in listed] == ["refund it", "where is it?", "bye bye bye "]
            assert [one["turn"] for one in listed] == [1, 2, 1]
            assert len(listed[2]["title"]) <= 100
            assert listed[2]["endedAt"]

            told = (await http.get(f"/threads/{names['idle']}/attempts")).json()["tools"]
            (tried,) = [one for id_, one in told.items() if id_.startswith("find-")]
            assert (tried["activity"], tried["attempts"]) == ("find_order", 2)
            assert tried["lastFailure"] == "the database restarts"
            assert tried["scheduledAt"] < tried["startedAt"] <= tried["endedAt"]

            events = await thread_events(http, names["idle"])
            kinds = [event.get("name") or event["type"] for _, event in events]
            assert kinds.count("RUN_STARTED") == 2, "all turns that the stream keeps"
            assert kinds.count("MESSAGES_SNAPSHOT") == 1, "each message once"
            assert kinds.count("strands_temporal.Messages") == 1
            for name in ("ModelCallStarted", "ModelCallEnded", "ToolStarted", "TurnEnd", "RequestEnded"):
                assert f"strands_temporal.{name}" in kinds
            middle = len(events) // 2
            rest = await thread_events(http, names["idle"], events[middle][0] or "")
            assert without_times(rest) == without_times(events[middle + 1 :])

            said = text_of([event for _, event in await thread_events(http, names["gone"])])
            assert said.startswith("bye bye"), "an agent without a topic says its answer at the end"
            assert (await http.get(f"/threads/{names['gone']}")).json()["isOpen"] is False
            assert (await http.get("/threads?details=maybe")).status_code == 400
        for name in ("idle", "asks", "gone"):
            await env.assert_replays(env.client.get_workflow_handle(names[name]))


def without_times(events: list[tuple[str | None, Any]]) -> list[tuple[str | None, Any]]:
    """Leave the times out: a query of a run that is not cached may see a time that never was."""
    return [
        (
            id_,
            {
                **event,
                "timestamp": None,
                "value": {k: v for k, v in (event.get("value") or {}).items() if k != "time"},
            },
        )
        for id_, event in events
    ]


async def listed_threads(http: httpx.AsyncClient, names: dict[str, str]) -> list[dict[str, Any]]:
    """List the threads of a test. The server lists what it has just heard of a moment later."""
    for _ in range(50):
        threads = (await http.get("/threads?details=true")).json()["threads"]
        mine = [one for one in threads if one["threadId"] in names.values()]
        if len(mine) == len(names) and sum(bool(one["endedAt"]) for one in mine) == 1:
            return mine
        await asyncio.sleep(0.3)
    raise AssertionError("the server does not list the threads")
