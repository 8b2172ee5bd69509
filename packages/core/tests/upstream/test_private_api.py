"""Private names of Strands do what `private_api` relies on."""

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from strands import Agent, ToolContext, tool
from strands.hooks import AfterToolsEvent, BeforeModelCallEvent
from strands.interrupt import InterruptException
from strands.tools.mcp import MCPClient

from strands_temporal._upstream.private_api import (
    has_running_background_tasks,
    interrupt_id,
    mcp_connection_end,
    note_mcp_errors,
    observe_cancellation,
    pauses_at_checkpoints,
)
from strands_temporal.testing import ScriptedModel, say, use_tool


def test_a_tools_interrupt_has_the_id_that_its_context_says_beforehand() -> None:
    agent = Agent(model=ScriptedModel("hello"))
    context = ToolContext({"toolUseId": "t1", "name": "pay", "input": {}}, agent, {})
    expected = interrupt_id(context, "approval")
    with pytest.raises(InterruptException) as raised:
        context.interrupt("approval")
    assert raised.value.interrupt.id == expected


def test_an_agent_pauses_at_checkpoints_if_it_was_built_so() -> None:
    built = [Agent(ScriptedModel("hello"), checkpointing=on) for on in (False, True)]
    assert [pauses_at_checkpoints(agent) for agent in built] == [False, True]


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


async def test_a_cancel_signal_is_seen_at_once_whoever_gave_it() -> None:
    agent = Agent(
        ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("3")), tools=[add], callback_handler=None
    )
    signal = threading.Event()
    seen: list[bool] = []

    def look(event: AfterToolsEvent) -> None:
        seen.append(observe_cancellation(event.agent))
        signal.set()
        seen.append(observe_cancellation(event.agent))

    agent.add_hook(look, AfterToolsEvent)
    result = await agent.invoke_async("go", cancel_signal=signal)
    assert (seen, result.stop_reason) == ([False, True], "cancelled")


async def test_background_tasks_that_run_are_seen_until_they_end() -> None:
    release = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await release.wait()
        return "waited"

    agent = Agent(
        ScriptedModel(use_tool("wait", {}), say("meanwhile"), say("done")),
        tools=[wait],
        background_tasks={"always": ["wait"]},
        callback_handler=None,
    )
    seen: list[bool] = []

    def look(event: BeforeModelCallEvent) -> None:
        seen.append(has_running_background_tasks(event.agent))
        if len(seen) == 2:
            release.set()

    agent.add_hook(look, BeforeModelCallEvent)
    await agent.invoke_async("go")
    assert seen == [False, True, False]


def test_note_mcp_errors() -> None:
    client = MCPClient(url="http://127.0.0.1:1/mcp")
    noted: list[Exception] = []
    note_mcp_errors(client, noted.append)
    # Strands calls it by this name and with these arguments in `call_tool_async` and `call_tool_sync`.
    assert inspect.getsource(MCPClient).count("return self._handle_tool_execution_error(tool_use_id, e)") == 2
    result = client._handle_tool_execution_error("t1", LookupError("no such thing"))  # pyright: ignore[reportPrivateUsage]  # as Strands
    assert result["content"] == [{"text": "Tool execution failed: no such thing"}]
    assert isinstance(noted[0], LookupError)


async def test_mcp_connection_end() -> None:
    sending, reading = anyio.create_memory_object_stream[None]()

    @asynccontextmanager
    async def connect() -> AsyncGenerator[Any]:
        yield reading, sending

    client = MCPClient(cast("Any", connect))
    ended = mcp_connection_end(client)
    assert not ended()  # nothing is connected yet
    async with client._transport_callable():  # pyright: ignore[reportPrivateUsage]  # as Strands does
        assert not ended()
        sending.close()
        assert ended()
    reading.close()
