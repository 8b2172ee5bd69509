# pyright: reportPrivateUsage=false
# White box: the search for the binary and the server's settings have no public names.
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from packages.core.tests.public.dev_server_scenes import (
    LIMIT,
    Machine,
    empty_machine,
    is_gone,
    program,
    wait_gone,
)
from packages.core.tests.public.dev_server_scenes import no_address as no_address
from temporalio.client import Client, WorkflowExecutionStatus

from strands_temporal.testing import _server
from strands_temporal.testing._server import DevServer
from strands_temporal.testing._server_binary import DevServerError

SERVER = "strands_temporal.testing._server"


machine = pytest.fixture(empty_machine)


# --- a server at TEMPORAL_ADDRESS ---


@pytest.mark.parametrize("listens", [False, True], ids=["refused", "silent"])
async def test_an_unusable_address_is_named(monkeypatch: pytest.MonkeyPatch, listens: bool):
    monkeypatch.setattr(f"{SERVER}._REACH_TIMEOUT", 0.3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if listens:
            listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)

        with pytest.raises(DevServerError) as raised:
            await asyncio.wait_for(DevServer().start(), LIMIT)

    assert f"TEMPORAL_ADDRESS='{address}' cannot be used" in str(raised.value)
    assert ("it does not answer" if listens else "refused") in str(raised.value)
    assert "unset TEMPORAL_ADDRESS" in str(raised.value)


def no_search(*_: object):
    pytest.fail("nothing is to be looked for")


@pytest.mark.server
async def test_the_address_of_the_environment_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch):
    async with DevServer() as owner:
        monkeypatch.setenv("TEMPORAL_ADDRESS", owner.address)
        monkeypatch.setenv("TEMPORAL_UI_ADDRESS", "http://ui.example")
        monkeypatch.setattr(f"{SERVER}.BinaryLookup", no_search)

        async with DevServer(ui=True) as guest:
            assert (guest.address, guest.source) == (owner.address, "TEMPORAL_ADDRESS")
            assert (guest.pid, guest.ui_url) == (None, "http://ui.example")

        assert await (await Client.connect(owner.address)).service_client.check_health(), (
            "not the guest's to end"
        )


# --- a server of our own ---


async def test_a_server_that_does_not_run_has_no_address():
    with pytest.raises(RuntimeError, match="is not running"):
        _ = DevServer().address


async def test_a_server_that_never_answers_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{SERVER}._START_TIMEOUT", 0.5)
    pid_file = machine.path / "pid"
    program(
        machine.path / "temporal",
        "import os, signal, sys\nif '--version' in sys.argv: sys.exit()\n"
        f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        "print('still thinking', flush=True)\nsignal.pause()",
    )

    with pytest.raises(DevServerError, match=r"not ready after 0 s: (?s:.*)Its last output:\nstill thinking"):
        await asyncio.wait_for(DevServer().start(), LIMIT)

    assert is_gone(int(pid_file.read_text()))


@pytest.mark.server
async def test_a_server_that_dies_early_is_quoted():
    with pytest.raises(
        DevServerError, match=r"it ended with exit code 1\. (?s:.*)unknown flag: --no-such-flag"
    ):
        await asyncio.wait_for(DevServer(extra_args=["--no-such-flag"]).start(), LIMIT)


@pytest.mark.server
async def test_a_taken_port_is_exchanged(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], _server._free_port()])
        monkeypatch.setattr(f"{SERVER}._free_port", lambda: next(ports))

        async with DevServer() as server:
            assert server.address != f"127.0.0.1:{taken.getsockname()[1]}"
            assert await (await Client.connect(server.address)).service_client.check_health()


@pytest.mark.server
async def test_a_server_answers_for_its_namespace_and_is_gone_afterwards():
    server = DevServer(ui=True, namespace="other")
    await server.start()
    try:
        with pytest.raises(RuntimeError, match=f"already runs at {server.address}"):
            await server.start()
        pid = server.pid
        assert pid is not None
        assert not is_gone(pid)
        client = await Client.connect(server.address, namespace="other")
        handle = await client.start_workflow("Nobody", id="one", task_queue="none")
        assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
        assert server.ui_url is not None
        host, port = server.ui_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        await writer.wait_closed()
    finally:
        await server.stop()

    assert is_gone(pid)
    await server.stop()  # a second stop does nothing


def listening_hosts(pid: int | None) -> list[str]:
    sockets: set[str] = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(str(link.readlink()))
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    # The columns: 1 the local address, 3 the state (0A: LISTEN), 9 the socket's inode.
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets]


@pytest.mark.server
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_server_listens_on_the_loopback_only():
    async with DevServer(ui=True) as server:
        hosts = await asyncio.to_thread(listening_hosts, server.pid)

    assert len(hosts) >= 2, "at least the front end and the UI"
    assert set(hosts) == {"0100007F"}  # 127.0.0.1, low byte first


@pytest.mark.server
async def test_a_dead_server_ends_its_supervisor():
    async with DevServer() as server:
        running = server._require_running()
        assert running.process is not None
        os.kill(running.process.pid, signal.SIGKILL)

        assert await asyncio.to_thread(running.process.wait, LIMIT) == 128 + signal.SIGKILL


@pytest.mark.server
async def test_a_database_file_keeps_its_workflows(tmp_path: Path):
    server = DevServer(db_filename=tmp_path / "new" / "temporal.db")
    async with server:
        client = await Client.connect(server.address)
        await client.start_workflow("Nobody", id="kept", task_queue="none")

    async with server:
        client = await Client.connect(server.address)
        described = await client.get_workflow_handle("kept").describe()

    assert (described.workflow_type, described.status) == ("Nobody", WorkflowExecutionStatus.RUNNING)


CALLER = """
import asyncio, os, signal, sys
from strands_temporal.testing._server import DevServer

async def main():
    async with DevServer() as server:
        fork = os.fork() if "fork" in sys.argv else None
        if fork == 0:
            signal.pause()
        print(server.pid, server._require_running().process._process.pid, fork or 0, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def caller(*arguments: str):
    """Start a server from a process in its own group. Yield it and the pids of server, supervisor, fork."""
    process = subprocess.Popen(
        [sys.executable, "-c", CALLER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        server, supervisor, fork = map(int, process.stdout.readline().split())
        assert not is_gone(server)
        yield process, server, supervisor, fork
    finally:
        process.kill()
        process.communicate(timeout=LIMIT)


@pytest.mark.server
def test_a_killed_caller_leaves_no_server():
    with caller() as (process, server, *_):
        process.send_signal(signal.SIGKILL)
        wait_gone(server)


@pytest.mark.server
def test_a_fork_of_a_killed_caller_does_not_keep_the_server():
    with caller("fork") as (process, server, _, fork):
        try:
            process.send_signal(signal.SIGKILL)
            process.wait(LIMIT)  # while it is a zombie, it is still the parent of its children
            wait_gone(server)
        finally:
            os.kill(fork, signal.SIGKILL)


@pytest.mark.server
def test_ctrl_c_for_the_whole_process_group_ends_the_server_in_order():
    with caller() as (process, server, supervisor, _):
        reached = {os.getpgid(pid) for pid in (server, supervisor)} & {os.getpgid(process.pid)}
        assert not reached, "the terminal's SIGINT is the caller's alone, which then ends the server in order"
        os.killpg(process.pid, signal.SIGINT)
        wait_gone(server)
        assert process.wait(LIMIT) in (-signal.SIGINT, 130)
        assert process.stderr is not None
        assert "KeyboardInterrupt" in process.stderr.read()
