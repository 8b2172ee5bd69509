"""A stand-in for a model. It speaks OpenAI's protocol, so that programs run unchanged."""

import contextlib
import json
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from integration_tests.http_server import QuietHandler, serving

Deltas = Iterable[dict[str, Any]]


@contextmanager
def openai_provider(
    answer: Callable[[dict[str, Any]], Deltas], *, key: str = "none"
) -> Generator[dict[str, str]]:
    """Serve a model while the block runs; yield the environment variables that point to it.

    Args:
        answer: Takes a request and returns the deltas of its answer. A generator may wait between them. One
            with a `finish_reason` sets that of the answer.
        key: API key. A request with another key is refused.
    """

    class Handler(_Handler):
        def do_POST(self) -> None:
            asked = json.loads(self.body())
            if self.headers["authorization"] == f"Bearer {key}":
                self.say(answer(asked))
            else:
                self.send(401, "application/json", [b'{"error": {"message": "Incorrect API key"}}'])

    with serving(Handler) as url:
        yield {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": f"{url}/v1", "NO_PROXY": "127.0.0.1"}


def tool_call(index: int, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of the tool calls of a delta."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": index, "id": f"call-{index}", "type": "function", "function": function}


class _Handler(QuietHandler):
    def say(self, deltas: Deltas) -> None:
        self.send(200, "text/event-stream", chat_stream(deltas))

    def send(self, status: int, content_type: str, parts: Iterable[bytes]) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the worker was killed
            for part in parts:
                self.wfile.write(part)
                self.wfile.flush()


def chat_chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
    """Return one event of a streamed chat completion."""
    return _event([{"index": 0, "delta": delta, "finish_reason": finish_reason}])


def chat_stream(deltas: Deltas, usage: Mapping[str, int] | None = None) -> Generator[bytes]:
    """Yield the events of a streamed chat completion.

    Args:
        deltas: The deltas of the answer.
        usage: Token counts as OpenAI reports them; None leaves them out.
    """
    reason = "stop"
    for delta in deltas:
        if "tool_calls" in delta:
            reason = "tool_calls"
        reason = delta.pop("finish_reason", reason)
        yield chat_chunk({"role": "assistant", **delta})
    yield chat_chunk({}, reason)
    if usage is not None:
        yield _event([], usage=usage)
    yield b"data: [DONE]\n\n"


def _event(choices: list[Any], **more: Any) -> bytes:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "stand-in"}
    return f"data: {json.dumps({**frame, 'choices': choices, **more})}\n\n".encode()
