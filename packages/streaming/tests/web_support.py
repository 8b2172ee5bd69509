"""Shared by the tests of the web app: agents, the app on a real server, and readers of its events."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from conftest import Agents
from integration_tests import real_parts
from packages.streaming.tests import web_agents
from packages.streaming.tests.streaming_support import WAIT
from packages.streaming.tests.web_agents import AGENTS, ClerkWorkflow, asker, steps

from strands_temporal import AgentDefinition, StrandsPlugin
from strands_temporal.testing import AgentEnvironment, ScriptedModel
from strands_temporal_streaming.web import agent_app


@dataclass
class Web:
    """A web app with its server, and a client of it."""

    env: AgentEnvironment
    http: httpx.AsyncClient
    url: str
    server: uvicorn.Server
    streams: list[list[dict[str, Any]]] = field(default_factory=list[Any])

    async def run(self, agent: str, words: str | None = None, **given: Any) -> list[dict[str, Any]]:
        """Run an agent, and return its events."""
        async with self.http.stream("POST", f"/agents/{agent}", json=run_input(words, **given)) as answer:
            if answer.status_code != 200:
                return [json.loads(await answer.aread())]
            events = [event async for _, event in sse(answer)]
        self.streams.append(events)
        return events

    async def replays(self) -> None:
        """Replay the workflows of all threads of the runs."""
        for thread in {events[0]["threadId"] for events in self.streams}:
            await self.env.assert_replays(self.env.client.get_workflow_handle(thread))


def run_input(words: str | None, **given: Any) -> dict[str, Any]:
    """Return a `RunAgentInput`."""
    given = {"thread": f"thread-{uuid.uuid4()}", "run": f"run-{uuid.uuid4()}", **given}
    messages = given.pop("messages", [])
    if words is not None:
        messages = [*messages, {"id": f"u-{given['run']}", "role": "user", "content": words}]
    return {"threadId": given.pop("thread"), "runId": given.pop("run"), "messages": messages, **given}


async def sse(answer: httpx.Response) -> AsyncIterator[tuple[str | None, dict[str, Any]]]:
    """Yield the ids and the events of a response."""
    id_: str | None = None
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            id_ = value
        elif name == "data":
            yield id_, json.loads(value)
            id_ = None


@asynccontextmanager
async def serving(app: Any, port: int | None = None) -> AsyncGenerator[tuple[str, uvicorn.Server]]:
    """Serve an ASGI app on 127.0.0.1 while the block runs."""
    port = port or real_parts.free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", lifespan="off", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait_for(task, WAIT)


@asynccontextmanager
async def web(
    agents: Agents, model: Callable[[], Any] = lambda: ScriptedModel(steps), **options: Any
) -> AsyncGenerator[Web]:
    """Run a worker with the agents above, and the app."""
    plugin = StrandsPlugin(
        models={"m": model},
        agents={
            **{name: getattr(web_agents, name) for name in AGENTS if name != "pauser"},
            "pauser": AgentDefinition(asker, approvals=False),
        },
    )
    async with AsyncExitStack() as stack:
        env = await stack.enter_async_context(agents(workflows=[ClerkWorkflow], plugins=[plugin]))
        app = agent_app(env.client, AGENTS, task_queue=env.task_queue, **options)
        url, server = await stack.enter_async_context(serving(app))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=WAIT))
        yield Web(env, http, url, server)


def assert_conforms(*streams: list[dict[str, Any]]) -> None:
    """Check the runs of a thread with `ag-ui-validate`: no error and no warning.

    It looks at each run alone. The result of a tool call that waited for an answer comes in the run after
    that of the call, so here the thread's calls are checked as a whole.
    """
    pytest.importorskip("ag_ui_validate")
    from ag_ui_validate.pytest_plugin import assert_valid_agui

    begun: set[str] = set()
    for events in streams:
        overrides = {"AGUI207": "off"} if begun else {}
        assert_valid_agui(events, max_warnings=0, severity_overrides=overrides)
        begun |= {event["toolCallId"] for event in events if event["type"] == "TOOL_CALL_START"}
        assert {event["toolCallId"] for event in events if event["type"] == "TOOL_CALL_RESULT"} <= begun


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Return the types of events, with those that repeat only once."""
    found: list[str] = []
    for event in events:
        if not found or found[-1] != event["type"]:
            found.append(event["type"])
    return found


def text_of(events: list[dict[str, Any]]) -> str:
    """Return the text of the messages."""
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def joined(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events with adjacent pieces of a text as one: how a text is cut depends on when it was read."""
    found: list[dict[str, Any]] = []
    for event in events:
        one = (
            {key: value for key, value in event.items() if key != "timestamp"} if "delta" in event else event
        )
        last = found[-1] if found else {}
        if isinstance(one.get("delta"), str) and {**one, "delta": ""} == {**last, "delta": ""}:
            found[-1] = {**last, "delta": last["delta"] + one["delta"]}
        else:
            found.append(one)
    return found
