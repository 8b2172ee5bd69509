"""`strands-temporal dev` and `console` serve the console. Its button kills the worker."""

import contextlib
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from packages.core.tests.command_processes import Dev, Folder, dev_running, user_folder
from packages.streaming.tests import console_agents as shop

from integration_tests.browser import Visit, browse, click, script, wait_for
from integration_tests.console_visits import ABORTED, ROWS, begin
from integration_tests.real_parts import free_port

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

WORDS = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Folder]:
    with user_folder(tmp_path) as made:
        shutil.copy(shop.__file__, tmp_path / "shop.py")
        yield made


def refused(url: str, **headers: str) -> int:
    """Post without what the page has; return the status."""
    request = urllib.request.Request(url, method="POST", headers=headers)  # noqa: S310  # our own server
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)  # noqa: S310
    with error.value as answer:
        return answer.code


def test_the_button_kills_the_worker_and_the_answer_goes_on(folder: Folder) -> None:
    with dev_running(folder, "shop.py") as dev:
        url = dev.event("console")["url"]
        dev.event("ready")
        assert not any("listen-fd" in command for command in dev.commands), "it starts when somebody asks"
        (seen,) = browse(
            [
                Visit(
                    url,
                    [
                        *begin("clerk", f"slow {WORDS}"),
                        wait_for(".row.text >> text=one two three"),
                        click("#kill"),
                        wait_for("#toast >> text=SIGKILL"),
                        wait_for(".note >> text=attempt 2"),
                        wait_for(f".row.text >> text={WORDS}"),
                        wait_for("#state >> text=idle"),
                        script(ROWS),
                        script("document.querySelectorAll('.timeline .retry').length"),
                        script("document.getElementById('temporal').href"),
                        script("fetch('dev/kill-worker', {method: 'POST'}).then((answer) => answer.status)"),
                    ],
                )
            ]
        )
        faults = [fault for fault in seen.faults if ABORTED not in fault and "403" not in fault]
        assert not faults, seen
        rows, retries, link, without_token = seen.values
        again = "The model call is tried again: attempt 2."
        assert [row.split("\n")[-1] for row in rows] == [f"slow {WORDS}", again, WORDS]
        assert retries >= 1
        assert link.startswith("http://")
        assert "/namespaces/default/workflows/clerk-" in link
        assert without_token == 403
        assert refused(f"{url}/dev/kill-worker") == 403
        assert refused(f"{url}/dev/kill-worker", Origin="http://evil.example") == 403
        assert dev.event("died")["number"] == 1


def kill_console(dev: Dev, url: str) -> None:
    """Kill the console's process while a conversation is at work."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            answer = urllib.request.urlopen(f"{url}/api/threads?details=true", timeout=30)  # noqa: S310
            with answer:
                if any(one["turn"] for one in json.load(answer)["threads"]):
                    break
        assert time.monotonic() < deadline
    for process in psutil.Process(dev.process.pid).children(recursive=True):
        command = " ".join(process.cmdline())
        if "--listen-fd" in command and "_supervisor" not in command:
            process.kill()


def test_the_chat_goes_on_after_the_death_of_the_console(folder: Folder) -> None:
    with dev_running(folder, "shop.py") as dev, ThreadPoolExecutor(1) as pool:
        url = dev.event("console")["url"]
        dev.event("ready")
        killed = pool.submit(kill_console, dev, url)
        (seen,) = browse(
            [
                Visit(
                    url,
                    [
                        *begin("clerk", f"slow {WORDS} {WORDS}"),
                        wait_for("#state >> text=reconnecting"),
                        wait_for(f".row.text >> text={WORDS} {WORDS}"),
                        wait_for("#state >> text=idle"),
                        script(ROWS),
                    ],
                )
            ]
        )
        killed.result()
        assert not [fault for fault in seen.faults if fault.startswith(("step:", "script:"))], seen
        assert [row.split("\n")[-1] for row in seen.values[0]] == [
            f"slow {WORDS} {WORDS}",
            f"{WORDS} {WORDS}",
        ]


def test_the_command_finds_dev_and_ends_with_ctrl_c(folder: Folder) -> None:
    with dev_running(folder, "shop.py", "--no-console") as dev:
        dev.event("ready")
        port = str(free_port())
        console = folder.spawn("console", "--port", port)
        console.expect(f"http://127.0.0.1:{port}")
        (seen,) = browse(
            [
                Visit(
                    f"http://127.0.0.1:{port}",
                    [*begin("parrot", "hello"), wait_for(".row.text >> text=hello"), wait_for("#kill")],
                )
            ]
        )
        assert not [fault for fault in seen.faults if ABORTED not in fault], seen
        console.sendintr()
        console.wait()
        assert console.exitstatus == 0
