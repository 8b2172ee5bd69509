"""The example, as processes: what a person sees. A stand-in speaks OpenAI's protocol and calls the tool."""

import asyncio
import json
import os
import signal
import sys
import threading
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from strands_temporal.testing import DevServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROOT = Path(__file__).parents[3]


class CallsTheFirstTool(BaseHTTPRequestHandler):
    """Calls the first tool with the prompt, and then says what it answered."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        last = asked["messages"][-1]
        content: Any = last["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        choice: dict[str, Any] = {
            "index": 0,
            "delta": {"content": f"It says: {text}"},
            "finish_reason": "stop",
        }
        if last["role"] == "user":
            function = {
                "name": asked["tools"][0]["function"]["name"],
                "arguments": json.dumps({"message": text}),
            }
            call = {"index": 0, "id": "call-1", "type": "function", "function": function}
            choice |= {"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
            "choices": [choice],
        }
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def environment(server: DevServer) -> Generator[dict[str, str]]:
    model = ThreadingHTTPServer(("127.0.0.1", 0), CallsTheFirstTool)
    thread = threading.Thread(target=model.serve_forever, args=(0.02,))
    thread.start()
    yield os.environ | {
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1",
        "NO_PROXY": "127.0.0.1",
        "TEMPORAL_ADDRESS": server.address,
    }
    model.shutdown()
    thread.join()
    model.server_close()


async def test_a_person_sees_the_tools_answer(environment: dict[str, str]) -> None:
    async def start(module: str, *args: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *args, cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT
        )

    worker = await start("examples.mcp.worker")
    try:
        assert worker.stdout
        line = await asyncio.wait_for(worker.stdout.readline(), 60)
        assert line.startswith(b"Worker started"), line + await worker.stdout.read()
        client = await start("examples.mcp.client", "durable execution")
        shown, _ = await asyncio.wait_for(client.communicate(), 60)
        assert shown.decode().splitlines() == [
            "Tools of the agent: echo",
            "Called: {'echo': 1}",
            "Result: It says: Echo: durable execution",
        ]
        worker.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(worker.communicate(), 30)
        assert rest.decode().endswith("Worker ended.\n")
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()
