"""An MCP server that dies, hangs or is abandoned in the middle of a call."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import (
    OneAttempt,
    OneServer,
    attempts,
    plugins,
    text,
    tool_results,
    turn,
    wait_until,
)
from packages.mcp.tests.servers.clients import python_server, server_here
from strands.tools.mcp import MCPClient
from strands.types.exceptions import MCPClientInitializationError
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient

with workflow.unsafe.imports_passed_through():
    pass

pytestmark = pytest.mark.server


async def test_a_server_that_dies_in_a_call_is_healed_by_a_retry(agents: Agents, tmp_path: Path) -> None:
    model = ScriptedModel(use_tool("die_once", {"marker": str(tmp_path / "died")}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(OneServer.run, ["die"])
        assert await attempts(env, "tests-call-tool") == [2]
    died, answers = (tmp_path / "died").read_text(), text(result).split()[-1]
    assert text(result) == f"died as {died}, answers as {answers}"
    assert died != answers


async def test_a_call_in_whose_middle_the_worker_ends_is_made_by_the_next_one(
    agents: Agents, tmp_path: Path
) -> None:
    marker, queue = tmp_path / "hung", f"ends-{uuid.uuid4()}"
    model = ScriptedModel(use_tool("hang_once", {"marker": str(marker)}), say("done"))
    options: Any = {"workflows": [OneServer], "task_queue": queue}
    async with agents(plugins=plugins(model, tests=python_server), **options) as env:
        handle = await env.start(OneServer.run, ["go"])
        await wait_until(marker.exists)
    async with agents(plugins=plugins(model, tests=python_server), **options) as env:
        env.handles.append(handle)
        (result,) = await asyncio.wait_for(handle.result(), 30)
        assert await attempts(env, "tests-call-tool") == [2]
        await env.assert_replays(handle)
    hung, answers = marker.read_text(), text(result).split()[-1]
    assert (result["status"], text(result)) == ("success", f"hung as {hung}, answers as {answers}")
    assert hung != answers


async def test_a_server_killed_between_calls_costs_the_next_call_no_attempt(agents: Agents) -> None:
    killed: list[int] = []
    connections: list[Any] = []  # the streams that the client reads, of one connection each

    def server() -> MCPClient:
        client = python_server()
        connect = client._transport_callable  # pyright: ignore[reportPrivateUsage]  # as Strands

        @asynccontextmanager
        async def noted() -> AsyncGenerator[Any]:
            async with connect() as streams:
                connections.append(streams[0])
                yield streams

        client._transport_callable = noted  # pyright: ignore[reportPrivateUsage]
        return client

    def kill(call: Any) -> Any:
        killed.append(int(call.text))
        os.kill(killed[0], signal.SIGKILL)
        for _ in range(3000):
            if connections[0].statistics().open_send_streams == 0:  # the client has seen the end
                calls: list[tuple[str, dict[str, Any]]] = [("process", {})] * 4
                return turn(calls)  # at once, while one of them connects again
            time.sleep(0.01)
        raise AssertionError("the connection did not end in time")

    model = ScriptedModel(use_tool("process", {}), kill, say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server)) as env:
        before, *after = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1] * 5
    assert int(text(before)) == killed[0]
    assert [result["status"] for result in after] == ["success"] * 4
    (answers,) = {int(text(result)) for result in after}
    assert answers != killed[0]
    assert len(connections) == 2


async def test_a_call_whose_session_ended_before_it_was_sent_is_sent_again(agents: Agents) -> None:
    calls: list[str] = []

    def server() -> MCPClient:
        client = server_here()
        call_tool = client.call_tool_async

        async def ends_first(id_: str, name: str, arguments: Any) -> Any:
            calls.append(name)
            if len(calls) > 1:
                return await call_tool(id_, name, arguments)
            error = MCPClientInitializationError("the client session was not initialized")
            return client._handle_tool_execution_error(id_, error)  # pyright: ignore[reportPrivateUsage]  # as Strands

        client.call_tool_async = ends_first  # pyright: ignore[reportAttributeAccessIssue]
        return client

    model = ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert (text(result), len(calls)) == ("3", 2)


async def test_a_call_that_fails_for_good_is_a_failed_tool_for_the_model(
    agents: Agents, tmp_path: Path
) -> None:
    model = ScriptedModel(
        use_tool("die_once", {"marker": str(tmp_path / "died")}),
        use_tool("add", {"a": 1, "b": 2}),
        say("done"),
    )
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=python_server)) as env:
        failed, added, seen_failed, seen_added = await env.run(OneAttempt.run, None, 30.0)
    assert failed["status"] == "error"
    assert text(failed) == "Tool execution failed: Connection closed"
    assert seen_failed == ["ApplicationError", "error"]
    assert text(added) == "3"  # the next call gets a new session without a retry
    assert seen_added == ["NoneType", "success"]


@workflow.defn
class Impatient:
    """Runs an agent with a short timeout, then one with a longer timeout. Returns both tool results."""

    @workflow.run
    async def run(self) -> list[Any]:
        results: list[Any] = []
        for seconds, heartbeat, tries in ((4, 1.5, 1), (8, 3, 3)):
            tests = TemporalMCPClient(
                "tests",
                start_to_close_timeout=timedelta(seconds=seconds),
                heartbeat_timeout=timedelta(seconds=heartbeat),
                retry_policy=RetryPolicy(maximum_attempts=tries),
            )
            agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)
            await agent.invoke_async("go")
            results += tool_results(agent)
        return results


async def test_a_long_call_heartbeats_and_a_server_that_hangs_is_replaced(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strands_temporal_mcp._session.PROBE_SECONDS", 0.5)
    monkeypatch.setattr("strands_temporal_mcp._session.STOP_SECONDS", 0.5)
    hanging: list[int] = []

    def stop(call: Any) -> Any:
        hanging.append(int((tmp_path / "hangs").read_text()))
        os.kill(hanging[0], signal.SIGSTOP)  # from now on the server answers nothing
        return say("it hangs")

    model = ScriptedModel(
        use_tool("hang", {"marker": str(tmp_path / "hangs")}), stop, use_tool("process", {}), say("done")
    )
    async with agents(workflows=[Impatient], plugins=plugins(model, tests=python_server)) as env:
        hung, answered = await env.run(Impatient.run)
    assert "StartToClose" in text(hung)  # longer than two heartbeat timeouts, so it did heartbeat
    assert answered["status"] == "success"
    assert int(text(answered)) != hanging[0]


async def test_a_cancelled_workflow_ends_its_call_and_the_session_goes_on(
    agents: Agents, tmp_path: Path
) -> None:
    marker = tmp_path / "hangs"
    model = ScriptedModel(use_tool("hang", {"marker": str(marker)}), use_tool("process", {}), say("done"))
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=python_server)) as env:
        handle = await env.start(OneAttempt.run, 3.0, 60.0)
        await wait_until(marker.exists)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as error:
            await handle.result()
        assert isinstance(error.value.cause, CancelledError)
        result, *_ = await env.run(OneAttempt.run, 3.0, 60.0)
    assert text(result) == marker.read_text()  # the same process
