"""`strands-temporal dev` and `chat` as a newcomer uses them: real processes, through the installed script."""

import json
import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path

import pexpect
import psutil
import pytest
from packages.core.tests.command_processes import (
    HELLO,
    Folder,
    called,
    dev_running,
    piped,
    user_folder,
    within,
)
from temporalio.client import Client

from strands_temporal.testing import DevServer

# Quick beside them: test_readme_programs.py, where a newcomer uses both commands.
pytestmark = [pytest.mark.server, pytest.mark.slow]


BLOCKS = """
import time

from temporalio import activity, workflow


@activity.defn
def blocks() -> None:
    print("blocking", flush=True)
    time.sleep(60)


@workflow.defn
class Waits:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(blocks, start_to_close_timeout=timedelta(seconds=90))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Folder]:
    with user_folder(tmp_path) as made:
        made.write("hello.py", HELLO)
        yield made


def answers(output: str) -> list[str]:
    return [json.loads(line)["text"].strip() for line in output.splitlines()]


def test_a_chat_goes_on_after_a_change_and_a_kill_and_ctrl_c_ends_everything(folder: Folder) -> None:
    with dev_running(folder, "hello.py", "--model", "scripted") as dev:
        ready = dev.event("ready")
        assert (ready["agents"], ready["workflows"]) == (["hello"], [])
        code, out, err = called(folder, "chat", "--json", typed="Hi\n\nAgain\n")
        assert (code, answers(out)) == (0, ["You said: Hi", "You said: Again"]), err
        workflow_id = err.split("--workflow-id ")[1].split()[0]

        folder.write("hello.py", HELLO.replace("def hello", "def hi").replace("Repeats", "Says"))
        assert [Path(file).name for file in dev.event("changed")["files"]] == ["hello.py"]
        # The conversation's agent is gone from the file: only what is there now can start.
        assert dev.event("ready")["agents"] == ["hi"]
        folder.write("hello.py", HELLO)
        assert dev.event("ready")["agents"] == ["hello"]

        typed = "/kill-worker\nStill there?\n/history\n"
        code, out, err = called(folder, "chat", "--workflow-id", workflow_id, typed=typed)
        assert (code, out.strip()) == (0, "You said: Still there?"), err
        assert "SIGKILL" in err
        assert [line for line in err.splitlines() if line.startswith("you: ")] == [
            "you: Hi",
            "you: Again",
            "you: Still there?",
        ]
        assert dev.event("died")["code"] == 128 + signal.SIGKILL
        assert dev.event("ready")["number"] == 4
        assert dev.end() == 0


def test_a_module_with_an_error_waits_for_a_change_and_a_dying_one_is_tried_ever_more_rarely(
    folder: Folder,
) -> None:
    folder.write("hello.py", HELLO + "\nimport my_tools\n")
    with dev_running(folder, "hello.py", "--model", "scripted") as dev:
        failed = dev.event("failed")["text"]
        assert "No module named 'my_tools'" in failed
        assert 'hello.py", line' in failed
        assert "importlib" not in failed
        folder.write("my_tools.py", "")
        assert dev.event("ready")["number"] == 2
        folder.write("my_tools.py", "1 / 0")  # it is watched since it is imported
        assert "ZeroDivisionError" in dev.event("failed")["text"]
        folder.write("hello.py", f"{HELLO}def half(:")
        failed = dev.event("failed")["text"]
        assert "SyntaxError" in failed
        assert "def half(:" in failed
        folder.write("hello.py", HELLO + "\nimport os\nos._exit(9)\n")
        assert [dev.event("died")["code"] for _ in range(4)] == [9, 9, 9, 9]
        folder.write("hello.py", HELLO + BLOCKS)
        ready = dev.event("ready")
        assert (ready["agents"], ready["activities"]) == (["hello"], ["blocks"])


async def test_a_second_ctrl_c_kills_a_worker_that_is_at_work(folder: Folder) -> None:
    folder.write("hello.py", HELLO + BLOCKS)
    with dev_running(folder, "hello.py", "--model", "scripted") as dev:
        client = await Client.connect(dev.event("server")["address"])
        pid = dev.event("ready")["pid"]
        await client.start_workflow("Waits", id="waits", task_queue="strands-temporal")
        dev.process.expect("blocking")
        dev.process.kill(signal.SIGINT)
        dev.event("ending")  # the worker would end after some seconds
        dev.process.kill(signal.SIGINT)
        assert within(2, lambda: not psutil.pid_exists(pid))
        dev.process.expect(pexpect.EOF)
        dev.process.close()
        assert dev.process.exitstatus == 0


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGHUP])
def test_nothing_outlives_the_parent(folder: Folder, sign: signal.Signals) -> None:
    with dev_running(folder, "hello.py", "--model", "scripted") as dev:
        dev.event("ready")
        assert len(dev.commands) == 4  # server and worker, each with its supervisor
        dev.end(sign)
        assert not dev.left_behind()


def test_ctrl_c_ends_it_at_once_while_the_module_is_imported(folder: Folder) -> None:
    folder.write("hello.py", "import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with dev_running(folder, "hello.py", "--model", "scripted") as dev:
        dev.process.expect("importing")
        assert dev.end() == 0


def test_it_ends_if_the_server_dies(folder: Folder) -> None:
    with dev_running(folder, "hello.py", "--model", "scripted") as dev:
        dev.event("ready")
        [server] = [
            process
            for process in psutil.Process(dev.process.pid).children(recursive=True)
            if "start-dev" in process.cmdline() and "-I" not in process.cmdline()
        ]
        os.kill(server.pid, signal.SIGKILL)
        dev.process.expect("has died")
        assert dev.end() == 1


async def test_it_uses_a_server_that_runs(folder: Folder, server: DevServer) -> None:
    queue = f"queue-{folder.path.name}"
    with dev_running(
        folder, "hello.py", "--model", "scripted", "--task-queue", queue, "--address", server.address
    ) as dev:
        assert dev.event("server")["address"] == server.address
        dev.event("ready")
        assert len(dev.commands) == 2
        code, out, err = piped(folder, "chat", "hello", typed="Hi")
        assert (code, out.strip()) == (0, "You said: Hi"), err


def test_a_taken_port(folder: Folder) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = called(folder, "dev", "hello.py", "--port", str(port), typed="")
    assert code == 1
    assert str(port) in err
    assert "already in use" in err


def test_the_small_local_model_answers(folder: Folder) -> None:
    prompt = "system_prompt='You are a helpful assistant. Keep your answers short.', "
    folder.write("hello.py", HELLO.replace("TemporalAgent(", f"TemporalAgent({prompt}"))
    with dev_running(folder, "hello.py", "--model", "local") as dev:
        assert "SmolLM2" in dev.event("ready")["model"]
        code, out, err = called(folder, "chat", "hello", typed="What is the capital of France?")
        assert code == 0, err
        assert "Paris" in out
        assert any("_local_model" in command for command in dev.commands)


def test_without_a_model_it_says_what_to_set(folder: Folder) -> None:
    folder.env |= {"AWS_SHARED_CREDENTIALS_FILE": str(folder.path / "none")}
    code, _, err = piped(folder, "dev", "hello.py", typed="")
    assert code == 1
    assert "ANTHROPIC_API_KEY" in err
    assert "--model scripted" in err


def test_two_start_at_the_same_moment(folder: Folder) -> None:
    with (
        dev_running(folder, "hello.py", "--model", "scripted") as one,
        dev_running(folder, "hello.py", "--model", "scripted") as other,
    ):
        addresses = {one.event("server")["address"], other.event("server")["address"]}
        assert len(addresses) == 2
        one.event("ready")
        other.event("ready")
        for address in addresses:
            code, out, err = called(folder, "chat", "--address", address, typed="Hi")
            assert (code, out) == (0, "You said: Hi\n"), err
