"""Clients whose task is cancelled while a workflow does not answer: `asyncio` gets its cancellation."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client

from strands_temporal import ConversationClient
from strands_temporal._client_tool_link import Link

pytestmark = pytest.mark.server

CALLS: dict[str, Callable[[Client, str], Awaitable[Any]]] = {
    "send": lambda client, id_: ConversationClient(client, id_).send("Hello"),
    "close": lambda client, id_: ConversationClient(client, id_).close(),
    "start": lambda client, id_: ConversationClient.start(
        client, "support", id=id_, task_queue=id_, first_message="Hello"
    ),
    "client tools": lambda client, id_: Link(client, id_, None).send("client_tool_claim", {"id": "1"}),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_is_cancelled_ends_as_cancelled(client: Client, name: str) -> None:
    """No worker polls the queue, so an update waits. `wait_for` cancels it, and tells what came of that."""
    id_ = f"silent-{uuid.uuid4()}"
    handle = await client.start_workflow("Silent", id=id_, task_queue=id_)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(CALLS[name](client, id_), 0.2)
    await handle.terminate()
