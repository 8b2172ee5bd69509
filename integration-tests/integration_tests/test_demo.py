"""`make demo`, as a person and as CI see it. Everything is real: server, workers, a small local model."""

import re
import shlex
import signal
import sys

import pexpect
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from integration_tests.demo_process import DEMO_MARKS, Place, place, running_demo
from strands_temporal.testing import DevServer

pytestmark = DEMO_MARKS


@pytest.mark.slow  # `make test` runs `make demo`, which checks what it shows
async def test_the_demo_shows_what_it_promises_and_its_conversation_goes_on_where_it_says() -> None:
    async with running_demo() as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
        assert [
            path.name for path in demo.folder.iterdir() if not path.name.startswith("strands-temporal-")
        ] == []
        assert {path.name for path in demo.kept.rglob("*") if path.is_file()} == {"demo.db"}
        go_on(demo, seen)
        await demo.assert_nothing_left(within=10)
    assert "SmolLM2-135M-Instruct, a small real model on this machine" in seen
    assert re.search(r"agent ▸ .*Paris.* \d\.\d s", seen)
    assert re.search(r"agent ▸ .*Rome.* \d\.\d s", seen)
    assert "No tools and no approval" in seen
    [(first, first_pid)] = re.findall(r"SIGKILL: (worker-\d+) \(pid (\d+)\) is dead", seen)[-1:]
    [(second, second_pid)] = re.findall(r"ran as attempt 2 on (worker-\d+) \(pid (\d+)\)", seen)
    assert int(second.removeprefix("worker-")) == int(first.removeprefix("worker-")) + 1
    assert first_pid != second_pid
    assert "had ended with 'activity Heartbeat timeout'" in " ".join(seen.split())
    assert "3 model calls were completed before the kill, all by worker-1" in seen
    assert re.search(
        r"\$ .*strands-temporal history assistant-\w+\n +assistant-\w+  StrandsAgentWorkflow", seen
    )
    assert re.search(r"turn 2.*: What is the capital of Italy\?\n.*model demo .*Rome", seen)
    assert re.search(r"model demo .*\(attempt 2\)", seen)
    assert re.search(r"Replayed all \d+ events in .* without calling the model", seen)
    assert re.search(
        r"watch it live http://127\.0\.0\.1:\d+/namespaces/default/workflows/assistant-\w+\n", seen
    )
    assert "make demo CHAT=1" in seen


def go_on(demo: Place, seen: str) -> None:
    """Type the commands that the demo shows at its end, and go on with the conversation."""
    commands = [shlex.split(line) for line in re.findall(r"(?m)^ +\$ (\S*strands-temporal .+)", seen)]
    dev, chat = [words for words in commands if words[1] in ("dev", "chat")]
    serving = demo.spawn(*dev)
    serving.expect(r"Worker 1 ")
    chatting = demo.spawn(*chat)
    chatting.expect("you>")
    chatting.sendline("/history")
    chatting.expect("you: What is the capital of Italy")
    chatting.expect("you>")
    chatting.sendline("What is the capital of France?")
    chatting.expect("Paris")
    chatting.expect("you>")
    chatting.sendline("/close")
    chatting.expect("has ended")
    chatting.expect(pexpect.EOF)
    serving.sendintr()
    serving.expect(pexpect.EOF)


@pytest.mark.slow
async def test_a_person_types_kills_the_worker_and_approves() -> None:
    with place() as folder:
        demo = Place(folder, STRANDS_TEMPORAL_MODEL="scripted", CHAT="1")
        chat = demo.spawn(sys.executable, "-m", "examples.demo")
        chat.expect("You type. /kill-worker kills the process")
        chat.expect("you>")
        chat.sendline("What is the capital of France?")
        chat.expect(r"helper>.*\[scripted\] The capital of France is Paris\.")
        chat.expect("you>")
        chat.sendline("Write a short story about an old clock.")
        chat.expect("It began on")  # the answer is seen while it arrives
        chat.sendline("/kill-worker")
        chat.expect("SIGKILL: worker process")
        chat.expect("the call is made again")
        chat.expect("It began on(.|\n)*That is all")
        chat.expect("you>")
        chat.sendline("Delete the thing called 'old-backup', please.")
        chat.expect(r'delete_thing \{"name": "old-backup"\}')
        chat.expect("Allow it")
        chat.sendline("y")
        chat.expect(r"\[scripted\] deleted old-backup")
        chat.expect("you>")
        assert len(demo.processes()) >= 3
        chat.sendline("/quit")
        chat.expect(pexpect.EOF)
        chat.close()
        assert chat.exitstatus == 0
        await demo.assert_nothing_left(within=10)


async def test_ctrl_c_ends_everything_and_the_conversation_too(server: DevServer) -> None:
    variables = {
        "TEMPORAL_ADDRESS": server.address,
        "TEMPORAL_UI_ADDRESS": "http://ui.example",
        "STRANDS_TEMPORAL_MODEL": "scripted",
    }
    async with running_demo(**variables) as demo:
        seen = await demo.read("watch it live .*\n")
        [chat] = re.findall(r"http://ui.example/\S+/(helper-\w+)", seen)
        assert demo.process
        demo.process.send_signal(signal.SIGINT)
        seen = await demo.read()
        assert await demo.exit_code() == 130, seen
        await demo.assert_nothing_left()
        assert list(demo.kept.rglob("demo.db*")) == []
    assert "Ended. Nothing of it runs any more." in seen
    assert "Traceback" not in seen
    client = await Client.connect(server.address)
    assert (await client.get_workflow_handle(chat).describe()).status == WorkflowExecutionStatus.TERMINATED


@pytest.mark.slow
async def test_a_killed_demo_takes_its_processes_with_it() -> None:
    async with running_demo() as demo:
        await demo.read("watch it live")
        assert len(demo.processes()) >= 5  # demo, dev, server, model, worker
        assert demo.process
        demo.process.kill()
        await demo.exit_code()
        await demo.assert_nothing_left(within=20)


@pytest.mark.slow
async def test_a_failure_is_one_line_and_exit_code_1() -> None:
    async with running_demo(TEMPORAL_ADDRESS="127.0.0.1:1") as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 1
        await demo.assert_nothing_left()
    assert "The demo did not do what it promises." in seen
    assert "Cannot connect to Temporal at 127.0.0.1:1" in " ".join(seen.split())
    assert "Traceback" not in seen
