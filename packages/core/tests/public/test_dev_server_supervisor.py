# pyright: reportPrivateUsage=false
# White box: the supervisor has no public name.
"""The dev server's supervisor: the command that it runs ends with it, whatever happens."""

import socket
from pathlib import Path

import pytest
from packages.core.tests.public.dev_server_scenes import LIMIT, is_gone, program, wait_until
from packages.core.tests.public.dev_server_scenes import no_address as no_address

from strands_temporal.testing._supervisor import Supervised


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

    def refuses() -> bool:  # if nobody adopts orphans, the process may stay as a zombie
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(refuses, "the command's port is closed")
