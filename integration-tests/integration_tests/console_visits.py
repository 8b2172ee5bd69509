"""Shared by the tests and the pictures of the console: the shop's agents, served with the page."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from conftest import Agents
from packages.streaming.tests import console_agents as shop
from packages.streaming.tests.web_support import serving
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from integration_tests.browser import Seen, Step, Visit, browse, click, fill, script
from strands_temporal import ConversationClient, StrandsPlugin
from strands_temporal.testing import AgentEnvironment, ScriptedModel
from strands_temporal_hitl import HITLPlugin
from strands_temporal_streaming.web import console_app

ROWS = "[...document.querySelectorAll('#log > li:not([hidden])')].map((li) => li.innerText.trim())"
"""What the conversation shows."""

GO_ON = script("fetch('/go').then((answer) => answer.text())")
"""Lets a model that waits go on."""

ABORTED = "net::ERR_ABORTED"
"""The page stops reading a run's answer when its message has arrived."""


@dataclass
class Served:
    """The console on a real server."""

    env: AgentEnvironment
    url: str
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def thread(self, agent: str, id_: str) -> str:
        """Start a conversation; return the address of its page."""
        await ConversationClient.start(self.env.client, agent, id=id_, task_queue=self.env.task_queue)
        return f"{self.url}/#{id_}"

    async def visit(self, *visits: Visit) -> list[Seen]:
        """Make the visits. Nothing goes wrong on the way."""
        seen = await asyncio.to_thread(browse, visits)
        for number, one in enumerate(seen):
            faults = [fault for fault in one.faults if ABORTED not in fault]
            assert not faults, (number, faults, one.values)
        return seen

    async def replays(self, *threads: str) -> None:
        """Replay the conversations."""
        for thread in threads:
            await self.env.assert_replays(self.env.client.get_workflow_handle(thread))


def begin(agent: str, words: str) -> Sequence[Step]:
    """Return the steps that begin a conversation from the page."""
    return [click(f"#agents input[value={agent}]"), *send(words)]


def send(words: str) -> Sequence[Step]:
    """Return the steps that send a message."""
    return [fill("#words", words), click("#send")]


@asynccontextmanager
async def console(
    agents: Agents, model: Callable[[], Any] = lambda: ScriptedModel(shop.answer), **worker: Any
) -> AsyncGenerator[Served]:
    """Run a worker with the shop's agents, and the console. `worker` has options of the worker."""
    plugin = StrandsPlugin(
        models={"claude": model},
        agents={"clerk": shop.clerk, "parrot": shop.parrot, "manager": shop.manager},
    )
    async with AsyncExitStack() as stack:
        env = await stack.enter_async_context(
            agents(workflows=[], plugins=[plugin, HITLPlugin()], activities=shop.activities, **worker)
        )
        app = console_app(env.client, shop.AGENTS, task_queue=env.task_queue)
        served = Served(env, "")

        async def go_on(request: Request) -> PlainTextResponse:
            del request
            served.go_on.set()
            return PlainTextResponse("")

        app.router.routes.append(Route("/go", go_on))
        served.url, _ = await stack.enter_async_context(serving(app))
        yield served
