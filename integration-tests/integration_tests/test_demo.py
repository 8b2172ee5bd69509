"""`make demo`, as a person and as CI see it. Everything is real: server, workers, a small local model."""

import re
import signal
import urllib.request

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from integration_tests.demo_process import DEMO_MARKS, running_demo
from strands_temporal.testing import DevServer

pytestmark = DEMO_MARKS


@pytest.mark.slow  # `make test` runs `make demo`, which checks what it shows
async def test_the_demo_shows_what_it_promises_and_leaves_nothing_behind() -> None:
    async with running_demo(keyboard="none") as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
        assert list(demo.folder.iterdir()) == []
    assert "SmolLM2-135M-Instruct, a small real model on this machine" in seen
    assert re.search(r"agent ▸ .*Paris.* \d\.\d s", seen)
    assert re.search(r"agent ▸ .*Rome.* \d\.\d s", seen)
    assert "No tool turn" in seen
    [(first, first_pid)] = re.findall(r"SIGKILL: (worker-\d+) \(pid (\d+)\) is dead", seen)[-1:]
    [(second, second_pid)] = re.findall(r"ran as attempt 2 on (worker-\d+) \(pid (\d+)\)", seen)
    assert int(second.removeprefix("worker-")) == int(first.removeprefix("worker-")) + 1
    assert first_pid != second_pid
    assert "had ended with 'activity Heartbeat timeout'" in " ".join(seen.split())
    assert "3 model calls were completed before the kill, all by worker-1" in seen
    assert re.search(r"[\d,]+ bytes:", seen)
    assert re.search(r"Replayed all \d+ events in .* without calling the model", seen)
    assert re.search(
        r"Web UI http://127\.0\.0\.1:\d+/namespaces/default/workflows/chat-\w+/[\w-]+/history", seen
    )
    assert "make demo CHAT=1" in seen


@pytest.mark.slow
async def test_a_person_types_in_a_terminal() -> None:
    async with running_demo(keyboard="terminal", CHAT="1", TERM="xterm") as demo:
        seen = await demo.read("you ▸ ")
        [page] = re.findall(r"watch it live (\S+)", seen)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(page, timeout=30) as response:
            assert response.status == 200
        demo.type("What is the capital of France?\n")
        await demo.read("Paris")
        demo.type("/kill Write a short story about a lighthouse keeper.\n")
        await demo.read("attempt 2, on worker-2|interrupted nothing")
        await demo.read(r"(?s)agent ▸.*agent ▸.*you ▸")
        demo.type("/quit\n")
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert "SIGKILL: worker-1" in seen
    assert re.search(r"\d  Write a short story about a … +worker-2 \(pid \d+\) +2 ", seen)
    assert "Replayed all" in seen


@pytest.mark.slow
async def test_lines_typed_ahead_wait_for_their_turn() -> None:
    async with running_demo(keyboard="pipe", CHAT="1") as demo:
        demo.type(
            "What is the capital of France?\nWhat is the capital of Italy?\n/nonsense\n/history\n/quit\n"
        )
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert seen.index("Paris") < seen.index("you ▸ What is the capital of Italy?") < seen.index("Rome")
    assert seen.count("/kill QUESTION") == 2  # at the start, and in reply to nonsense
    assert (
        len(re.findall(r"\d  What is the capital of Italy\? +worker-1", seen)) == 2
    )  # /history, and the end


async def test_ctrl_c_ends_everything_and_the_chat_too(server: DevServer) -> None:
    ui = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_UI_ADDRESS": "http://ui.example"}
    async with running_demo(keyboard="pipe", CHAT="1", **ui) as demo:
        [chat] = re.findall(r"http://ui.example/\S+/(chat-\w+)/", await demo.read("you ▸ "))
        demo.process.send_signal(signal.SIGINT)
        seen = await demo.read()
        assert await demo.exit_code() == 130, seen
        await demo.assert_nothing_left()
    assert "Traceback" not in seen
    client = await Client.connect(server.address)
    assert (await client.get_workflow_handle(chat).describe()).status == WorkflowExecutionStatus.TERMINATED


@pytest.mark.slow
async def test_a_typed_chat_streams_and_its_history_is_whole(server: DevServer) -> None:
    ui = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_UI_ADDRESS": "http://ui.example"}
    async with running_demo(keyboard="pipe", CHAT="1", **ui) as demo:
        [chat] = re.findall(r"http://ui.example/\S+/(chat-\w+)/", await demo.read("you ▸ "))
        demo.type("Write a short story about an old clock.\n/quit\n")
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    handle = (await Client.connect(server.address)).get_workflow_handle(chat)
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED
    events = (await handle.fetch_history()).events
    activities = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    signals = [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert activities == ["invoke_model_streaming"]
    assert signals.count("__temporal_workflow_stream_publish") >= 3, "the answer came in one piece"
    assert "not all of it arrived" not in seen
    assert seen.count("agent ▸") == 1


@pytest.mark.slow
async def test_a_killed_demo_takes_its_processes_with_it() -> None:
    async with running_demo(keyboard="pipe", CHAT="1") as demo:
        await demo.read("you ▸ ")
        assert len(demo.processes()) >= 4  # demo, server, model, worker
        demo.process.kill()
        await demo.exit_code()
        await demo.assert_nothing_left(within=20)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TEMPORAL_ADDRESS", "127.0.0.1:1", "TEMPORAL_ADDRESS='127.0.0.1:1' cannot be used"),
        ("HEARTBEAT_TIMEOUT", "soon", "HEARTBEAT_TIMEOUT='soon' is not a number of seconds from 1 to 60"),
    ],
)
async def test_a_failure_is_one_line_and_exit_code_1(name: str, value: str, said: str) -> None:
    async with running_demo(keyboard="none", **{name: value}) as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 1
        await demo.assert_nothing_left()
    assert f"The demo did not do what it promises. {said}" in " ".join(seen.split())
    assert "Traceback" not in seen
