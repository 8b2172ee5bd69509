"""Workers with `MCPPlugin` start with all servers or not at all, and leave nothing behind."""

import asyncio
import re
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Agents
from packages.mcp.tests.conftest import HttpServer
from packages.mcp.tests.mcp_support import OneAttempt, OneServer, plugins, text
from packages.mcp.tests.servers.clients import PYTHON_SERVER, python_server, server_here, stdio
from strands.tools.mcp import MCPClient
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, assert_replays, say, use_tool
from strands_temporal_mcp import MCPPlugin, MCPServersUnavailableError, _listings

pytestmark = [
    pytest.mark.server,
    # On mcp 1, Strands uses the deprecated name.
    pytest.mark.filterwarnings("ignore:Use `streamable_http_client` instead:DeprecationWarning"),
]


def worker_of(client: Client, *plugins: Any, **options: Any) -> Worker:
    options.setdefault("task_queue", f"mcp-{uuid.uuid4()}")
    return Worker(client, workflows=[OneServer], plugins=list(plugins), **options)


async def run_one(client: Client, task_queue: str) -> Any:
    (result,) = await client.execute_workflow(
        OneServer.run,
        ["go"],
        id=str(uuid.uuid4()),
        task_queue=task_queue,
        execution_timeout=timedelta(seconds=60),
    )
    return result


def left_over() -> "Counter[str]":
    """Return what can outlive a worker in this process: tasks, threads, child processes."""
    found = ["task" for _ in asyncio.all_tasks()]
    found += [f"thread {thread.name.rstrip('0123456789_-')}" for thread in threading.enumerate()]
    found += [f"child {child.pid}" for child in psutil.Process().children(recursive=True)]
    return Counter(found)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, ten seconds at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)


def vanishing() -> MCPClient:
    return stdio([sys.executable, "-c", "import sys; sys.exit('no configuration')"])


def broken() -> MCPClient:
    raise LookupError("MY_TOKEN is not set")


def paging(pages: int, *then: str) -> MCPClient:
    return stdio([sys.executable, str(PYTHON_SERVER.with_name("paging_server.py")), str(pages), *then])


async def test_an_agent_has_the_tools_of_all_pages(agents: Agents) -> None:
    model = ScriptedModel(use_tool("tool_3", {}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=lambda: paging(3))) as env:
        (result,) = await env.run(OneServer.run, ["go"])
    assert text(result) == "tool_3 was here"
    assert model.calls[0].tool_names == ["tool_1", "tool_2", "tool_3"]


@pytest.mark.parametrize(
    ("pages", "then", "said"),
    [
        (3, ["again"], "do not end: after 3 it gives the cursor '3' again. Mend the server"),
        (6, [], "do not end: after 5 it gives the cursor '6'. Mend the server"),
    ],
)
async def test_pages_that_do_not_end_are_an_error(
    client: Client, monkeypatch: pytest.MonkeyPatch, pages: int, then: list[str], said: str
) -> None:
    monkeypatch.setattr(_listings, "MOST_PAGES", 5)
    before = left_over()
    with pytest.raises(MCPServersUnavailableError, match=re.escape(said)):
        await worker_of(client, MCPPlugin(mcp_clients={"paging": lambda: paging(pages, *then)})).run()
    await wait_until(lambda: left_over() <= before)
    assert left_over() <= before


async def test_the_worker_does_not_start_without_its_servers_and_names_all_of_them(client: Client) -> None:
    before = left_over()
    plugin = MCPPlugin(
        mcp_clients={
            "fine": python_server,
            "missing": lambda: stdio(["/no/such/program"]),
            "vanishing": vanishing,
            "closed": lambda: MCPClient(url="http://127.0.0.1:9/mcp"),
            "broken": broken,
            "wrong": lambda: 5,  # pyright: ignore[reportArgumentType]  # the mistake under test
        }
    )
    with pytest.raises(MCPServersUnavailableError) as error:
        await worker_of(client, plugin).run()
    message = str(error.value)
    assert message.startswith("The worker does not start: 5 of 6 MCP servers are unavailable")
    assert sorted(error.value.failures) == ["broken", "closed", "missing", "vanishing", "wrong"]
    assert "'missing': FileNotFoundError: [Errno 2] No such file or directory: '/no/such/program'" in message
    assert re.search(r"'vanishing': \w+Error: Connection (closed|lost)", message)
    assert "'closed': ConnectError: All connection attempts failed" in message
    assert "'broken': The factory of MCP server 'broken' raised LookupError: MY_TOKEN is not set" in message
    assert "'wrong': The factory of MCP server 'wrong' returned 5, not a MCPClient" in message
    await wait_until(lambda: not left_over() - before)
    assert left_over() - before == Counter()


async def test_async_with_a_worker_raises_the_same(client: Client) -> None:
    plugin = MCPPlugin(mcp_clients={"missing": lambda: stdio(["/no/such/program"])})
    with pytest.raises(MCPServersUnavailableError, match="missing"):
        async with worker_of(client, plugin):
            await asyncio.sleep(30)


async def test_a_server_that_may_be_absent_does_not_hold_the_worker_up(
    client: Client, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(lambda call: say(str(call.tool_names)))
    absent = plugins(model, tests=lambda: stdio(["/no/such/program"], continue_on_error=True))
    async with worker_of(client, *absent, **worker_options) as worker:
        handle = await client.start_workflow(
            OneServer.run, ["go"], id=str(uuid.uuid4()), task_queue=worker.task_queue
        )
        assert await handle.result() == []
    assert model.calls[0].tool_names == []


async def test_nothing_is_left_after_a_worker(client: Client, worker_options: dict[str, Any]) -> None:
    async def once() -> None:
        model = ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("done"))
        options = worker_options | {"task_queue": f"mcp-{uuid.uuid4()}"}
        async with worker_of(client, *plugins(model, tests=python_server), **options) as worker:
            assert text(await run_one(client, worker.task_queue)) == "3"
            assert len(psutil.Process().children()) > children

    children = len(psutil.Process().children())
    await once()  # not counted: what Temporal's worker itself leaves behind
    before = left_over()
    await once()
    await wait_until(lambda: not left_over() - before)
    assert left_over() - before == Counter()


@pytest.mark.sample(1)
@pytest.mark.parametrize("where", ["client", "worker", "both"])
async def test_on_client_worker_or_both_there_is_one_session(
    client: Client, where: str, worker_options: dict[str, Any]
) -> None:
    made: list[MCPClient] = []

    def factory() -> MCPClient:
        made.append(server_here())
        return made[-1]

    model = ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("done"))
    both = plugins(model, tests=factory)
    connected = Client(client.service_client, plugins=both if where in ("client", "both") else [])
    on_worker = both if where in ("worker", "both") else []
    async with worker_of(connected, *on_worker, **worker_options) as worker:
        assert text(await run_one(connected, worker.task_queue)) == "3"
    assert len(made) == 1


async def test_workers_that_share_a_plugin_share_the_session(
    client: Client, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(*[use_tool("process", {}), say("done")] * 3)
    shared = plugins(model, tests=python_server)
    async with worker_of(client, *shared, **worker_options) as one:
        async with worker_of(client, *shared, **worker_options) as two:
            first, second = await run_one(client, one.task_queue), await run_one(client, two.task_queue)
        after = await run_one(client, one.task_queue)  # the session outlives the second worker
    assert text(first) == text(second) == text(after)


async def test_two_plugins_that_name_one_server_are_refused(client: Client) -> None:
    one, two = (
        MCPPlugin(mcp_clients={"tests": python_server}),
        MCPPlugin(mcp_clients={"tests": python_server}),
    )
    with pytest.raises(ValueError, match=r"'tests-list-tools'.*one plugin object"):
        worker_of(client, one, two)


async def test_two_plugins_with_different_servers_compose(
    client: Client, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("done"))
    other = MCPPlugin(mcp_clients={"other": server_here})
    async with worker_of(client, other, *plugins(model, tests=server_here), **worker_options) as worker:
        assert text(await run_one(client, worker.task_queue)) == "3"


async def test_a_replay_dials_nobody(client: Client, worker_options: dict[str, Any]) -> None:
    def never() -> MCPClient:
        raise AssertionError("a replay made a client")

    model = ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("done"))
    connected = Client(client.service_client, plugins=plugins(model, tests=server_here))
    async with worker_of(connected, **worker_options) as worker:
        handle = await connected.start_workflow(
            OneServer.run, ["go"], id=str(uuid.uuid4()), task_queue=worker.task_queue
        )
        await handle.result()
    history = await handle.fetch_history()
    for servers in ({"tests": never}, {}):
        await assert_replays(history, [OneServer], plugins=plugins(model, **servers))


async def test_a_worker_stopped_while_it_starts_leaves_nothing(client: Client) -> None:
    before = left_over()
    starting = asyncio.create_task(worker_of(client, MCPPlugin(mcp_clients={"tests": python_server})).run())
    await wait_until(lambda: len(psutil.Process().children()) > 0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await wait_until(lambda: not left_over() - before)
    assert left_over() - before == Counter()


async def test_a_http_server_that_restarts_is_healed_by_a_retry(
    client: Client, worker_options: dict[str, Any], http_server: HttpServer
) -> None:
    def command(port: int) -> list[str]:
        return [sys.executable, str(PYTHON_SERVER), "http", str(port)]

    model = ScriptedModel(*[use_tool("process", {}), say("done")] * 2)
    async with http_server(command) as port:
        mine = plugins(model, tests=lambda: MCPClient(url=f"http://127.0.0.1:{port}/mcp"))
        starting = worker_of(client, *mine, **worker_options)
        running = asyncio.create_task(starting.run())
        before = await run_one(client, starting.task_queue)
    async with http_server(command, port):
        after = await run_one(client, starting.task_queue)
    await starting.shutdown()
    await running
    assert before["status"] == after["status"] == "success"
    assert text(before) != text(after)


def test_what_a_plugin_is_given_wrongly() -> None:
    wrong: Any = MCPPlugin
    with pytest.raises(TypeError, match=r"mcp_clients=\[\] is not a mapping"):
        wrong(mcp_clients=[])
    with pytest.raises(TypeError, match="MCP server 'a' is 5, which cannot be called"):
        wrong(mcp_clients={"a": 5})
    with pytest.raises(ValueError, match="name is empty"):
        wrong(mcp_clients={"": python_server})
    with pytest.raises(TypeError, match="name 5 is not a string"):
        wrong(mcp_clients={5: python_server})


async def test_an_idle_connection_is_closed_and_the_next_call_opens_another(client: Client) -> None:
    model = ScriptedModel(*[use_tool("process", {}), say("done")] * 2)
    idle = timedelta(seconds=0.5)
    both = [
        StrandsPlugin(
            models={"scripted": lambda: model},
            mcp_clients={"tests": python_server},
            mcp_connection_idle_timeout=idle,
        )
    ]
    queue = f"idle-{uuid.uuid4()}"
    async with worker_of(client, *both, task_queue=queue):
        first = await run_one(client, queue)
        server = int(text(first))
        await wait_until(lambda: not psutil.pid_exists(server))
        second = await run_one(client, queue)
    assert second["status"] == "success"
    assert int(text(second)) != server


@pytest.mark.slow
async def test_a_connection_is_not_idle_while_a_call_is_under_way(agents: Agents, tmp_path: Path) -> None:
    marker = tmp_path / "hangs"
    model = ScriptedModel(use_tool("hang", {"marker": str(marker)}), say("done"))
    plugin = MCPPlugin(mcp_clients={"tests": python_server}, connection_idle_timeout=timedelta(seconds=0.3))
    both = [StrandsPlugin(models={"scripted": lambda: model}), plugin]
    async with agents(workflows=[OneAttempt], plugins=both) as env:
        handle = await env.start(OneAttempt.run, 3.0, 60.0)
        await wait_until(marker.exists)
        server = int(marker.read_text())
        for _ in range(10):  # five times the idle time
            assert psutil.pid_exists(server)
            await asyncio.sleep(0.15)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await wait_until(lambda: not psutil.pid_exists(server))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (300, TypeError, r"connection_idle_timeout=300 is not a timedelta"),
        (timedelta(), ValueError, r"connection_idle_timeout=.* is not positive"),
        (timedelta(seconds=-1), ValueError, r"connection_idle_timeout=.* is not positive"),
    ],
)
def test_a_bad_idle_timeout_is_refused(given: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        MCPPlugin(mcp_clients={"tests": python_server}, connection_idle_timeout=given)
    with pytest.raises(error, match=said):
        StrandsPlugin(mcp_clients={"tests": python_server}, mcp_connection_idle_timeout=given)


def test_an_idle_timeout_without_servers_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"for the servers in mcp_clients.*MCPPlugin\(connection_idle_timeout"
    ):
        StrandsPlugin(mcp_connection_idle_timeout=timedelta(minutes=5))
