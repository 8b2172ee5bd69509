"""The example of an A2A server in front of a durable agent, with Strands' client and the SDK's own."""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import uvicorn
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import Message, Part, Role, TextPart
from conftest import Agents
from examples.a2a_server.conversation import AGENTS, MODEL, book_room
from examples.a2a_server.server import DurableExecutor, application, workflow_id
from strands.agent.a2a_agent import A2AAgent
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server


def clerk(call: ScriptedCall) -> Reply:
    """Book what the caller wants, and count the messages."""
    if "toolResult" in call.messages[-1]["content"][0]:
        return say(f"I have {call.text}")
    if call.text.startswith("Book "):
        return use_tool("book_room", {"city": call.text.removeprefix("Book ")})
    return say(f"message {len(call.messages)}: {call.text}")


@contextlib.asynccontextmanager
async def serving(client: Client, queue: str) -> AsyncGenerator[str]:
    """Serve the example on a free port, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    app = application(DurableExecutor(client, queue), url)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    task = asyncio.create_task(server.serve())
    try:
        for _ in range(500):
            if server.started:
                break
            await asyncio.sleep(0.01)
        yield url
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 10)


async def sent(url: str, text: str, **ids: Any) -> Any:
    """Send a message with the A2A SDK's own client, and return the task as it stands then."""
    async with httpx.AsyncClient(timeout=30) as http:
        card = await A2ACardResolver(httpx_client=http, base_url=url).get_agent_card()
        client = ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card)
        part = Part(root=TextPart(text=text))
        message = Message(role=Role.user, parts=[part], message_id=str(uuid.uuid4()), **ids)
        task: Any = None
        async for event in client.send_message(message):
            task = event[0] if isinstance(event, tuple) else event
        return task


def said(task: Any) -> str:
    parts = task.artifacts[-1].parts if task.artifacts else task.status.message.parts
    return "".join(part.root.text for part in parts)


async def test_a_conversation_outlives_its_server_and_its_worker(agents: Agents, client: Client) -> None:
    queue = f"a2a-{uuid.uuid4()}"
    options: dict[str, Any] = {
        "workflows": [],
        "activities": [book_room],
        "plugins": [StrandsPlugin(models={MODEL: lambda: ScriptedModel(clerk)}, agents=AGENTS)],
        "task_queue": queue,
    }
    async with agents(**options) as env, serving(client, queue) as url:
        result = await A2AAgent(url).invoke_async("Hello")
        assert [result.stop_reason, str(result).strip()] == ["end_turn", "message 1: Hello"]
        asked = await sent(url, "Book Lisbon")
        assert asked.status.state == "input-required"
        assert said(asked) == "Book a room in Lisbon?"
        booked = await sent(url, "yes", task_id=asked.id, context_id=asked.context_id)
        assert [booked.status.state, said(booked)] == ["completed", "I have booked a room in Lisbon"]
        handle = env.client.get_workflow_handle(workflow_id(asked.context_id))
        await env.assert_replays(handle)
    async with agents(**options), serving(client, queue) as url:  # both are others now
        again = await sent(url, "Thanks", context_id=asked.context_id)
        assert said(again) == "message 5: Thanks"
        await handle.terminate()
