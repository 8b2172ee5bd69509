"""The decoders of strands-temporal."""

import asyncio
import base64
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, cast

from packages.core.tests.wire.failure_scenes import activity_error
from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.event_loop.streaming import process_stream
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError, ApplicationError

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError
from strands_temporal._errors import SandboxTooLargeError
from strands_temporal._wire.a2a import A2AAnswer, A2ACall
from strands_temporal._wire.client_tools import ClientCall
from strands_temporal._wire.conversations import ConversationCarry, ConversationStart, TurnResult
from strands_temporal._wire.failures import from_activity_error, from_tool_activity_error
from strands_temporal._wire.handles import HandleCall
from strands_temporal._wire.memory_stores import MemoryHits
from strands_temporal._wire.model_call import ModelCall, ModelResult
from strands_temporal._wire.payload_converter import SharingPayloadConverter
from strands_temporal._wire.sandboxes import (
    ExecutionOutcome,
    SandboxCall,
    from_sandbox_failure,
    listing_from_wire,
)
from strands_temporal._wire.storages import StoredPage, unpacked
from strands_temporal._wire.tool_call import HostedToolListing, ToolArguments, ToolOutcome
from strands_temporal._wire.tool_context import ToolContext
from strands_temporal._wire.tool_failures import from_tool_failure
from strands_temporal._wire.values import decode, encode
from strands_temporal._wire.worker_report import WorkerReport
from strands_temporal._worker import transcripts as worker_transcripts
from strands_temporal._workflow import carry as agent_carry
from strands_temporal._workflow.client_call_book import CallBook
from strands_temporal._workflow.conversation_carry import FORMAT, restore_agent_of, unpack_conversation
from strands_temporal._workflow.conversation_turns import Turns
from strands_temporal._workflow.decided_calls import DecidedCall
from strands_temporal._workflow.model import _replayed  # pyright: ignore[reportPrivateUsage]
from strands_temporal._workflow.sub_agent import SubAgentResult, SubAgentTask
from strands_temporal._workflow.tool_results import tool_value
from strands_temporal._workflow.turn_cut import TurnCut
from strands_temporal._workflow.usage import _ChainUsage  # pyright: ignore[reportPrivateUsage]
from strands_temporal.testing import ScriptedModel, say

from .damage import as_dict, as_list, json_text
from .recorded import recorded
from .row import Row

TYPED = (AgentValueError, AgentTypeError)
"""What ends a workflow, or fails an activity for good, with a message."""


_CONTEXT = {
    "tool_use": {"toolUseId": "1", "name": "t", "input": {"a": {"$b64": "AA=="}}},
    "invocation_state": {"a": 1},
    "answers": {"q": True},
    "state": {"b": [1]},
}
_SANDBOX_CALL = {
    "sandbox": "s",
    "command": "ls",
    "env": {"A": "b"},
    "tool": ["t", "1"],
    "timeout": 1.5,
    "secrets": {"A": "b"},
}
_OUTCOME = {
    "exit_code": 1,
    "chunks": [["stdout", "a"], ["stderr", "b"]],
    "files": [["a", {"$b64": "AA=="}, None]],
}


_ZLIB = "eJ"
"""How compressed data begins in base64."""


def carried(*names: str) -> list[Any]:
    """Return the contents of the recorded carries that have these keys. A carry may hold others."""
    found: dict[str, Any] = {}
    level = [*recorded()["continued"], *recorded()["started"]]
    while level:
        texts = [each["data"] for each in _dicts_with(level, "data") if each["data"].startswith(_ZLIB)]
        packed = [text for text in dict.fromkeys(texts) if text not in found]
        level = [json.loads(zlib.decompress(base64.b64decode(text))) for text in packed]
        found.update(zip(packed, level, strict=True))
    return [content for content in found.values() if set(names) <= set(content)]


def _dicts_with(value: Any, key: str) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for each in cast("list[Any]", value) for found in _dicts_with(each, key)]
    if not isinstance(value, dict):
        return []
    fields = cast("dict[str, Any]", value)
    below = [found for each in fields.values() for found in _dicts_with(each, key)]
    return [fields, *below] if isinstance(fields.get(key), str) else below


def repacked(content: Any) -> str:
    """Return content as the text of a carry, also content that no release would write."""
    return base64.b64encode(zlib.compress(json_text(content).encode("utf-8", "surrogatepass"))).decode()


def _agent() -> Agent:
    return Agent(ScriptedModel(say("x")), agent_id="a", callback_handler=None)


def _restore_agent(data: Any) -> None:
    agent_carry.unpack(AgentCarry(data), _agent(), keep_system_prompt=False)


def _model_result(wire: Any) -> None:
    result = ModelResult.from_wire(wire)

    async def read() -> None:
        async for _ in process_stream(_replayed(result)):
            pass

    asyncio.run(read())


def _conversation(data: Any) -> None:
    content = unpack_conversation(ConversationCarry(data))
    restore_agent_of(content, _agent())
    with FORMAT.reading():
        Turns.carried(content.get("turns", {}))


def _packed_turn(content: Any) -> dict[str, Any]:
    return {"data": repacked(content), "version": 1}


def _usage(carried: Any) -> None:
    with FORMAT.reading():
        for value in carried.values():
            _ChainUsage.from_json(value)


def _failure(restore: Callable[[ActivityError], Exception]) -> Callable[[Any], None]:
    def check(given: Any) -> None:
        pair = as_list(given)
        type_, details = pair if len(pair) == 2 else (None, [given])
        error = activity_error()
        items = as_list(details) or [details]
        error.__cause__ = ApplicationError("text", *items, type=type_ if isinstance(type_, str) else None)
        restored = restore(error)
        assert isinstance(restored, Exception)
        str(restored)

    return check


def _tool_answer(wire: Any) -> None:
    outcome = ToolOutcome.from_wire(wire)
    if outcome is not None:
        use: Any = {"toolUseId": "1", "name": "t", "input": {}}
        state = {"a": {"b": [1]}}
        tool_value(outcome, StrandsToolContext(use, _agent(), state))


def _transcript(wire: Any) -> None:
    call = ModelCall.from_wire(wire)
    kept = worker_transcripts.put_together(None, call.transcript)
    if kept is not None:
        worker_transcripts._resolved(kept)  # pyright: ignore[reportPrivateUsage]


def payload_of(hint: Any) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        payload = Payload(metadata={"encoding": b"json/plain"}, data=data)
        SharingPayloadConverter().from_payload(payload, hint)

    return check


def _book(carried: Any) -> None:
    with FORMAT.reading():
        CallBook().take_over(carried)


def _turns(carried: Any) -> None:
    with FORMAT.reading():
        Turns.carried(carried)


def core_rows() -> Sequence[Row]:
    """Return the rows of core."""
    conversations = carried("agent", "turns")
    agents = carried("snapshot")
    agents_text = [repacked(each) for each in agents]
    turns = [each["turn"] for each in conversations if each.get("turn")]
    turn_contents = [json.loads(zlib.decompress(base64.b64decode(each["data"]))) for each in turns]
    calls = [*recorded()["scheduled:invoke_model"], *recorded()["scheduled:invoke_model_streaming"]]
    answers = [*recorded()["completed:invoke_model"], *recorded()["completed:invoke_model_streaming"]]
    old_answers = [{"events": [0, 1, "Hi", 2, ["end_turn"], [1, 2, 3, 4]], "answer": "x"}]
    asked = [["InterruptException", [{"id": "1", "name": "n", "reason": {"$b64": "AA=="}}]]]
    failed = [["KeyError", [{"strands_tool_error": ["m", "C", "KeyError", ""]}]], *asked]
    timeout = {"kind": "timeout", "stdout": "a", "stderr": ""}
    os_error = {"kind": "os", "args": [2, "none", "a", None]}
    sandbox_errors = [
        ["X", [{"strands_sandbox_error": each}]] for each in (timeout, os_error, {"kind": "path"})
    ]
    sandbox_errors += [
        [SandboxTooLargeError.failure_type, [{"strands_sandbox_error": {"exit_code": 1, "stdout": "x"}}]],
        *failed,
    ]
    states: list[Any] = [
        {"set": {"a": 1}, "delete": ["b"], "invocation_state": [["set", ["a", "b"], [2]], ["delete", ["c"]]]},
        {"cancel": {"message": "x"}, "attempt": 2, "invocation_state": [["extend", ["a", "b"], [1]]]},
    ]
    tool_answers = [{"strands_tool": 1, "text": "x", "state": each} for each in states]
    tool_answers += [*recorded()["completed:weather"], {"strands_tool": 1, "result": {"status": "error"}}]
    client_calls = [{"id": "1", "tool": "t", "arguments": {"a": 1}, "asked_at": "2026-11-30T10:00:00+00:00"}]
    book = {"entries": [{"call": client_calls[0], "interrupt_id": "i", "agent_id": "a"}], "ended": {"2": {}}}
    packed_turns = [each["turns"] for each in conversations]
    packed_turns += [{"turn": 1, "answers": {"a": {"result": asdict(TurnResult(1, "x", "end_turn"))}}}]
    packed_turns += [
        {"answers": {"a": {"error": {"type": "T", "message": "m"}}}, "queue": [{"id": "", "message": 1}]}
    ]
    usage = [each["usage_by_chain"] for each in agents if "usage_by_chain" in each]
    sub_agents = [
        {"stop_reason": "end_turn", "content": [{"text": "x"}], "carry": {"data": "", "version": 1}}
    ]
    starts = [each for each in recorded()["started"] if isinstance(each, dict) and "arguments" in each]
    payloads: dict[Any, list[Any]] = {
        ConversationStart: starts,
        AgentCarry: [each for each in recorded()["continued"] if "version" in as_dict(each)],
        HandleCall: recorded()["scheduled:read_storage"],
        HostedToolListing: [{"tools": [{"hosted_as": "a", "spec": {}}], "version": 1}],
        StoredPage: [asdict(StoredPage("x", 1))],
        MemoryHits: [{"hits": [{"content": "x"}]}],
        SubAgentTask: [{"prompt": "x", "answers": [], "decided": [], "keep": True}],
    }
    return [
        Row("tagged values", decode, [encode({"a": [b"x", "\ud800", {"$b64": 1}]})], TYPED),
        Row("agent's carry", _restore_agent, agents_text, TYPED, "text"),
        Row("agent's carry, content", lambda c: _restore_agent(repacked(c)), agents, TYPED),
        Row("conversation's carry", _conversation, [repacked(each) for each in conversations], TYPED, "text"),
        Row("conversation's carry, content", lambda c: _conversation(repacked(c)), conversations, TYPED),
        Row("conversation's messages", _turns, packed_turns, TYPED),
        Row("conversation's client calls", _book, [book], TYPED),
        Row("rest of a turn", TurnCut.unpack, turns, TYPED),
        Row("rest of a turn, content", lambda c: TurnCut.unpack(_packed_turn(c)), turn_contents, TYPED),
        Row("usage in a carry", _usage, usage, TYPED),
        Row("model call", _transcript, calls, TYPED),
        Row("model's answer", _model_result, [*answers, *old_answers], TYPED),
        Row(
            "tool call's arguments",
            lambda v: ToolArguments.from_args([v]),
            [ToolArguments({"a": 1}, {}).to_args(2)[0]],
        ),
        Row("tool's answer", _tool_answer, tool_answers, (*TYPED, ApplicationError)),
        Row(
            "tool's context",
            lambda v: payload_of(ToolContext)(json_text(v).encode("utf-8", "surrogatepass")),
            [_CONTEXT],
            TYPED,
        ),
        Row("failure of a model", _failure(from_activity_error), asked, TYPED),
        Row("failure of a tool", _failure(from_tool_failure), failed, TYPED),
        Row("failure of a tool's activity", _failure(from_tool_activity_error), failed, TYPED),
        Row("failure of a sandbox", _failure(from_sandbox_failure), sandbox_errors, TYPED),
        Row("sandbox's call", SandboxCall.from_wire, [_SANDBOX_CALL], TYPED),
        Row("sandbox's outcome", lambda v: ExecutionOutcome.from_wire(v).restored(), [_OUTCOME], TYPED),
        Row("sandbox's listing", listing_from_wire, [[["a", True, None], ["b", False, 3]]], TYPED),
        Row(
            "stored value",
            lambda v: unpacked(v, compressed=True),
            [zlib.compress(b"abc" * 99)],
            TYPED,
            "bytes",
        ),
        Row("client call", ClientCall.from_wire, client_calls, TYPED),
        Row("decided call", DecidedCall.from_wire, [DecidedCall(["1"], "t", {"a": 1}).to_wire()], TYPED),
        Row("sub-agent's result", SubAgentResult.from_value, sub_agents, (*TYPED, ApplicationError)),
        Row("A2A call", A2ACall.from_wire, [A2ACall("a", ["x"]).to_wire()], TYPED),
        Row("A2A answer", A2AAnswer.from_wire, [A2AAnswer({"role": "user", "content": []}).to_wire()], TYPED),
        Row("worker's report", WorkerReport.from_wire, [WorkerReport(1, "w").to_wire()], TYPED),
        *(
            Row(f"payload of {hint.__name__}", payload_of(hint), seeds, TYPED, "json bytes")
            for hint, seeds in payloads.items()
        ),
    ]
