"""`make demo`, as a person and as CI see it. All is real: server, worker processes, a small local model."""

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from examples.demo.listener import Listener
from examples.demo.screen import Screen
from examples.demo.workflow import MODEL, ChatInput, ChatWorkflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel, say
from strands_temporal_streaming import AgentEvent, AgentStream, StreamingPlugin, TextDelta, TurnEnd

_ROOT = Path(__file__).resolve().parents[2]
_MARKER = "STRANDS_TEMPORAL_TEST_DEMO"  # each process of one demo has it in its environment
_ANSI = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b]*\x1b\\)")

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # Not for its server, the demo has one of its own: it sees to it that the binary is there.
    pytest.mark.usefixtures("server"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for left processes in /proc"),
]


class _Demo:
    """A running demo."""

    def __init__(self, process: asyncio.subprocess.Process, marker: str, keyboard: int, folder: str) -> None:
        self.process = process
        self.folder = Path(folder)
        self.output = ""
        self._marker = marker
        self._keyboard = keyboard

    def type(self, line: str) -> None:
        os.write(self._keyboard, line.encode())

    async def read(self, until: str | None = None) -> str:
        """Read on until a pattern is found in the output, or to its end; return the output so far."""
        assert self.process.stdout
        while until is None or not re.search(until, self.output):
            try:
                chunk = await asyncio.wait_for(self.process.stdout.read(4096), 120)
            except asyncio.TimeoutError:
                pytest.fail(f"{until!r} does not come:\n{self.output}")
            if not chunk:
                assert until is None, f"{until!r} never came:\n{self.output}"
                break
            self.output += _ANSI.sub("", chunk.decode(errors="replace")).replace("\r", "")
        return self.output

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 30)

    def processes(self) -> list[int]:
        """Return the demo's own process and all that it started, to the last."""
        found: list[int] = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # ended meanwhile
                if f"{_MARKER}={self._marker}".encode() in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    async def assert_nothing_left(self, within: float = 0) -> None:
        deadline = time.monotonic() + within
        while self.processes() and time.monotonic() < deadline:  # noqa: ASYNC110  # nobody tells of their end
            await asyncio.sleep(0.1)
        assert self.processes() == []


@asynccontextmanager
async def _demo(*, keyboard: str, **env: str) -> AsyncGenerator[_Demo]:
    """Run the demo with `keyboard` "none", "pipe" or "terminal"; the latter two let the test type."""
    marker = str(uuid4())
    inherited = {name: value for name, value in os.environ.items() if name != "TEMPORAL_ADDRESS"}
    if keyboard == "terminal":
        ours, theirs = pty.openpty()
    elif keyboard == "pipe":
        theirs, ours = os.pipe()
    else:
        theirs, ours = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.demo"),
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=_ROOT,
            env={
                **inherited,
                "STRANDS_TEMPORAL_MODEL": "local",
                "COLUMNS": "100",
                "TMPDIR": folder,
                _MARKER: marker,
                **env,
            },
        )
        os.close(theirs)
        demo = _Demo(process, marker, ours, folder)
        try:
            yield demo
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)


async def test_the_demo_shows_what_it_promises_and_leaves_nothing_behind() -> None:
    async with _demo(keyboard="none") as demo:
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


async def test_a_person_types_in_a_terminal() -> None:
    async with _demo(keyboard="terminal", CHAT="1", TERM="xterm") as demo:
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


async def test_lines_typed_ahead_wait_for_their_turn() -> None:
    async with _demo(keyboard="pipe", CHAT="1") as demo:
        demo.type(
            "What is the capital of France?\nWhat is the capital of Italy?\n/nonsense\n/history\n/quit\n"
        )
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert seen.index("Paris") < seen.index("you ▸ What is the capital of Italy?") < seen.index("Rome")
    assert seen.count("/kill QUESTION") == 2  # at the start, and as the answer to nonsense
    assert (
        len(re.findall(r"\d  What is the capital of Italy\? +worker-1", seen)) == 2
    )  # /history, and the end


async def test_ctrl_c_ends_everything_and_the_chat_too(server: DevServer) -> None:
    ui = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_UI_ADDRESS": "http://ui.example"}
    async with _demo(keyboard="pipe", CHAT="1", **ui) as demo:
        [chat] = re.findall(r"http://ui.example/\S+/(chat-\w+)/", await demo.read("you ▸ "))
        demo.process.send_signal(signal.SIGINT)
        seen = await demo.read()
        assert await demo.exit_code() == 130, seen
        await demo.assert_nothing_left()
    assert "Traceback" not in seen
    client = await Client.connect(server.address)
    assert (await client.get_workflow_handle(chat).describe()).status == WorkflowExecutionStatus.TERMINATED


async def test_a_typed_chat_streams_and_its_history_is_whole(server: DevServer) -> None:
    ui = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_UI_ADDRESS": "http://ui.example"}
    async with _demo(keyboard="pipe", CHAT="1", **ui) as demo:
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


class _Provider(BaseHTTPRequestHandler):
    """OpenAI's wire protocol, for what the small local model cannot do: call tools, and fail."""

    tool_results: ClassVar[list[str]] = []
    go_on = threading.Event()  # until it is set, an answer to a poem ends in the middle

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != "Bearer right":
            self._respond(401, "application/json", [b'{"error": {"message": "Incorrect API key"}}'])
            return
        last = request["messages"][-1]
        if last["role"] == "tool":
            self.tool_results.extend(
                json.dumps(message["content"]) for message in request["messages"] if message["role"] == "tool"
            )
            deltas: list[dict[str, Any]] = [{"content": "Three, and it is late there."}]
        elif "Use your tools" in json.dumps(last):
            deltas = [
                {"tool_calls": [_call(0, "letter_counter", {"word": "strawberry", "letter": "r"})]},
                {"tool_calls": [_call(1, "current_time", {"timezone": "UTC"})]},
            ]
        elif "story" in json.dumps(last):
            deltas = [{"content": "word "}] * 60
        elif "poem" in json.dumps(last):
            deltas = [{"content": piece} for piece in ("Roses are ", "red, vio", "lets ", "are blue.")]
        else:
            deltas = [{"content": "An answer."}]
        reason = "tool_calls" if "tool_calls" in deltas[0] else "stop"
        self._respond(200, "text/event-stream", _chunks(deltas, reason))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _respond(self, status: int, content_type: str, parts: Iterable[bytes]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the worker was killed
            for part in parts:
                self.wfile.write(part)
                self.wfile.flush()


def _call(index: int, name: str, arguments: dict[str, str]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": index, "id": f"call-{index}", "type": "function", "function": function}


def _chunks(deltas: list[dict[str, Any]], reason: str) -> Iterator[bytes]:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": reason}
    for choice in [*({"index": 0, "delta": delta} for delta in deltas), last]:
        yield f"data: {json.dumps({**frame, 'choices': [choice]})}\n\n".encode()
        if {"content": "red, vio"} in choice.values():
            _Provider.go_on.wait(60)
        if len(deltas) > 10:
            time.sleep(0.05)  # a long answer, for the kill to hit
    yield b"data: [DONE]\n\n"


@pytest.fixture
def provider() -> Iterator[str]:
    _Provider.go_on.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Provider) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        _Provider.go_on.set()
        server.shutdown()
        thread.join()


async def test_a_model_that_calls_tools_gets_a_tool_turn(provider: str) -> None:
    offered = {"OPENAI_API_KEY": "right", "OPENAI_BASE_URL": provider, "NO_PROXY": "127.0.0.1"}
    async with _demo(keyboard="none", STRANDS_TEMPORAL_MODEL="some-model", **offered) as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert "OpenAI some-model, from OPENAI_API_KEY" in seen
    assert "Tools: letter_counter ran in the workflow, current_time ran as an activity." in seen
    assert "5 model calls were completed before the kill, all by worker-1" in seen
    letters, clock = _Provider.tool_results[:2]
    assert "3" in letters
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", clock)


async def test_an_answer_is_seen_while_it_arrives_and_starts_again_after_a_kill(provider: str) -> None:
    offered = {"OPENAI_API_KEY": "right", "OPENAI_BASE_URL": provider, "NO_PROXY": "127.0.0.1"}
    async with _demo(
        keyboard="terminal", CHAT="1", TERM="xterm", STRANDS_TEMPORAL_MODEL="some-model", **offered
    ) as demo:
        await demo.read("you ▸ ")
        demo.type("A poem, please.\n")
        await demo.read(r"agent ▸ Roses are")  # the model is held in the middle of the answer
        demo.type("/kill\n")
        await demo.read(r"(?s)worker-2 .*is ready.*starts again.*agent ▸ Roses are")
        _Provider.go_on.set()
        await demo.read(r"(?s)starts again.*you ▸ ")
        demo.type("Use your tools.\n")
        await demo.read(r"(?s)late there.*you ▸ ")
        demo.type("/quit\n")
        seen = await demo.read()
        assert await demo.exit_code() == 0, seen
        await demo.assert_nothing_left()
    assert re.search(r"(?m)^agent ▸ Roses are red, violets are blue\.  \d+\.\d s$", seen)
    assert seen.count("are blue.") == 1
    assert seen.count("starts again") == 1
    assert "uses letter_counter" in seen
    assert "uses current_time" in seen
    assert len(re.findall(r"(?m)^agent ▸ Three, and it is late there\.  \d+\.\d s$", seen)) == 1


async def test_a_long_chat_is_heard_on_in_a_new_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    turns = 8
    model = ScriptedModel(*(say(f"This is answer number {number}.", chunk=5) for number in range(turns)))
    plugins = [StrandsPlugin(models={MODEL: lambda: model}), StreamingPlugin()]
    early = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"]
    async with DevServer(extra_args=early) as server:
        client = await Client.connect(server.address, plugins=plugins)
        async with Worker(client, task_queue="chat", workflows=[ChatWorkflow]):
            chat = ChatInput(streaming=True)
            handle = await client.start_workflow(ChatWorkflow.run, chat, id="chat", task_queue="chat")
            screen = Screen(width=60)
            listener = Listener(screen, AgentStream(client, "chat"))
            for _ in range(turns):
                async with listener.turn() as reader:
                    answer = await asyncio.wait_for(handle.execute_update(ChatWorkflow.turn, "Go on."), 30)
                    await listener.catch_up(reader)
                    assert reader.done()
                    screen.answer(answer, 1.0)
            await handle.signal(ChatWorkflow.end_chat)
            await asyncio.wait_for(handle.result(), 30)
            assert (
                await client.get_workflow_handle("chat").describe()
            ).run_id != handle.first_execution_run_id
            assert len(await client.get_workflow_handle("chat").query(ChatWorkflow.messages)) == 2 * turns
    assert capsys.readouterr().out == "".join(
        f"agent ▸ This is answer number {number}.  1.0 s\n" for number in range(turns)
    )


async def test_ctrl_c_in_the_middle_of_an_answer_that_starts_again(provider: str) -> None:
    offered = {"OPENAI_API_KEY": "right", "OPENAI_BASE_URL": provider, "NO_PROXY": "127.0.0.1"}
    async with _demo(keyboard="pipe", CHAT="1", STRANDS_TEMPORAL_MODEL="some-model", **offered) as demo:
        await demo.read("you ▸ ")
        demo.type("/kill A poem, please.\n")
        await demo.read(r"(?s)SIGKILL: worker-1.*starts again.*agent ▸ Roses are")
        demo.process.send_signal(signal.SIGINT)
        seen = await demo.read()
        assert await demo.exit_code() == 130, seen
        await demo.assert_nothing_left()
    assert "Ended. Nothing of it runs any more." in seen
    assert "Traceback" not in seen


_GONE = "  (The stream cannot be read: gone)\n"
_WHOLE = "agent ▸ Half of it, and the rest.                      1.0 s\n"


@pytest.mark.parametrize(
    ("heard", "shown"),
    [
        ("", _GONE + _WHOLE),
        ("Half of", f"agent ▸ Half of\n{_GONE}        it, and the rest.  1.0 s\n"),
        (
            "Something else",
            f"agent ▸ Something else\n{_GONE}  (not all of it arrived; the whole answer:)\n{_WHOLE}",
        ),
    ],
    ids=["nothing", "a part", "other words"],
)
async def test_without_a_stream_the_answer_is_still_whole(
    heard: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken() -> AsyncIterator[AgentEvent]:
        yield TextDelta(heard, "call")
        raise ConnectionError("gone")

    screen = Screen(width=60)
    listener = Listener(screen, broken())
    async with listener.turn() as reader:
        await listener.catch_up(reader)
        screen.answer("Half of it, and the rest.", 1.0)
    assert capsys.readouterr().out == shown


async def test_a_stream_that_lags_does_not_speak_into_the_next_turn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    come = asyncio.Event()

    async def late() -> AsyncIterator[AgentEvent]:
        yield TextDelta("The first answer", "1")
        await come.wait()
        yield TextDelta(" in full.", "1")
        yield TurnEnd("end_turn")
        yield TextDelta("The second", "2")
        yield TextDelta(" one.", "2")
        yield TurnEnd("end_turn")

    class Stream:
        events = late()

        def __aiter__(self) -> AsyncIterator[AgentEvent]:
            return self

        async def __anext__(self) -> AgentEvent:
            if self.next is None:
                self.next = asyncio.ensure_future(anext(self.events))
            event = await asyncio.shield(self.next)
            self.next = None
            return event

        next: "asyncio.Future[AgentEvent] | None" = None

    screen = Screen(width=60)
    listener = Listener(screen, Stream())
    async with listener.turn():
        await asyncio.wait_for(listener.spoke.wait(), 10)
        screen.answer("The first answer in full.", 1.0)
    async with listener.turn() as reader:
        come.set()
        await listener.catch_up(reader)
        screen.answer("The second one.", 2.0)
    assert capsys.readouterr().out == (
        "agent ▸ The first answer in full.  1.0 s\nagent ▸ The second one.  2.0 s\n"
    )


def test_an_answer_is_wrapped_wherever_its_pieces_break(capsys: pytest.CaptureFixture[str]) -> None:
    answer = "A word that is cut in pieces must not be torn at the margin, extraordinarily so.\n\nNew line."
    for size in (1, 3, 7, 100):
        screen = Screen(width=40)
        for start in range(0, len(answer), size):
            screen.hear(answer[start : start + size])
        screen.answer(answer, 1.0)
        assert capsys.readouterr().out == (
            "agent ▸ A word that is cut in pieces\n"
            "        must not be torn at the margin,\n"
            "        extraordinarily so.\n"
            "\n"
            "        New line.  1.0 s\n"
        )


async def test_a_refused_key_is_said_in_one_line(provider: str) -> None:
    offered = {"OPENAI_API_KEY": "wrong", "OPENAI_BASE_URL": provider, "NO_PROXY": "127.0.0.1"}
    async with _demo(keyboard="none", STRANDS_TEMPORAL_MODEL="some-model", **offered) as demo:
        seen = " ".join((await demo.read()).split())
        assert await demo.exit_code() == 1, seen
        await demo.assert_nothing_left()
    assert "✘ The demo did not do what it promises. No answer to 'What is the capital of France?'" in seen
    assert "Incorrect API key" in seen
    assert "STRANDS_TEMPORAL_MODEL=local runs the demo with a small model on this machine." in seen
    assert "Traceback" not in seen


async def test_a_killed_demo_takes_its_processes_with_it() -> None:
    async with _demo(keyboard="pipe", CHAT="1") as demo:
        await demo.read("you ▸ ")
        assert len(demo.processes()) >= 4  # demo, server, model, worker
        demo.process.kill()
        await demo.exit_code()
        await demo.assert_nothing_left(within=20)


async def test_a_failure_is_one_line_and_exit_code_1() -> None:
    async with _demo(keyboard="none", TEMPORAL_ADDRESS="127.0.0.1:1") as demo:
        seen = await demo.read()
        assert await demo.exit_code() == 1
        await demo.assert_nothing_left()
    assert "The demo did not do what it promises. TEMPORAL_ADDRESS='127.0.0.1:1' cannot be used" in seen
    assert "Traceback" not in seen
