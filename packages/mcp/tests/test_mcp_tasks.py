"""Tools that run as MCP tasks, with `tasks_config`: a third-party server for each major version of `mcp`."""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from conftest import Agents
from integration_tests import real_parts
from packages.mcp.tests.conftest import NodeCommand, running
from packages.mcp.tests.mcp_support import (
    OneAttempt,
    OneServer,
    attempts,
    plugins,
    scheduled,
    text,
    tool_results,
    turn,
    wait_until,
)
from packages.mcp.tests.servers.clients import PYTHON_SERVER, stdio
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from strands_temporal.testing import ScriptedModel, say, use_tool

with workflow.unsafe.imports_passed_through():
    from mcp import ClientSession
    from strands import Agent
    from strands.tools.mcp import MCPClient

pytestmark = [
    pytest.mark.server,
    # mcp 1.30 warns of this when Strands uses its tasks.
    pytest.mark.filterwarnings("ignore:The experimental tasks API is deprecated:DeprecationWarning"),
]

MCP_2 = hasattr(ClientSession, "discover")
"""mcp 2 knows the final form of tasks (SEP-2663), which FastMCP serves; mcp 1 that of revision 2025-11-25."""

TASKS: Any = {"poll_interval": timedelta(milliseconds=100)}

Client: TypeAlias = Callable[..., MCPClient]


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The command line of a server whose tools all run as tasks, except `process`."""
    if not MCP_2:
        return [sys.executable, str(PYTHON_SERVER.with_name("tasks_server_1.py"))]
    python = real_parts.python_environment("fastmcp-tasks==4.1.2")
    return [python, str(PYTHON_SERVER.with_name("tasks_server_2.py"))]


@pytest.fixture(scope="session")
def own_server(command: list[str]) -> Client:
    """Makes clients that each have their own server."""

    def client(**options: Any) -> MCPClient:
        return stdio(command, **{"tasks_config": TASKS, **options})

    return client


@pytest.fixture(scope="session")
async def task_server(command: list[str], own_server: Client) -> AsyncGenerator[Client]:
    """Makes clients. A server that starts slowly, as FastMCP does, is started once and shared by them."""
    if not MCP_2:
        yield own_server
        return
    async with running(lambda port: command) as port:

        def client(**options: Any) -> MCPClient:
            return MCPClient(url=f"http://127.0.0.1:{port}/mcp", **{"tasks_config": TASKS, **options})

        yield client


def everything_at_once() -> ScriptedModel:
    return ScriptedModel(
        turn(
            [("research", {"topic": "rain", "seconds": 0.1}), ("broken", {"message": "no"}), ("process", {})]
        ),
        lambda call: say(call.text),
    )


def without_ids(results: Sequence[Any]) -> list[Any]:
    """Return tool results without the ids of processes and tasks, which differ from run to run."""
    kept = ("status", "toolUseId", "content", "isError")
    return [{key: result[key] for key in kept} for result in results if "process" not in result["toolUseId"]]


async def test_parity_with_a_plain_agent_whose_tools_are_tasks(agents: Agents, task_server: Client) -> None:
    plain_model, model = everything_at_once(), everything_at_once()
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=task_server)) as env:
        durable = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1, 1, 1]  # a failed task counts as an answer
    agent = await asyncio.to_thread(Agent, plain_model, tools=[task_server()], callback_handler=None)
    try:
        await agent.invoke_async("go")
    finally:
        await asyncio.to_thread(agent.cleanup)
    plain = tool_results(agent)
    assert without_ids(durable) == without_ids(plain)
    assert [result["status"] for result in durable] == ["success", "error", "success"]
    assert text(durable[0]) == "found rain"
    assert "no" in text(durable[1])
    assert [call.tool_specs for call in model.calls] == [call.tool_specs for call in plain_model.calls]


async def test_a_long_task_heartbeats(agents: Agents, task_server: Client) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "rain", "seconds": 7.0}), say("done"))
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=task_server)) as env:
        result, _ = await env.run(OneAttempt.run, 2.0, 30.0)  # as long as three heartbeat timeouts
        assert (await scheduled(env)).count("tests-call-tool") == 1
    assert text(result) == "found rain"


async def test_a_cancelled_workflow_cancels_the_task_and_the_session_goes_on(
    agents: Agents, task_server: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strands_temporal_mcp")
    marker = tmp_path / "hangs"
    model = ScriptedModel(use_tool("hang", {"marker": str(marker)}), use_tool("process", {}), say("done"))
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=task_server)) as env:
        handle = await env.start(OneAttempt.run, 3.0, 60.0)
        await wait_until(marker.exists)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as error:
            await handle.result()
        assert isinstance(error.value.cause, CancelledError)
        await env.assert_replays(handle)
        await wait_until(Path(f"{marker}.ended").exists)  # the server learned of the cancellation
        result, *_ = await env.run(OneAttempt.run, 3.0, 60.0)
    assert text(result) == marker.read_text()  # the same process
    assert "connecting again" not in caplog.text


async def test_a_call_that_runs_into_its_time_out_cancels_the_task(
    agents: Agents, task_server: Client, tmp_path: Path
) -> None:
    marker = tmp_path / "hangs"
    model = ScriptedModel(use_tool("hang", {"marker": str(marker)}), say("done"))
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=task_server)) as env:
        result, _ = await env.run(OneAttempt.run, 3.0, 6.0)
        await wait_until(Path(f"{marker}.ended").exists)
    assert "StartToClose" in text(result)


async def test_a_worker_that_ends_cancels_its_tasks(
    agents: Agents, task_server: Client, tmp_path: Path
) -> None:
    marker = tmp_path / "hangs"
    model = ScriptedModel(use_tool("hang", {"marker": str(marker)}))
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=task_server)) as env:
        handle = await env.start(OneAttempt.run, 3.0, 60.0)
        await wait_until(marker.exists)
    await wait_until(Path(f"{marker}.ended").exists)
    await handle.terminate()


@pytest.mark.slow
async def test_a_server_that_dies_in_a_task_is_healed_by_a_retry(
    agents: Agents, own_server: Client, tmp_path: Path
) -> None:
    model = ScriptedModel(use_tool("die_once", {"marker": str(tmp_path / "died")}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=own_server)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [2]
    assert text(result) == "answered as a task"  # the new session also knows which tools are tasks


async def test_a_task_that_takes_longer_than_its_client_waits_is_an_error_for_the_model(
    agents: Agents, task_server: Client, tmp_path: Path
) -> None:
    patience: Any = {**TASKS, "poll_timeout": timedelta(seconds=0.5)}
    model = ScriptedModel(use_tool("hang", {"marker": str(tmp_path / "hangs")}), say("done"))
    impatient = plugins(model, tests=lambda: task_server(tasks_config=patience))
    async with agents(workflows=[OneServer], plugins=impatient) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert result["isError"] is True
    assert "timed out after 0.5 seconds" in text(result)


@pytest.mark.skipif(not MCP_2, reason="with mcp 1 Strands does not fetch a task's questions")
async def test_a_task_may_ask_the_user(agents: Agents, task_server: Client) -> None:
    asked: list[str] = []

    async def answer(context: Any, params: Any) -> Any:
        from mcp.types import ElicitResult

        asked.append(params.message)
        return ElicitResult(action="accept", content={"value": "Ada"})

    model = ScriptedModel(use_tool("ask", {"question": "Who?"}), say("done"))
    servers = plugins(model, tests=lambda: task_server(elicitation_callback=answer))
    async with agents(workflows=[OneServer], plugins=servers) as env:
        (result,) = await env.run(OneServer.run, ["go"])
    assert asked == ["Who?"]
    assert text(result) == "the user is Ada"


async def test_a_tool_that_must_be_a_task_says_so_to_a_client_without_tasks(
    agents: Agents, task_server: Client
) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "rain", "seconds": 0}), say("done"))
    servers = plugins(model, tests=lambda: task_server(tasks_config=None))
    async with agents(workflows=[OneServer], plugins=servers) as env:
        (result,) = await env.run(OneServer.run, ["go"])
    assert result["status"] == "error"
    assert "requires" in text(result)
    assert "task" in text(result)


async def test_the_task_of_server_everything(agents: Agents, node_command: NodeCommand) -> None:
    """The server knows only tasks of revision 2025-11-25. With mcp 2 its own error says so."""
    command = node_command("server-everything", "stdio")
    model = ScriptedModel(use_tool("simulate-research-query", {"topic": "rain"}), say("done"))
    servers = plugins(model, tests=lambda: stdio(command, tasks_config=TASKS))
    async with agents(workflows=[OneServer], plugins=servers) as env:
        (result,) = await env.run(OneServer.run, ["go"])
    if MCP_2:
        assert result["status"] == "error"
        assert "requires task augmentation" in text(result)
    else:
        assert text(result).startswith("# Research Report: rain")
