# pyright: reportPrivateUsage=false
# White box: the search for the binary and the server's settings have no public names.
"""The dev server's binary: where it is looked for, and the error if it is not found."""

import asyncio
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration_tests.http_server import QuietHandler, serving
from packages.core.tests.public.dev_server_scenes import (
    BINARY,
    LIMIT,
    NOWHERE,
    Machine,
    empty_machine,
    program,
    wait_gone,
)
from packages.core.tests.public.dev_server_scenes import no_address as no_address

from strands_temporal.testing._server import DevServer
from strands_temporal.testing._server_binary import DevServerError, find_server_binary

MAKE_TEMPORAL = """
import pathlib, sys
file = pathlib.Path(sys.argv[1], "temporal-of-the-sdk")
file.write_text("#!/bin/sh\\n")
file.chmod(0o755)
"""


machine = pytest.fixture(empty_machine)


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
    monkeypatch.setenv("PATH", str(tmp_path))  # as if the environment were not activated

    file, source = find_server_binary()

    assert (file.name, source) == ("temporal", "environment")
    assert subprocess.run([file, "--version"], capture_output=True, text=True, check=True).stdout.startswith(
        "temporal"
    )


def test_an_earlier_download_is_used_again(machine: Machine):
    program(machine.downloaded)
    program(machine.downloaded.with_suffix(".downloading"))  # of another process, or interrupted

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
    class Answer(QuietHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.end_headers()

    with serving(Answer) as url:
        yield f"{url}/"


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
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)  # so that the SDK cannot reach its host
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
            seen.touch()  # the download goes on only after it was reported

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


def test_a_program_of_packages_in_a_second_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`uv run --with` puts one folder of packages in front of another, whose programs may not be on PATH."""
    installed = program(tmp_path / "bin" / "temporal")
    monkeypatch.syspath_prepend(str(tmp_path / "lib" / "python3.11" / "site-packages"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "elsewhere" / "python"))

    def nowhere(*_: str) -> str:
        return str(tmp_path / "nowhere")

    monkeypatch.setattr("sysconfig.get_path", nowhere)
    assert find_server_binary() == (installed, "environment")
