"""The programs of docs/front-ends.md and docs/console.md: web servers whose people are known."""

import importlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Agents
from packages.streaming.tests import console_agents as shop
from packages.streaming.tests.web_support import assert_conforms, run_input, serving, sse
from starlette.applications import Starlette
from starlette.routing import Mount

from integration_tests.docs_code import module_of
from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_hitl import HITLPlugin

pytestmark = [pytest.mark.server, pytest.mark.slow]


async def run(http: httpx.AsyncClient, **given: Any) -> list[dict[str, Any]]:
    async with http.stream("POST", "/agents/clerk", json=run_input(**given)) as answer:
        assert answer.status_code == 200, await answer.aread()
        return [event async for _, event in sse(answer)]


async def test_ana_approves_and_bob_sees_nothing(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = module_of("front-ends.md", "web_server", tmp_path, monkeypatch)
    page = importlib.import_module("web_agents")
    model = ScriptedModel(use_tool("transfer", {"amount": 5, "to": "bob"}), lambda call: say(call.text))
    plugin = StrandsPlugin(models={"claude": lambda: model}, agents={"clerk": page.clerk})
    async with agents(workflows=[], plugins=[plugin]) as env:
        app = server.make_app(env.client, env.task_queue)
        async with serving(app) as (url, _), httpx.AsyncClient(base_url=url, timeout=30) as http:
            assert (await http.get("/agents/clerk")).status_code == 403
            http.headers["authorization"] = "Bearer ana's token"
            first = await run(http, words="send bob 5", thread="ana-1")
            (asked,) = first[-1]["outcome"]["interrupts"]
            assert asked["metadata"]["strands_temporal"]["arguments"] == {"amount": 5, "to": "bob"}
            answer = [{"interruptId": asked["id"], "status": "resolved", "payload": {"approved": True}}]
            second = await run(http, words=None, thread="ana-1", resume=answer)
            assert second[-2]["type"] == "STATE_SNAPSHOT"
            assert any(event.get("content") == "5 to bob" for event in second)
            assert_conforms(first, second)
            assert (await http.get("/threads/ana-1")).json()["turn"] == 1
            http.headers["authorization"] = "Bearer bob's token"
            assert (await http.get("/threads/ana-1")).status_code == 404
            refused = await http.post("/agents/clerk", json=run_input("hello", thread="ana-1"))
            assert refused.status_code == 403
        await env.assert_replays(env.client.get_workflow_handle("ana-1"))


async def test_ana_gets_the_console_and_bob_does_not(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = module_of("console.md", "console_server", tmp_path, monkeypatch)
    plugin = StrandsPlugin(
        models={"claude": lambda: ScriptedModel(shop.answer)}, agents={"clerk": shop.clerk}
    )
    async with agents(workflows=[], plugins=[plugin, HITLPlugin()], activities=shop.activities) as env:
        app = Starlette(routes=[Mount("/console", server.make_console(env.client, env.task_queue))])
        async with serving(app) as (url, _), httpx.AsyncClient(base_url=url, timeout=30) as http:
            assert (await http.get("/console/")).status_code == 403
            http.cookies.set("session", "ana's session")
            assert "<title>" in (await http.get("/console", follow_redirects=True)).text
            settings = (await http.get("/console/settings")).json()
            assert (settings["temporalUi"], settings["dev"]) == ("https://temporal.example", None)
            asked = await http.post("/console/api/agents/clerk", json=run_input("refund it", thread="ana-2"))
            assert '"interrupt"' in asked.text
            threads = (await http.get("/console/api/threads?details=true")).json()["threads"]
            assert all(one["agent"] == "clerk" for one in threads)
