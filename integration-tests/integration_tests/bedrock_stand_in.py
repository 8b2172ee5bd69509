"""A stand-in for Amazon Bedrock. It speaks ConverseStream, including event-stream frames, to real boto3."""

import json
import re
import struct
from binascii import crc32
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

from integration_tests.http_server import QuietHandler, serving

Call: TypeAlias = tuple[str, dict[str, Any]]
"""A tool's name and the arguments that the model gives it."""

Reply: TypeAlias = str | list[Call] | int
"""What the model says, the tools that it calls, or the HTTP status of an error."""

ERRORS = {400: "ValidationException", 403: "AccessDeniedException", 429: "ThrottlingException"}


class Request:
    """A request to the model.

    Attributes:
        body: The body of the request.
        path: Its path, which names the model.
        prompt: The user's last text.
        tools: Names of the tools that the model may call.
        forced: The tool that the request forces the model to call, if any.
        results: Texts of the tool results in the last message.
    """

    def __init__(self, path: str, body: dict[str, Any]) -> None:
        self.path, self.body = path, body
        blocks: list[Any] = [b for m in body["messages"] if m["role"] == "user" for b in m["content"]]
        self.prompt: str = [block["text"] for block in blocks if "text" in block][-1]
        tool_config = body.get("toolConfig") or {}
        self.tools: list[str] = [tool["toolSpec"]["name"] for tool in tool_config.get("tools") or ()]
        self.forced: str | None = (tool_config.get("toolChoice") or {}).get("tool", {}).get("name")
        results = [b["toolResult"] for b in body["messages"][-1]["content"] if "toolResult" in b]
        self.results = [_text(part) for result in results for part in result["content"]]


@contextmanager
def bedrock_stand_in(answer: Callable[[Request], Reply]) -> Generator[dict[str, str]]:
    """Serve a model while the block runs; yield the environment variables that point to it.

    Args:
        answer: Returns the model's answer. Called in a thread, once for each request.
    """

    class Handler(_Handler):
        reply = staticmethod(answer)

    with serving(Handler) as url:
        yield {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-west-2",
            "NO_PROXY": "127.0.0.1",
        }


class _Handler(QuietHandler):
    reply: Callable[[Request], Reply]

    def do_POST(self) -> None:
        body = json.loads(self.body())
        reply = self.reply(Request(self.path, body))
        if isinstance(reply, int):
            self.send_response(reply)
            self.send_header("x-amzn-errortype", ERRORS.get(reply, "InternalServerException"))
            self.end_headers()
            self.wfile.write(json.dumps({"message": f"the stand-in says {reply}"}).encode())
            return
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.end_headers()
        for event_type, event in _events(reply):
            self.wfile.write(_frame(event_type, event))
            self.wfile.flush()


def _events(reply: str | list[Call]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of one answer: a text word by word, or tool calls."""
    yield "messageStart", {"role": "assistant"}
    if isinstance(reply, str):
        for piece in re.split("(?= )", reply):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
        yield "contentBlockStop", {"contentBlockIndex": 0}
    else:
        for index, (name, arguments) in enumerate(reply):
            block = {"contentBlockIndex": index}
            start = {"toolUse": {"toolUseId": f"tooluse_{name}_{index}", "name": name}}
            yield "contentBlockStart", block | {"start": start}
            yield "contentBlockDelta", block | {"delta": {"toolUse": {"input": json.dumps(arguments)}}}
            yield "contentBlockStop", block
    yield "messageStop", {"stopReason": "end_turn" if isinstance(reply, str) else "tool_use"}
    usage = {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}
    yield "metadata", {"usage": usage, "metrics": {"latencyMs": 1}}


def _frame(event_type: str, event: dict[str, Any]) -> bytes:
    """Return one message of `application/vnd.amazon.eventstream`. (botocore can only parse them.)"""
    headers = b"".join(
        struct.pack(f"!B{len(name)}sBH", len(name), name.encode(), 7, len(value)) + value.encode()
        for name, value in (
            (":message-type", "event"),
            (":event-type", event_type),
            (":content-type", "application/json"),
        )
    )
    payload = json.dumps(event).encode()
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))


def _text(part: dict[str, Any]) -> str:
    return cast("str", part["text"]) if "text" in part else json.dumps(part["json"])
