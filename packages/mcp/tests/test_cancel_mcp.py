"""`agent.cancel()` while an MCP tool runs: the result is as from Strands' client, and the server goes on."""

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import plugins, turn, wait_until
from packages.mcp.tests.servers.clients import server_here
from strands.hooks import AfterToolCallEvent
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.types.exceptions import ToolProviderException
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say
from strands_temporal_mcp import TemporalMCPClient

with workflow.unsafe.imports_passed_through():
    from strands import Agent

pytestmark = pytest.mark.server


def build(agent_class: Any, model: Any, client: Any, sequential: bool, seen: list[Any]) -> Agent:
    executor = SequentialToolExecutor() if sequential else ConcurrentToolExecutor()
    agent = agent_class(model, tools=[client], tool_executor=executor, callback_handler=None)

    def after(event: AfterToolCallEvent) -> None:
        seen.append([event.tool_use["toolUseId"], dict(event.result), repr(event.exception)])

    agent.add_hook(after, AfterToolCallEvent)
    return agent


async def two_turns(agent: Agent, seen: list[Any]) -> list[Any]:
    first = await agent.invoke_async("go")
    second = await agent.invoke_async("again")
    messages = [{"role": m["role"], "content": m["content"]} for m in agent.messages]
    return [first.stop_reason, str(second).strip(), messages, sorted(seen, key=str)]


@workflow.defn
class Cancelled:
    """An agent with the server `tests`. A signal cancels the agent."""

    def __init__(self) -> None:
        self.agent: Agent | None = None

    @workflow.run
    async def run(self, sequential: bool) -> list[Any]:
        seen: list[Any] = []
        client = TemporalMCPClient("tests", heartbeat_timeout=timedelta(seconds=2))
        self.agent = build(TemporalAgent, "scripted", client, sequential, seen)
        return await two_turns(self.agent, seen)

    @workflow.signal
    def cancel(self) -> None:
        assert self.agent is not None
        self.agent.cancel()


def script(markers: list[Path]) -> ScriptedModel:
    calls = turn([("hang", {"marker": str(marker)}) for marker in markers])

    def answer(call: ScriptedCall) -> Any:
        return say("here again") if call.text.endswith("again") else calls

    return ScriptedModel(answer)


@pytest.mark.sample(1)
@pytest.mark.parametrize("sequential", [False, True], ids=["concurrent", "sequential"])
async def test_a_cancelled_agent_gives_what_a_plain_one_gives(
    agents: Agents, tmp_path: Path, sequential: bool
) -> None:
    markers = [tmp_path / "one", tmp_path / "two"]
    running = markers[:1] if sequential else markers

    def all_run() -> bool:
        return all(marker.exists() for marker in running)

    seen: list[Any] = []
    client = server_here()
    agent = await asyncio.to_thread(build, Agent, script(markers), client, sequential, seen)
    try:
        turns = asyncio.create_task(two_turns(agent, seen))
        await wait_until(all_run)
        agent.cancel()
        plain = await turns
    finally:
        # With mcp 1.30, Strands' own client may fail to close after a cancelled call.
        with contextlib.suppress(ToolProviderException):
            await asyncio.to_thread(agent.cleanup)
    for marker in running:
        marker.unlink()

    model = script(markers)
    async with agents(workflows=[Cancelled], plugins=plugins(model, tests=server_here)) as env:
        handle = await env.start(Cancelled.run, sequential)
        await wait_until(all_run)
        await handle.signal(Cancelled.cancel)
        durable = await asyncio.wait_for(handle.result(), 20)
        await env.assert_replays(handle)
    assert durable == plain
    assert durable[0] == "cancelled"
    assert len(model.calls) == 2
