"""A cancellation reaches the model's provider: nobody pays for more tokens."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Agents
from integration_tests.openai_stand_in import chat_chunk
from packages.core.tests.workflow.cancel_scenes import SOON, agent
from strands.models.openai import OpenAIModel
from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError
from typing_extensions import override

from strands_temporal.testing import ScriptedModel, say

pytestmark = pytest.mark.server


@dataclass
class TokenServer:
    """Speaks OpenAI's streaming protocol: a token every 20 ms, for as long as somebody reads."""

    requests: int = 0
    tokens: int = 0
    first_token: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        gone = asyncio.create_task(self._gone(reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        try:
            while not gone.done():
                writer.write(chat_chunk({"role": "assistant", "content": "token "}))
                await writer.drain()
                self.tokens += 1
                self.first_token.set()
                await asyncio.wait([gone], timeout=0.02)
        except ConnectionError:
            pass
        finally:
            gone.cancel()
            self.closed.set()
            writer.close()

    async def _gone(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):  # the rest of the request, then the end
                pass


@asynccontextmanager
async def token_server() -> AsyncGenerator[tuple[TokenServer, Callable[[], OpenAIModel]]]:
    tokens = TokenServer()
    server = await asyncio.start_server(tokens.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def model() -> OpenAIModel:
        url = f"http://127.0.0.1:{port}/v1"
        return OpenAIModel(
            client_args={"base_url": url, "api_key": "none", "max_retries": 0}, model_id="tokens"
        )

    try:
        yield tokens, model
    finally:
        server.close()


@workflow.defn
class Chat:
    """One turn of an agent that a client may cancel."""

    def __init__(self) -> None:
        self.agent = agent()

    @workflow.run
    async def run(self) -> str:
        return (await self.agent.invoke_async("go")).stop_reason

    @workflow.signal
    def cancel(self) -> None:
        self.agent.cancel()


@pytest.mark.parametrize("how", ["workflow", "agent"])
async def test_the_providers_connection_is_closed(
    agents: Agents, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with token_server() as (tokens, model), agents(workflows=[Chat], models={"model": model}) as env:
        handle = await env.start(Chat.run)
        await asyncio.wait_for(tokens.first_token.wait(), SOON)
        if how == "workflow":
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await asyncio.wait_for(handle.result(), SOON)
            assert isinstance(failure.value.cause, CancelledError)
        else:
            await handle.signal(Chat.cancel)
            assert await asyncio.wait_for(handle.result(), SOON) == "cancelled"
        await asyncio.wait_for(tokens.closed.wait(), SOON)
        await env.assert_replays(handle)
        assert tokens.requests == 1
    assert tokens.tokens < SOON / 0.02 / 2


class InAThread(ScriptedModel):
    """A provider that works in a thread, as boto3 does: only the cancel signal can reach it."""

    def __init__(self) -> None:
        super().__init__(say("too late"))
        self.started, self.stopped = threading.Event(), threading.Event()

    @override
    async def stream(
        self, *args: Any, cancel_signal: threading.Event | None = None, **kwargs: Any
    ) -> AsyncGenerator[StreamEvent, None]:
        assert cancel_signal is not None
        signal = cancel_signal

        def work() -> None:
            self.started.set()
            signal.wait()
            self.stopped.set()

        await asyncio.to_thread(work)
        async for event in super().stream(*args, **kwargs):
            yield event


async def test_a_provider_that_works_in_a_thread_is_told(agents: Agents) -> None:
    model = InAThread()
    async with agents(workflows=[Chat], models={"model": lambda: model}) as env:
        handle = await env.start(Chat.run)
        assert await asyncio.to_thread(model.started.wait, SOON)
        await handle.signal(Chat.cancel)
        assert await asyncio.wait_for(handle.result(), SOON) == "cancelled"
        assert await asyncio.to_thread(model.stopped.wait, SOON)
        await env.assert_replays(handle)
