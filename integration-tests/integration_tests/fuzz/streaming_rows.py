"""The decoders of strands-temporal-streaming."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from strands_temporal.extension import reading
from strands_temporal_streaming import from_json, to_json
from strands_temporal_streaming._calls import Calls
from strands_temporal_streaming._control import from_control
from strands_temporal_streaming._conversation import _STATE  # pyright: ignore[reportPrivateUsage]
from strands_temporal_streaming._deciding import Deciding
from strands_temporal_streaming._decision_types import QuestionAsked
from strands_temporal_streaming._items import payload_of as payload_of_item
from strands_temporal_streaming._items import value_of
from strands_temporal_streaming._json import EVENT_TYPES
from strands_temporal_streaming._log import Item
from strands_temporal_streaming._model_events import from_model
from strands_temporal_streaming._pieces import Position as StreamPosition
from strands_temporal_streaming._pieces import piece_of
from strands_temporal_streaming._request_types import StreamRequests
from strands_temporal_streaming._snapshot import present_from
from strands_temporal_streaming._snapshot_types import RunningCall, Snapshot
from strands_temporal_streaming._state import LiveState
from strands_temporal_streaming._tails import Tail
from strands_temporal_streaming._web.errors import WebError
from strands_temporal_streaming._web.inputs import read_input
from strands_temporal_streaming._web.messages import history_of
from strands_temporal_streaming._web.partial_json import completion
from strands_temporal_streaming._web.sse import Position

from .core_rows import TYPED, carried, payload_of
from .damage import as_dict, as_list, json_text
from .recorded import recorded
from .row import Row

_CONVERTER = PayloadConverter.default
_EVENTS: list[Any] = [
    {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "1", "name": "t"}}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "Hi"}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}}},
    {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}}},
    {"messageStop": {"stopReason": "end_turn"}},
]
_MESSAGES: list[Any] = [
    {"role": "user", "content": [{"text": "Hi"}, {"image": {"format": "png", "source": {"bytes": b"x"}}}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "t", "input": {"a": 1}}}]},
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "1", "status": "success", "content": [{"text": "x"}]}}],
    },
    {
        "role": "assistant",
        "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "x"}],
    },
]
_RUN: Any = {
    "threadId": "t",
    "runId": "r",
    "messages": [
        {"id": "1", "role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"id": "2", "role": "assistant", "content": "Hello", "toolCalls": []},
        {"id": "3", "role": "tool", "toolCallId": "c", "content": "5"},
        {"id": "4", "role": "user", "content": "Again"},
    ],
    "resume": [{"interruptId": "i", "status": "resolved", "payload": {"a": 1}}],
    "tools": [{"name": "t", "description": "d", "parameters": {}}],
    "context": [],
    "state": {},
    "forwardedProps": {},
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _item(value: Any) -> None:
    """Read an item of a stream as a reader does."""
    parts = as_list(value)
    metadata, data, topic = parts if len(parts) == 3 else ({}, value, "t")
    payload = Payload(data=json_text(data).encode("utf-8", "surrogatepass"))
    payload.metadata["encoding"] = b"json/plain"
    for name, each in as_dict(metadata).items():
        payload.metadata[str(name).encode("utf-8", "replace").decode()] = _text(each).encode(
            "utf-8", "replace"
        )
    calls, item = Calls("t", _CONVERTER), Item(3, topic if isinstance(topic, str) else "t", payload)
    for _ in range(2):
        list(calls.events(item))
        calls.of_workflow(item)
        calls.time_of(item)


def _in_workflow(data: bytes) -> None:
    class Encoded:
        def __init__(self) -> None:
            self.data = base64.b64encode(data)[:-1]

    state = LiveState()
    event = from_control(value_of(payload_of_item(Encoded()), _CONVERTER), 3)
    if event is not None:
        state.apply(event, 3)


def _applied(value: Any) -> None:
    state = LiveState()
    for each in as_list(value) or [value]:
        event = from_control(each, 3)
        if event is not None:
            state.apply(event, 3)
            to_json(event)
    with reading("state"):
        LiveState().restore(state.carry())


def _restored(carried: Any) -> None:
    with reading("The stream in the conversation's carry"):
        state = LiveState()
        state.restore(as_dict(carried))
        state.carry()


def _tail(value: Any) -> None:
    from strands_temporal.extension import read_as

    with reading("A tail"):
        tail = read_as(Tail, value)
    calls = Calls("t", _CONVERTER)
    list(calls.tail(tail))


def streaming_rows() -> Sequence[Row]:
    """Return the rows of streaming."""
    events = [to_json(cls()) for cls in EVENT_TYPES.values()]
    published = [
        json.loads(Payload.FromString(base64.b64decode(item["data"])).data)
        for signal in recorded()["signal:__temporal_workflow_stream_publish"]
        for item in signal["items"]
    ]
    control = [each for each in published if "type" in each]
    parts = [each["parts"]["streaming"] for each in carried("parts") if each["parts"].get("streaming")]
    snapshot = {
        **to_json(Snapshot(agents=(), calls=(RunningCall(call="c"),))),
        "places": {"c": ["a", ["b"], 1]},
    }
    items = [[{"strands-call": "c/1", "strands-at": "0", "strands-time": ""}, each, "t"] for each in _EVENTS]
    items += [[{}, each, "t.control"] for each in control]
    first = Payload(
        metadata={"encoding": b"json/plain"}, data=json.dumps(control[0]).encode()
    ).SerializeToString()
    tail = {
        "topic": "t",
        "call": "c",
        "attempt": 1,
        "at": 0,
        "event": _EVENTS[1],
        "started_at": "",
        "every": 5,
    }
    position = str(Position(0, 5, 1, 0, "run", is_running=True))
    return [
        Row("event", from_json, [*events, *control]),
        Row("events in the workflow", _applied, [control, *control]),
        Row("item in the workflow", _in_workflow, [first], (), "bytes"),
        Row("item of a stream", _item, items, (ValueError,)),
        Row("model's event", lambda v: (from_model(v, "c", 1), piece_of(v)), _EVENTS),
        Row("tail in a heartbeat", _tail, [tail], TYPED),
        Row("state in a carry", _restored, [each["life"] for each in parts if each.get("life")], TYPED),
        Row("questions in a carry", lambda v: Deciding().restore(v), [[to_json(QuestionAsked())]]),
        Row("stream in a carry", _stream_state, parts, TYPED),
        Row("snapshot", lambda v: present_from(as_dict(v)), [snapshot], TYPED),
        Row("reader's position", lambda v: StreamPosition.of(v if isinstance(v, int) else 0).number, [5]),
        Row("id of a server-sent event", Position.parse, [position], (WebError,), "text"),
        Row("AG-UI run", lambda v: read_input(v, ["t"]), [_RUN], (WebError,), "json bytes"),
        Row(
            "AG-UI run as bytes",
            lambda v: read_input(v, ["t"]),
            [json.dumps(_RUN).encode()],
            (WebError,),
            "bytes",
        ),
        Row("messages for a front end", _history, [_MESSAGES], (WebError,)),
        Row("cut JSON", completion, ['{"a": [1, "b\\u00e9", true]}'], (), "text"),
        *(
            Row(f"payload of {hint.__name__}", payload_of(hint), seeds, TYPED, "json bytes")
            for hint, seeds in {
                StreamRequests: [
                    {"offset": 1, "topic": "t", "requests": [{"request": "r", "turn": 1, "offset": 0}]}
                ],
            }.items()
        ),
    ]


def _stream_state(value: Any) -> None:
    with reading("The stream in the conversation's carry"):
        _STATE.validate_python(value)


def _history(value: Any) -> None:
    history_of(as_list(value))
