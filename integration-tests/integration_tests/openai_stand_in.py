"""A stand-in for a model that calls tools: it speaks OpenAI's protocol, so that programs run unchanged."""

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NO_TOOLS = "Answered by the stand-in."


@contextmanager
def openai_stand_in(calls: Mapping[str, Mapping[str, Any]]) -> Generator[dict[str, str]]:
    """Serve a model while the block runs, and yield the environment variables that lead to it.

    It calls those of the tools it is offered that it knows, all at once, and then repeats their results.

    Args:
        calls: The arguments for each tool, by the tool's name.
    """

    class Handler(_Handler):
        arguments = calls

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1"
            yield {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": url, "NO_PROXY": "127.0.0.1"}
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    arguments: Mapping[str, Mapping[str, Any]]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        offered = [tool["function"]["name"] for tool in asked.get("tools") or ()]
        known = [name for name in offered if name in self.arguments]
        results = [_text(message["content"]) for message in asked["messages"] if message["role"] == "tool"]
        if known and not results:
            calls = [self._call(index, name) for index, name in enumerate(known)]
            self._say({"tool_calls": calls}, "tool_calls")
        else:
            self._say({"content": "; ".join(results) or NO_TOOLS}, "stop")

    def _call(self, index: int, name: str) -> dict[str, Any]:
        function = {"name": name, "arguments": json.dumps(self.arguments[name])}
        return {"index": index, "id": f"call-{index}", "type": "function", "function": function}

    def _say(self, delta: dict[str, Any], reason: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        frame = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "stand-in"}
        for choice in ({"delta": {"role": "assistant", **delta}}, {"delta": {}, "finish_reason": reason}):
            chunk = json.dumps(frame | {"choices": [{"index": 0, **choice}]})
            self.wfile.write(f"data: {chunk}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)
