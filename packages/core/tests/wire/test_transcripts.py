"""Transcripts: a worker rebuilds an agent's conversation exactly, however the conversation was changed."""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packages.core.tests.wire.wire_values import values
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from strands_temporal import AgentValueError
from strands_temporal._wire.model_call import TRANSCRIPT_GONE, TRANSCRIPT_QUERY, ModelCall, Transcript
from strands_temporal._wire.transcript_parts import Answer, New, part_from_wire, part_to_wire
from strands_temporal._wire.transcripts import (
    ANSWER_DIGITS,
    PAGE_BYTES,
    Frame,
    Items,
    apply_delta,
    delta,
    frame_of,
    json_equal,
)
from strands_temporal._wire.values import encode
from strands_temporal._worker.transcripts import KeptTranscripts, ResolvedCall
from strands_temporal._workflow.gate import INLINE_BYTES
from strands_temporal._workflow.transcripts import SentTranscripts
from strands_temporal.testing import say, use_tools

SPECS = [{"name": name, "description": name, "inputSchema": {"json": {"n": 1}}} for name in "abc"]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": text}]}


class Run:
    """The workflow's side, and the client with which its workers query it. Counts the bytes that are sent."""

    def __init__(self) -> None:
        self.sent = SentTranscripts()
        self.queries = 0
        self.crossed: list[Transcript] = []
        self.owner = self.new_agent()

    def new_agent(self) -> object:
        return type("Owner", (), {})()

    def get_workflow_handle(self, workflow_id: str, run_id: str) -> "Run":
        assert (workflow_id, run_id) == ("test", "test-run")
        return self

    async def query(self, name: str, *, args: Sequence[Any], **options: Any) -> str:
        assert name == TRANSCRIPT_QUERY
        self.queries += 1
        return self.sent.page(*args)

    def inside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function as an activity of this run."""
        return ActivityEnvironment(client=cast("Client", self)).run(function, *args)

    async def call(
        self,
        worker: KeptTranscripts,
        messages: Sequence[Any],
        tools: Sequence[Any] = (),
        frame: Frame | None = None,
        answer: Sequence[Any] | None = None,
        owner: object = None,
    ) -> ResolvedCall:
        """Make one call that is answered by these events. Return what the worker gave to the model."""
        with self.sent.send(owner or self.owner, messages, tools, frame or {}) as sending:
            wire = json.loads(json.dumps(ModelCall("m", sending.transcript).to_wire()))
            transcript = ModelCall.from_wire(wire).transcript
            self.crossed.append(transcript)

            async def serve() -> tuple[ResolvedCall, str]:
                resolved = await worker.resolve(transcript)
                return resolved, await worker.store_answer(transcript, encode(answer)) if answer else ""

            resolved, told = await self.inside(serve)
            sending.record_answer(told)
        return resolved


def json_of(value: Any) -> str:
    return json.dumps(encode(value), sort_keys=True)


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def worker() -> KeptTranscripts:
    return KeptTranscripts(10**7)


# --- What crosses


async def test_a_conversation_crosses_once_and_an_answer_not_at_all(
    run: Run, worker: KeptTranscripts
) -> None:
    messages: list[Any] = [user("one")]
    frame = frame_of("Be brief.", [{"text": "Be brief."}], "s1", None)
    for number in range(3):
        reply = say(f"answer {number}")
        resolved = await run.call(worker, messages, SPECS, frame, reply.events)
        assert json_of(resolved.messages) == json_of(messages)
        assert (resolved.tool_specs, resolved.system_prompt, resolved.session_id) == (
            SPECS,
            "Be brief.",
            "s1",
        )
        messages += [{"role": "assistant", "content": [{"text": f"answer {number}"}]}, user(f"and {number}")]
    assert [(crossed.messages, crossed.tools, crossed.frame) for crossed in run.crossed] == [
        ([{"user": "one"}], SPECS, frame),
        ([{"kept": [0, 1]}, {"answer": 1}, {"user": "and 0"}], None, {}),
        ([{"kept": [0, 3]}, {"answer": 2}, {"user": "and 1"}], None, {}),
    ]
    assert run.queries == 0


async def test_a_tool_call_that_the_model_asked_for_does_not_cross_again(
    run: Run, worker: KeptTranscripts
) -> None:
    reply = use_tools([("add", {"a": 1}, "t1"), ("add", {"a": 2.5}, "t2")], text="adding")
    await run.call(worker, [user("go")], SPECS, None, reply.events)
    asked: Any = {
        "role": "assistant",
        "content": [
            {"text": "adding"},
            {"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "t2", "name": "add", "input": {"a": 2.5}}},
        ],
    }
    messages: list[Any] = [user("go"), asked]
    resolved = await run.call(worker, messages, SPECS)
    assert json_of(resolved.messages) == json_of(messages)
    assert run.crossed[-1].messages == [{"kept": [0, 1]}, {"answer": 1}]
    edited = copy.deepcopy(messages)
    edited[1]["content"][0]["text"] = "redacted"
    assert json_of((await run.call(worker, edited, SPECS)).messages) == json_of(edited)
    assert run.crossed[-1].messages == [{"kept": [0, 1]}, edited[1]]


async def test_trimming_summaries_and_edits_cross_as_what_is_new(run: Run, worker: KeptTranscripts) -> None:
    messages = [user(str(i)) for i in range(6)]
    await run.call(worker, messages)
    del messages[:2]  # a sliding window
    await run.call(worker, messages)
    messages[:2] = [user("summary")]
    await run.call(worker, messages)
    messages[1]["content"][0]["text"] = "edited in place"
    resolved = await run.call(worker, messages)
    assert json_of(resolved.messages) == json_of(messages)
    messages.append(user("0"))  # an earlier message, but no longer kept
    await run.call(worker, messages)
    assert [crossed.messages for crossed in run.crossed[1:]] == [
        [{"kept": [2, 6]}],
        [{"user": "summary"}, {"kept": [2, 4]}],
        [{"kept": [0, 1]}, {"user": "edited in place"}, {"kept": [2, 3]}],
        [{"kept": [0, 3]}, {"user": "0"}],
    ]
    assert run.queries == 0


async def test_tools_and_frame_cross_when_they_change(run: Run, worker: KeptTranscripts) -> None:
    messages = [user("go")]
    changes: list[tuple[list[Any], Frame]] = [
        (SPECS[:2], {"system_prompt": "a"}),
        (SPECS, {"system_prompt": "a", "session_id": "s"}),
        (SPECS[1:], {"session_id": "s"}),
        ([], {}),
        ([{**SPECS[0], "inputSchema": {"json": {"n": 1.0}}}], {}),
    ]
    for tools, frame in changes:
        resolved = await run.call(worker, messages, tools, frame)
        assert json_of(resolved.tool_specs or []) == json_of(tools)
        assert (resolved.system_prompt, resolved.session_id) == (
            frame.get("system_prompt"),
            frame.get("session_id"),
        )
    assert [(crossed.tools, crossed.frame) for crossed in run.crossed[1:4]] == [
        ([{"kept": [0, 2]}, SPECS[2]], {"session_id": "s"}),
        ([{"kept": [1, 3]}], {"system_prompt": None}),
        ([], {"session_id": None}),
    ]
    assert run.queries == 0


async def test_each_agent_has_a_transcript_of_its_own(run: Run, worker: KeptTranscripts) -> None:
    agents = [run.new_agent() for _ in range(3)]
    for turn in range(3):
        for number, agent in enumerate(agents):
            messages = [user(f"{number}.{t}") for t in range(turn + 1)]
            resolved = await run.call(worker, messages, owner=agent)
            assert json_of(resolved.messages) == json_of(messages)
    assert run.queries == 0
    assert [(crossed.agent, crossed.call) for crossed in run.crossed[-3:]] == [(1, 3), (2, 3), (3, 3)]


async def test_what_is_large_is_asked_for_in_pages(run: Run, worker: KeptTranscripts) -> None:
    large = "".join(chr(33 + i * i % 15013) for i in range(PAGE_BYTES))  # hardly compressible
    messages = [user("small"), user(large)]
    resolved = await run.call(worker, messages)
    assert json_of(resolved.messages) == json_of(messages)
    assert run.crossed[0].messages is None
    assert run.queries > 1
    asked = run.queries
    messages.append(user("x" * (INLINE_BYTES - 100)))
    assert json_of((await run.call(worker, messages)).messages) == json_of(messages)
    assert run.queries == asked
    messages.append(user("x" * INLINE_BYTES))
    assert json_of((await run.call(worker, messages)).messages) == json_of(messages)
    assert run.queries == asked + 1  # one page: only the new message


async def test_what_the_workflow_no_longer_waits_for_is_gone_for_good(
    run: Run, worker: KeptTranscripts
) -> None:
    with run.sent.send(run.owner, [user("x" * INLINE_BYTES)], (), {}) as sending:
        pass
    with pytest.raises(ApplicationError) as error:
        await run.inside(worker.resolve, sending.transcript)
    assert error.value.type == TRANSCRIPT_GONE
    assert error.value.non_retryable


async def test_conversations_are_kept_within_their_bytes(run: Run) -> None:
    worker = KeptTranscripts(8_000)
    agents = [run.new_agent() for _ in range(4)]
    for turn in range(3):
        for agent in agents:
            messages = [user(f"{t} " * 1000) for t in range(turn + 1)]
            assert json_of((await run.call(worker, messages, owner=agent)).messages) == json_of(messages)
            assert worker.kept_bytes <= 8_000
    assert run.queries == 8  # each conversation was dropped before its agent's next call
    worker.clear()
    assert worker.kept_bytes == 0


@pytest.mark.parametrize("wrong", [{"messages": [[0, 9]]}, {"messages": [None]}, {"digest": "0" * 16}])
async def test_what_cannot_be_put_together_is_asked_for(
    run: Run, worker: KeptTranscripts, wrong: dict[str, Any]
) -> None:
    await run.call(worker, [user("one")])
    messages = [user("one"), user("two")]
    with run.sent.send(run.owner, messages, (), {}) as sending:
        transcript = Transcript(**{**vars(sending.transcript), **wrong})
        resolved = await run.inside(worker.resolve, transcript)
    assert json_of(resolved.messages) == json_of(messages)
    assert run.queries == 1


async def test_a_damaged_answer_of_the_workflow_is_a_typed_error(
    run: Run, worker: KeptTranscripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object, **__: object) -> Transcript:
        return Transcript(1, "d" * 16, messages=[{"kept": [5, 9]}])

    monkeypatch.setattr(worker.queries, "ask", damaged)
    with pytest.raises(AgentValueError, match="conversation of a model call cannot be read"):
        await run.inside(worker.resolve, Transcript(1, "d" * 16))


async def test_the_usual_call_has_two_fields(run: Run, worker: KeptTranscripts) -> None:
    messages: list[Any] = [user("one")]
    await run.call(worker, messages, answer=say("yes").events)
    messages += [{"role": "assistant", "content": [{"text": "yes"}]}, user("two")]
    await run.call(worker, messages)
    sent = run.crossed[-1]
    wire = sent.to_wire()
    assert wire == {"call": 2, "digest": sent.digest, "kept": [0, 1], "user": "two"}
    assert len(wire["digest"]) == 8
    for message in ({"role": "user", "content": []}, {"role": "user"}, {"results": 1}):
        parts: list[Any] = [{"kept": [0, 1]}, {"answer": 1}, message]
        call = Transcript(2, "01234567", messages=parts)
        assert Transcript.from_wire(json.loads(json.dumps(call.to_wire()))) == call
    assert run.queries == 0


# --- Any edits, any workers

CONTENT: Any = st.one_of(
    st.text(max_size=3).map(lambda text: {"text": text}),
    values.map(lambda value: {"toolUse": {"toolUseId": "t", "name": "n", "input": {"v": value}}}),
    st.binary(max_size=4).map(lambda data: {"image": {"format": "png", "source": {"bytes": data}}}),
)
MESSAGES: Any = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": st.lists(CONTENT, max_size=2)}
)


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    names = [
        "append",
        "answer",
        "trim",
        "summarise",
        "change",
        "delete",
        "repeat",
        "move",
        "nothing",
        "numbers",
    ]
    return draw(
        st.lists(st.tuples(st.sampled_from(names), st.integers(0, 9), MESSAGES), min_size=1, max_size=12)
    )


def edit(messages: list[Any], name: str, where: int, message: Any) -> None:
    """Edit a conversation as users, hooks and conversation managers do."""
    place = where % len(messages) if messages else 0
    if name == "append" or not messages:
        messages.append(message)
    elif name == "trim":
        del messages[:place]
    elif name == "summarise":
        messages[: place + 1] = [message]
    elif name == "change":
        messages[place]["content"] = message["content"]
    elif name == "delete":
        del messages[place]
    elif name == "repeat":
        messages.append(copy.deepcopy(messages[place]))
    elif name == "move":
        messages.insert(0, messages.pop(place))


@settings(max_examples=100, deadline=None)
@given(edits=edits(), data=st.data())
async def test_any_edits_arrive_on_any_worker(edits: list[tuple[str, int, Any]], data: st.DataObject) -> None:
    run = Run()
    workers = [KeptTranscripts(10**6), KeptTranscripts(300), KeptTranscripts(0)]
    messages: list[Any] = []
    for name, where, message in edits:
        message = copy.deepcopy(message)
        if name == "answer":
            reply = say("ok") if where % 2 else use_tools([("n", {"v": where}, "t")])
        else:
            edit(messages, name, where, message)
            reply = None
        tools = SPECS[: where % 4]
        frame: Frame = {"system_prompt": str(where)} if where % 3 else {}
        worker = data.draw(st.sampled_from(workers))
        before = json_of(messages)
        resolved = await run.call(worker, messages, tools, frame, reply.events if reply else None)
        assert json_of(resolved.messages) == before
        assert json_of(resolved.tool_specs or []) == json_of(tools)
        assert resolved.system_prompt == frame.get("system_prompt")
        if reply and where % 2:
            messages.append({"role": "assistant", "content": [{"text": "ok"}]})
        resolved.messages.clear()  # a model may change its input as it likes


@settings(max_examples=100, deadline=None)
@given(before=st.lists(MESSAGES, max_size=6), edits=edits())
def test_a_delta_rebuilds_the_list_and_brings_only_what_is_new(
    before: list[Any], edits: list[tuple[str, int, Any]]
) -> None:
    old = delta(Items(), before)
    now = copy.deepcopy(before)
    for change in edits:
        edit(now, *change)
    new = delta(old.items, now)
    assert apply_delta([encode(message) for message in before], new.parts, None, lambda part: part) == encode(
        now
    )
    known = {json_of(message) for message in before}
    assert list(map(part_from_wire, map(part_to_wire, new.parts))) == new.parts
    brought = [part for part in new.parts if isinstance(part, New)]
    assert len(brought) == sum(json_of(message) not in known for message in now)


@given(values, values)
def test_values_are_the_same_when_their_json_is(one: Any, other: Any) -> None:
    kept = copy.deepcopy(one)
    assert json_equal(kept, one)
    if json_equal(one, other):
        assert json_of(one) == json_of(other)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), (False, 0), (b"a", "a")])
async def test_what_is_equal_but_not_the_same_crosses(
    run: Run, worker: KeptTranscripts, one: Any, other: Any
) -> None:
    message: Any = {"role": "assistant", "content": [{"toolUse": {"input": {"v": one}}}]}
    await run.call(worker, [message])
    message["content"][0]["toolUse"]["input"]["v"] = other
    resolved = await run.call(worker, [message])
    assert repr(resolved.messages) == repr([message])
    assert run.crossed[-1].messages == [encode(message)]


def test_an_answer_is_known_by_the_beginning_of_its_digest() -> None:
    message = {"role": "assistant", "content": [{"text": "hi"}]}
    items, _, size = delta(Items(), [message])
    assert delta(Items(), [message], items.digests[0].hex()[:ANSWER_DIGITS], 7).parts == [Answer(7)]
    assert size == len(json_of(message).replace(" ", ""))
