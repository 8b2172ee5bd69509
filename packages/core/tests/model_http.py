"""A stand-in for providers' HTTP servers: records requests, and answers in the providers' protocols."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from integration_tests.http_server import QuietHandler, serving
from integration_tests.openai_stand_in import chat_stream, tool_call


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    body: str
    status: int = 200
    content_type: str = "text/event-stream"


@dataclass
class Provider:
    """A running stand-in: the requests that it got, and the answers that it will give."""

    url: str = ""
    requests: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    answers: list[Answer] = field(default_factory=list[Answer])

    def play(self, answers: Sequence[Answer]) -> None:
        """Give `answers` from now on, and forget the requests so far."""
        self.requests, self.answers = [], list(answers)


@contextmanager
def provider() -> Generator[Provider]:
    """Serve on a free port of 127.0.0.1 while the block runs."""
    state = Provider()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            state.requests.append((self.path.split("?")[0], json.loads(self.body())))
            answer = state.answers.pop(0) if state.answers else Answer("{}", 500, "application/json")
            self.answer(answer.status, answer.content_type, answer.body.encode())

    with serving(Handler) as state.url:
        yield state


def as_json(value: Any, status: int = 200) -> Answer:
    """Answer a JSON document."""
    return Answer(json.dumps(value), status, "application/json")


def openai_says(text: str = "", **tools: Any) -> Answer:
    """Answer like OpenAI's streamed chat completions: a text, and calls of tools by name."""
    calls = [tool_call(index, name, arguments) for index, (name, arguments) in enumerate(tools.items())]
    delta = {**({"content": text} if text else {}), **({"tool_calls": calls} if calls else {})}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return Answer(b"".join(chat_stream([delta], usage)).decode())


def openai_object(value: Any) -> Answer:
    """Answer like OpenAI's chat completions without a stream: a JSON text."""
    message = {"role": "assistant", "content": json.dumps(value), "refusal": None}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
    return as_json({"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})


def responses_say(text: str, response_id: str) -> Answer:
    """Answer like OpenAI's Responses API."""
    usage = {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    base = {"id": response_id, "object": "response", "created_at": 0, "model": "m", "output": []}
    base |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    delta = {"item_id": "i", "output_index": 0, "content_index": 0, "delta": text, "logprobs": []}
    return _sse(
        [
            {"type": "response.created", "sequence_number": 0, "response": {**base, "status": "in_progress"}},
            {"type": "response.output_text.delta", "sequence_number": 1, **delta},
            {
                "type": "response.completed",
                "sequence_number": 2,
                "response": {**base, "status": "completed", "usage": usage},
            },
        ],
    )


def anthropic_says(text: str = "", **tools: Any) -> Answer:
    """Answer like Anthropic's streamed messages: a text, and calls of tools by name."""
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    message |= {"stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}
    events: list[Any] = [{"type": "message_start", "message": message}]
    blocks: list[tuple[Any, Any]] = []
    if text:
        blocks.append(({"type": "text", "text": ""}, {"type": "text_delta", "text": text}))
    for name, arguments in tools.items():
        start: Any = {"type": "tool_use", "id": f"use-{name}", "name": name, "input": {}}
        blocks.append((start, {"type": "input_json_delta", "partial_json": json.dumps(arguments)}))
    for index, (start, delta) in enumerate(blocks):
        events += [
            {"type": "content_block_start", "index": index, "content_block": start},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    stop = {"stop_reason": "tool_use" if tools else "end_turn", "stop_sequence": None}
    events += [
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return _sse(events)


def anthropic_refuses(message: str) -> Answer:
    """Answer 400, like Anthropic for a request that a model cannot serve."""
    return as_json({"type": "error", "error": {"type": "invalid_request_error", "message": message}}, 400)


def _sse(events: Sequence[Any]) -> Answer:
    return Answer("".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events))
