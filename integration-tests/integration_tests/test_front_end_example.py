"""The page of examples/front_end in a real Chromium: a chat, a question, a reload, markup in what is said."""

import asyncio

import pytest
from conftest import Agents
from examples.front_end.agent import MODEL, host
from examples.front_end.server import page
from packages.streaming.tests.web_support import serving
from starlette.routing import Route

from integration_tests.browser import Visit, browse, click, fill, script, wait_for
from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_streaming.web import agent_app

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

MARKUP = "<img src=x onerror='document.title = 1'>"
LINES = "[...document.querySelectorAll('#log p')].map((p) => p.textContent)"


async def test_a_person_approves_reloads_and_sees_text_as_text(agents: Agents) -> None:
    model = ScriptedModel(
        use_tool("book_table", {"day": "Friday"}), lambda call: say(f"{call.text} {MARKUP}", chunk=9)
    )
    plugin = StrandsPlugin(models={MODEL: lambda: model}, agents={"host": host})
    async with agents(workflows=[], plugins=[plugin]) as env:
        app = agent_app(env.client, ["host"], task_queue=env.task_queue)
        app.router.routes.append(Route("/", page))
        async with serving(app) as (url, _):
            visit = Visit(
                f"{url}/",
                [
                    fill("#words", f"a table {MARKUP}"),
                    click("#form button"),
                    click("text=Approve"),
                    wait_for("text=booked for Friday <img"),
                    script(LINES),
                    script("location.reload()"),
                    wait_for("text=booked for Friday <img"),
                    script(LINES),
                    script("location.hash.slice(1) + ' ' + document.title"),
                ],
            )
            (seen,) = await asyncio.to_thread(browse, [visit])
        first, reloaded, about = [value for value in seen.values if value is not None]
        assert [fault for fault in seen.faults if not fault.startswith("failed:")] == []  # of the reload
        assert first[0] == reloaded[0] == f"a table {MARKUP}"
        assert first[-1] == reloaded[-1] == f"booked for Friday {MARKUP}"
        assert any(line.endswith("→ booked for Friday") for line in reloaded)
        thread, title = about.split(" ", 1)
        assert title == "A durable agent"
        await env.assert_replays(env.client.get_workflow_handle(thread))
