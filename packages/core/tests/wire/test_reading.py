"""Values of a wrong form are typed errors that name what was given. See also `make fuzz`."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from packages.core.tests.wire.failure_scenes import activity_error
from strands.types.exceptions import SessionException
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError
from strands_temporal._wire.carry import CarryFormat
from strands_temporal._wire.conversations import ConversationStart
from strands_temporal._wire.event_forms import checked_event, checked_tool_result, checked_tool_spec
from strands_temporal._wire.failures import from_activity_error
from strands_temporal._wire.model_call import ModelCall, ModelResult
from strands_temporal._wire.payload_converter import SharingPayloadConverter
from strands_temporal._wire.reading import header_value
from strands_temporal._wire.sandboxes import ExecutionOutcome
from strands_temporal._wire.storages import unpacked
from strands_temporal._wire.tool_call import ToolOutcome
from strands_temporal._wire.tool_failures import from_tool_failure
from strands_temporal._wire.values import decode

FORMAT = CarryFormat(AgentCarry, 1, "TemporalAgent(carry=...)", made_by="agent.carry()", package="p")


NUMBER: Any = 5


def refused_by_strands() -> None:
    with FORMAT.reading():
        raise SessionException("no pending tool execution")


def deep(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


def packed(text: bytes) -> str:
    return base64.b64encode(zlib.compress(text)).decode()


def payload(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


DAMAGED: dict[str, tuple[Callable[[], object], str]] = {
    "a carry that is cut": (
        lambda: FORMAT.unpack(AgentCarry(packed(b"[" + b"1," * 5_000 + b"1]")[:40])),
        "damaged: its end is missing",
    ),
    "a carry that is very deep": (
        lambda: FORMAT.unpack(AgentCarry(packed(b"[" * 100_000))),
        "the carry is damaged: RecursionError",
    ),
    "a carry without text": (lambda: FORMAT.unpack(AgentCarry(NUMBER)), "is no text with a version"),
    "a snapshot that Strands refuses": (refused_by_strands, "the carry is damaged: SessionException"),
    "bytes that are none": (lambda: decode({"a": {"$b64": 5}}), r"The bytes under '\$b64' in a value"),
    "a deep value": (lambda: decode(deep(5_000)), "it is nested too deeply"),
    "an answer that is a number": (lambda: ModelResult.from_wire(NUMBER), "A model's answer cannot be read"),
    "an answer without content": (lambda: ModelResult.from_wire({"events": {}}), "KeyError: 'content'"),
    "an answer with a wrong field": (
        lambda: ModelResult.from_wire({"id": 5}),
        "ModelResult: id=5 is not str",
    ),
    "a call without a transcript": (lambda: ModelCall.from_wire({}), "A model call cannot be read"),
    "a call with half a transcript": (
        lambda: ModelCall.from_wire({"transcript": {"call": 1}}),
        r"Transcript: 'digest' is missing. Given: \['call'\]",
    ),
    "an event that is text": (lambda: checked_event("text"), "an event is a str"),
    "a delta that is a number": (
        lambda: checked_event({"contentBlockDelta": {"delta": {"text": 5}}}),
        "A model's answer cannot be read .TypeError: text is a int",
    ),
    "a tool's answer with a wrong state": (
        lambda: ToolOutcome.from_wire({"strands_tool": 1, "state": 5}),
        "A tool's answer cannot be read: its state is a int",
    ),
    "a result without a status": (lambda: checked_tool_result("It", {"content": []}), "It cannot be read"),
    "a spec without a name": (lambda: checked_tool_spec("It", {"description": ""}), "It cannot be read"),
    "an output of one part": (
        lambda: ExecutionOutcome(chunks=[["stdout"]]).restored(),
        "A command's output cannot be read",
    ),
    "a stored value that is cut": (
        lambda: unpacked(zlib.compress(b"x" * 99)[:-4], compressed=True),
        "A stored value cannot be read .ValueError: it is cut",
    ),
    "a header that is encrypted": (
        lambda: header_value(Payload(metadata={"encoding": b"secret"}), "The header"),
        "The header cannot be read",
    ),
    "a payload of ours": (
        lambda: SharingPayloadConverter().from_payload(payload('{"carry": 5}'), ConversationStart),
        "ConversationStart.* cannot be read",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_value_is_named(name: str) -> None:
    read, text = DAMAGED[name]
    with pytest.raises((AgentValueError, AgentTypeError), match=text):
        read()


def test_a_payload_of_a_user_is_temporals_own_matter() -> None:
    """Temporal repeats the workflow task: a deploy with other types may go on with the workflow."""
    with pytest.raises(ValueError, match="validation error") as caught:
        SharingPayloadConverter().from_payload(payload('{"a": 5}'), dict[str, str])
    assert not isinstance(caught.value, ApplicationError)


@pytest.mark.parametrize(
    "details",
    [
        [5],
        [{"strands_tool_error": 5}],
        [{"strands_tool_error": [1, 2, 3]}],
        [{"strands_tool_error": ["m", "\ud83d", "KeyError", ""]}],
        [{"strands_tool_error": ["m", "a\0b", "KeyError", ""]}],
        [],
    ],
)
@pytest.mark.parametrize("restore", [from_activity_error, from_tool_failure])
def test_a_failure_with_odd_details_is_still_the_failure(restore: Any, details: list[Any]) -> None:
    error = activity_error()
    for type_ in ("InterruptException", "KeyError", None):
        error.__cause__ = ApplicationError("text", *details, type=type_)
        assert isinstance(restore(error), Exception)


def test_what_a_newer_release_added_is_left_out() -> None:
    answer = {"events": {"content": [{"text": "x"}], "later": 1}, "later": {}}
    assert ModelResult.from_wire(json.loads(json.dumps(answer))).attempt == 1
