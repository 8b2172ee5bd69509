# pyright: reportPrivateUsage=false
# White box: the supervisor has no public name.
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from strands_temporal.testing import _server
from strands_temporal.testing._server import DevServer
from strands_temporal.testing._server_binary import DevServerError, find_server_binary
from strands_temporal.testing._supervisor import Supervised

LIMIT = 30.0  # seconds for whatever must happen soon; a second is usual
BINARY = "strands_temporal.testing._server_binary"
SERVER = "strands_temporal.testing._server"
NOWHERE = "http://127.0.0.1:1/"

MAKE_TEMPORAL = """
import pathlib, sys
file = pathlib.Path(sys.argv[1], "temporal-of-the-sdk")
file.write_text("#!/bin/sh\\n")
file.chmod(0o755)
"""


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.delenv("TEMPORAL_UI_ADDRESS", raising=False)


@dataclass
class Machine:
    environment: Path
    path: Path
    cache: Path

    @property
    def downloaded(self) -> Path:
        return self.cache / "temporal-cli" / "temporal-of-the-sdk"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without Temporal and without a network."""
    made = Machine(tmp_path / "venv", tmp_path / "bin", tmp_path / "cache")
    made.path.mkdir()
    monkeypatch.setenv("PATH", str(made.path))
    monkeypatch.setenv("STRANDS_TEMPORAL_CACHE", str(made.cache))
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", NOWHERE)
    monkeypatch.setattr(f"{BINARY}._environment_folders", lambda: [made.environment])
    return made


def program(file: Path, python: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!{sys.executable}\n{python}")
    file.chmod(0o755)
    return file


def wait_until(done: Callable[[], bool], what: str):
    deadline = time.monotonic() + LIMIT
    while not done():
        assert time.monotonic() < deadline, f"not within {LIMIT} s: {what}"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_gone(pid: int):
    wait_until(lambda: is_gone(pid), f"process {pid} is gone")


# --- finding the binary ---


def test_the_interpreters_own_folder_comes_before_path(machine: Machine):
    installed = program(machine.environment / "temporal")
    program(machine.path / "temporal")

    assert find_server_binary() == (installed, "environment")


def test_path_comes_before_a_download(machine: Machine):
    on_path = program(machine.path / "temporal")
    program(machine.downloaded)

    assert find_server_binary() == (on_path, "PATH")


@pytest.mark.server
def test_the_extra_dev_puts_the_server_beside_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))  # as for an interpreter whose environment is not activated

    file, source = find_server_binary()

    assert (file.name, source) == ("temporal", "environment")
    assert subprocess.run([file, "--version"], capture_output=True, text=True, check=True).stdout.startswith(
        "temporal"
    )


def test_an_earlier_download_is_used_again(machine: Machine):
    program(machine.downloaded)
    program(machine.downloaded.with_suffix(".downloading"))  # of another process, or cut off

    assert find_server_binary() == (machine.downloaded, "SDK download")


def test_the_default_cache_follows_xdg(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("STRANDS_TEMPORAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine.cache))
    file = program(machine.cache / "strands-temporal" / "temporal-cli" / "temporal-of-the-sdk")

    assert find_server_binary() == (file, "SDK download")


def test_a_broken_file_on_path_is_skipped_for_the_next(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program(machine.path / "temporal", "raise SystemExit(3)")
    good = program(tmp_path / "other" / "temporal")
    monkeypatch.setenv("PATH", os.pathsep.join([str(machine.path), str(good.parent)]))

    assert find_server_binary() == (good, "PATH")


@pytest.mark.parametrize(
    ("mode", "content", "fault"),
    [
        (0o644, f"#!{sys.executable}", "is not executable"),
        (0o755, f"#!{sys.executable}\nraise SystemExit(3)", "'--version' ended with 3"),
        (0o755, "not a program", "does not start"),
    ],
)
def test_a_broken_file_is_named_in_the_error(machine: Machine, mode: int, content: str, fault: str):
    files = {
        "environment": machine.environment / "temporal",
        "PATH": machine.path / "temporal",
        "SDK download": machine.downloaded,
    }
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    with pytest.raises(DevServerError) as raised:
        find_server_binary()

    said = re.sub(r"does not start: (?=')", "", str(raised.value))
    for place, file in files.items():
        assert f"- {place}: {file} {fault}" in said


def test_offline_everything_tried_is_listed_with_what_to_do(machine: Machine):
    begin = time.monotonic()

    with pytest.raises(DevServerError) as raised:
        find_server_binary()

    assert time.monotonic() - begin < 10, "an offline machine must lose seconds only"
    assert str(raised.value) == (
        "No Temporal dev server was found. What was tried, and what to do (one is enough):\n"
        "- environment: no file named 'temporal'.\n"
        '  pip install "strands-temporal[dev]"\n'
        "- PATH: no file named 'temporal'.\n"
        "  Install the Temporal CLI: https://docs.temporal.io/cli/setup-cli\n"
        f"- SDK download: {NOWHERE} is out of reach: [Errno {111 if sys.platform == 'linux' else 61}] "
        "Connection refused\n"
        "  Let this machine reach https://temporal.download/.\n"
        "- TEMPORAL_ADDRESS: not set.\n"
        "  Set it to the host:port of a Temporal server that runs."
    )


@contextmanager
def answering_host(status: int):
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{host.server_port}/"
        finally:
            host.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 404])
def test_a_download_is_kept_in_the_cache(machine: Machine, monkeypatch: pytest.MonkeyPatch, status: int):
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD", MAKE_TEMPORAL)
    with answering_host(status) as host:
        monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", host)
        assert find_server_binary() == (machine.downloaded, "SDK download")

    assert find_server_binary() == (machine.downloaded, "SDK download"), "offline again"


def test_a_download_that_kills_its_process_is_a_listed_failure(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with answering_host(200) as host:
        monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", host)
        with pytest.raises(DevServerError, match="SDK download: exit code 137"):
            find_server_binary()


def test_the_sdk_takes_the_download_script_as_it_is(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)  # the SDK must not reach its host, wherever this runs
    with answering_host(200) as host:
        monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", host)
        with pytest.raises(DevServerError, match=r"SDK download: .*failed to download ephemeral server"):
            find_server_binary()


def test_a_download_that_leaves_nothing_is_a_listed_failure(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD", "")
    with answering_host(200) as host:
        monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", host)
        with pytest.raises(DevServerError, match="SDK download: it left no file"):
            find_server_binary()


def test_a_slow_download_says_so(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{BINARY}.PROGRESS_EVERY", 0.1)
    seen = tmp_path / "seen"
    wait = f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(.01)\n"
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD", wait + MAKE_TEMPORAL)
    lines: list[str] = []

    def progress(line: str):
        lines.append(line)
        if line.startswith("Downloading"):
            seen.touch()  # the download goes on only once it was reported

    with answering_host(200) as host:
        monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", host)
        find_server_binary(progress=progress)

    assert re.fullmatch(r"Downloading the Temporal CLI: \d+ s", lines[-1])


async def test_a_cancelled_start_ends_the_download(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(f"{BINARY}.PROGRESS_EVERY", 0.1)
    pid_file, downloading = tmp_path / "pid", asyncio.Event()
    monkeypatch.setattr(
        f"{BINARY}._DOWNLOAD",
        f"import os, signal\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\nsignal.pause()",
    )
    loop = asyncio.get_running_loop()

    def progress(line: str):
        if line.startswith("Downloading") and pid_file.exists() and pid_file.read_text():
            loop.call_soon_threadsafe(downloading.set)

    with answering_host(200) as host:
        monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", host)
        start = asyncio.create_task(DevServer(progress=progress).start())
        await asyncio.wait_for(downloading.wait(), LIMIT)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start

    await asyncio.to_thread(wait_gone, int(pid_file.read_text()))


# --- the supervisor ---


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path):
    ready = tmp_path / "ready"
    stubborn = program(
        tmp_path / "stubborn",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w').close()\nwhile True: time.sleep(60)",
    )
    with Supervised([str(stubborn)]) as process:
        wait_until(ready.exists, "it ignores SIGTERM")

    assert is_gone(process.pid)


def test_output_beyond_any_pipe_does_not_stop_the_command(tmp_path: Path):
    chatty = program(tmp_path / "chatty", "print('x' * 1_000_000)\nprint('the end')\nraise SystemExit(7)")

    with Supervised([str(chatty)]) as process:
        assert process.wait(LIMIT) == 7
        assert process.tail(1) == "the end"


def test_a_command_that_cannot_start_says_so(tmp_path: Path):
    with pytest.raises(OSError, match=r"did not start: .*No such file"):
        Supervised([str(tmp_path / "nothing")])


def test_a_killed_supervisor_does_not_save_the_command(tmp_path: Path):
    listening = program(
        tmp_path / "listening",
        "import socket, time\nlistener = socket.create_server(('127.0.0.1', 0))\n"
        "print(listener.getsockname()[1], flush=True)\nwhile True: time.sleep(60)",
    )
    process = Supervised([str(listening)])
    wait_until(lambda: process.tail() != "", "its port is known")
    address = ("127.0.0.1", int(process.tail()))
    socket.create_connection(address).close()

    process._process.kill()
    process.end()

    def refuses() -> bool:  # its process id may stay, as a zombie, where nobody adopts orphans
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(refuses, "the command's port is closed")


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
    with pytest.raises(RuntimeError, match="does not run"):
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

    with pytest.raises(DevServerError, match=r"not ready after 0 s: (?s:.*)Its last words:\nstill thinking"):
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
    await server.stop()  # twice does nothing


def listening_hosts(pid: int | None) -> list[str]:
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
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
    """A process of its own group that starts a server; with the pids of server, supervisor and fork."""
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
            process.wait(LIMIT)  # a zombie is still its children's parent
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
