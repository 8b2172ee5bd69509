"""The test kit's scripted model plays its script, records its calls, and reports the end of the script."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from packages.core.tests.public.script_scenes import HELLO, play, texts_of
from strands import Agent, tool
from strands.agent.agent_metadata import AgentMetadata
from strands.models import Model
from strands.types.content import Messages
from strands.types.streaming import StreamEvent

from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool, use_tools

# The script -----------------------------------------------------------------------------------------------


async def test_each_call_takes_the_next_step() -> None:
    model = ScriptedModel(say("one"), lambda call: say(f"two after {call.text}"), say("three"))
    played = [texts_of(await play(model)) for _ in range(3)]
    assert played == [["one"], ["two after hello"], ["three"]]
    assert [call.number for call in model.calls] == [0, 1, 2]


async def test_one_function_alone_answers_every_call() -> None:
    model = ScriptedModel(lambda call: say(f"answer {call.number}"))
    assert [texts_of(await play(model)) for _ in range(3)] == [["answer 0"], ["answer 1"], ["answer 2"]]


async def test_two_functions_are_two_steps() -> None:
    model = ScriptedModel(lambda _: say("first"), lambda _: say("second"))
    await play(model)
    await play(model)
    with pytest.raises(AssertionError, match="call 3 came, the script has 2 steps"):
        await play(model)


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_call_after_the_last_step_says_so_and_shows_the_message(steps: int) -> None:
    model = ScriptedModel(*[say("only")] * steps)
    for _ in range(steps):
        await play(model)
    with pytest.raises(AssertionError) as over:
        await play(model)
    assert str(over.value) == (
        f"ScriptedModel: call {steps + 1} came, the script has {steps} steps. The last message is 'hello'"
    )
    assert len(model.calls) == steps + 1  # the call is recorded nevertheless


async def test_what_a_consumer_does_to_an_event_does_not_reach_the_script() -> None:
    reply = say("text")
    model = ScriptedModel(reply, reply)
    for event in await play(model):
        cast("dict[str, Any]", event).clear()
    assert texts_of(await play(model)) == ["text"]


async def test_it_is_a_model_that_a_plain_agent_takes() -> None:
    @tool
    def double(number: int) -> int:
        """Double a number.

        Args:
            number: The number.
        """
        return 2 * number

    model = ScriptedModel(
        use_tool("double", {"number": 21}, text="Let me see."), lambda call: say(f"it is {call.text}")
    )
    agent = Agent(model, tools=[double], callback_handler=None)
    result = await agent.invoke_async("double 21")
    assert isinstance(model, Model)
    assert str(result) == "it is 42\n"
    assert agent.messages[1]["content"] == [
        {"text": "Let me see."},
        {"toolUse": {"toolUseId": "double-1", "name": "double", "input": {"number": 21}}},
    ]
    assert result.metrics.accumulated_usage["totalTokens"] == 30 + 15
    assert [call.tool_names for call in model.calls] == [["double"], ["double"]]


# Repeating ------------------------------------------------------------------------------------------------


async def test_a_script_that_repeats_finds_its_place_in_the_conversation() -> None:
    @tool
    def double(number: int) -> int:
        """Double a number.

        Args:
            number: The number.
        """
        return 2 * number

    def script() -> ScriptedModel:
        return ScriptedModel(
            use_tool("double", {"number": 21}), lambda call: say(f"{call.prompt}: {call.text}"), repeat=True
        )

    model = script()
    first, second = (Agent(model, tools=[double], callback_handler=None) for _ in range(2))
    for prompt in ("one", "two"):  # two conversations side by side
        assert str(await first.invoke_async(prompt)) == f"{prompt}: 42\n"
        assert str(await second.invoke_async(prompt)) == f"{prompt}: 42\n"
    elsewhere = Agent(script(), messages=first.messages, tools=[double], callback_handler=None)
    assert str(await elsewhere.invoke_async("three")) == "three: 42\n"  # as on another worker


async def test_another_attempt_of_a_call_gets_the_same_step() -> None:
    model = ScriptedModel("one", "two", repeat=True)
    answered: Messages = [*HELLO, {"role": "assistant", "content": [{"text": "one"}]}, *HELLO]
    played = [texts_of(await play(model, messages)) for messages in (HELLO, HELLO, answered, answered)]
    assert played == [["one"], ["one"], ["two"], ["two"]]


# Replies --------------------------------------------------------------------------------------------------


def test_an_answer_in_chunks_says_the_same() -> None:
    reply = say("abcdefg", chunk=3, usage=(7, 2))
    assert texts_of(reply.events) == ["abc", "def", "g"]
    assert texts_of(say("abcdefg").events) == ["abcdefg"]
    assert reply.events[0] == {"messageStart": {"role": "assistant"}}
    assert reply.events[-2] == {"messageStop": {"stopReason": "end_turn"}}
    assert reply.events[-1].get("metadata", {}).get("usage") == {
        "inputTokens": 7,
        "outputTokens": 2,
        "totalTokens": 9,
    }


async def test_tool_calls_in_chunks_are_whole_for_the_agent() -> None:
    called: list[Any] = []

    @tool
    def note(text: str) -> str:
        """Note.

        Args:
            text: Text.
        """
        called.append(text)
        return "noted"

    model = ScriptedModel(
        use_tools([("note", {"text": "ä b"}, "n1"), ("note", {"text": "c"}, "n2")], text="Both:", chunk=2),
        say("done"),
    )
    await Agent(model, tools=[note], callback_handler=None).invoke_async("go")
    assert sorted(called) == ["c", "ä b"]


def test_a_tool_call_can_carry_broken_json() -> None:
    (delta,) = [event for event in use_tool("note", '{"text": ').events if "contentBlockDelta" in event]
    assert delta["contentBlockDelta"].get("delta") == {"toolUse": {"input": '{"text": '}}


def test_tool_use_ids_come_from_the_name_or_the_test() -> None:
    def started(reply: Reply) -> list[Any]:
        return [
            event["contentBlockStart"].get("start") for event in reply.events if "contentBlockStart" in event
        ]

    assert started(use_tool("note", {})) == [{"toolUse": {"name": "note", "toolUseId": "note-1"}}]
    assert started(use_tool("note", {}, tool_use_id="mine")) == [
        {"toolUse": {"name": "note", "toolUseId": "mine"}}
    ]


async def test_a_failure_comes_before_any_event() -> None:
    seen: list[StreamEvent] = []
    model = ScriptedModel(fail(ConnectionError("no route")))
    with pytest.raises(ConnectionError, match="no route"):
        await collect(model, seen)
    assert seen == []


async def test_a_cut_stream_gives_its_text_and_then_fails() -> None:
    seen: list[StreamEvent] = []
    model = ScriptedModel(fail(ConnectionError("cut"), after=say("half an ans", chunk=4)))
    with pytest.raises(ConnectionError, match="cut"):
        await collect(model, seen)
    assert texts_of(seen) == ["half", " an ", "ans"]
    assert not any("messageStop" in event or "metadata" in event for event in seen)


async def collect(model: ScriptedModel, seen: list[StreamEvent]) -> None:
    async for event in model.stream(HELLO):
        seen.append(event)  # noqa: PERF401  # keeps what came before a failure


# Time -----------------------------------------------------------------------------------------------------


async def test_a_reply_waits_for_the_test() -> None:
    called, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        called.set()
        await go.wait()

    model = ScriptedModel(say("late").when(wait))
    playing = asyncio.ensure_future(play(model))
    await asyncio.wait_for(called.wait(), 10)
    assert len(model.calls) == 1  # called, but not answered yet
    assert not playing.done()
    go.set()
    assert texts_of(await asyncio.wait_for(playing, 10)) == ["late"]


async def test_a_waiting_reply_can_be_cancelled() -> None:
    called = asyncio.Event()

    async def wait() -> None:
        called.set()
        await asyncio.Event().wait()

    playing = asyncio.ensure_future(play(ScriptedModel(say("never").when(wait))))
    await asyncio.wait_for(called.wait(), 10)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing


async def test_delay_and_gap_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("strands_temporal.testing._scripted.asyncio", SimpleNamespace(sleep=sleep))
    reply = say("ab", chunk=1).after(3.0, gap=0.5)
    await play(ScriptedModel(reply))
    assert slept == [3.0, *[0.5] * len(reply.events)]
    slept.clear()
    await play(ScriptedModel(say("at once")))
    assert slept == []


def test_a_reply_is_not_changed_by_its_variants() -> None:
    reply = say("x")
    reply.after(1.0, gap=2.0)
    reply.when(lambda: None)
    assert (reply.delay, reply.gap, reply.wait_for) == (0.0, 0.0, None)


# Recorded calls -------------------------------------------------------------------------------------------


async def test_a_call_is_remembered_as_it_came() -> None:
    model = ScriptedModel(say("ok"))
    messages: Messages = [{"role": "user", "content": [{"text": "before"}]}]
    specs: list[Any] = [{"name": "note", "description": "Note.", "inputSchema": {"json": {}}}]
    await play(
        model,
        messages,
        tool_specs=specs,
        system_prompt="Be brief.",
        system_prompt_content=[{"text": "Be brief."}],
        tool_choice={"any": {}},
        invocation_state={"tenant": "acme"},
        agent_metadata=AgentMetadata(session_id="s1"),
        model_state={"response_id": "r1"},
    )
    messages[0]["content"][0]["text"] = "after"
    specs[0]["name"] = "changed"
    (call,) = model.calls
    assert call.text == "before"
    assert call.tool_names == ["note"]
    assert (call.system_prompt, call.system_prompt_content) == ("Be brief.", [{"text": "Be brief."}])
    assert (call.tool_choice, call.invocation_state) == ({"any": {}}, {"tenant": "acme"})
    assert call.agent_metadata == AgentMetadata(session_id="s1")
    assert call.other == {"model_state": {"response_id": "r1"}}


def test_the_text_of_a_call_is_that_of_its_last_message_tool_results_included() -> None:
    content: Any = [
        {
            "toolResult": {
                "toolUseId": "1",
                "status": "success",
                "content": [{"text": "three"}, {"json": {"n": 4}}],
            }
        },
        {"text": "and now?"},
    ]
    call = ScriptedCall([*HELLO, {"role": "user", "content": content}], [], None, None, None, {}, None)
    assert call.text == 'three\n{"n": 4}\nand now?'
    assert ScriptedCall([], [], None, None, None, {}, None).text == ""


def test_a_call_tells_its_prompt_its_tool_results_and_the_answers_so_far() -> None:
    result: Any = {"toolUseId": "1", "status": "success", "content": [{"text": "three"}]}
    use: Any = {"toolUse": {"toolUseId": "1", "name": "count", "input": {}}}
    turn: Messages = [
        *HELLO,
        {"role": "assistant", "content": [{"text": "hi"}]},
        {"role": "user", "content": [{"text": "count"}]},
    ]
    answered: Messages = [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    seen = [
        (call.prompt, call.tool_results, call.answers)
        for messages in ([], HELLO, turn, [*turn, *answered], answered[1:])
        for call in [ScriptedCall(messages, [], None, None, None, {}, None)]
    ]
    assert seen == [
        ("", [], 0),
        ("hello", [], 0),
        ("count", [], 1),
        ("count", [result], 2),
        ("", [result], 0),
    ]


def test_the_configuration_can_be_given_and_changed() -> None:
    model = ScriptedModel(config={"context_window_limit": 10})
    model.update_config(context_window_limit=20)
    assert model.get_config() == {"model_id": "scripted", "context_window_limit": 20}


async def test_structured_output_is_the_call_of_a_tool() -> None:
    from pydantic import BaseModel

    class City(BaseModel):
        name: str

    model = ScriptedModel(use_tool("City", {"name": "Bern"}), say("Bern"))
    events = [event async for event in model.structured_output(City, HELLO)]
    assert events[-1] == {"output": City(name="Bern")}
    assert (model.calls[0].tool_names, model.calls[0].tool_choice) == (["City"], {"any": {}})
    with pytest.raises(ValueError, match="did not call the tool 'City'"):
        [event async for event in model.structured_output(City, HELLO)]


async def test_an_error_may_be_given_as_its_class() -> None:
    with pytest.raises(LookupError):
        await play(ScriptedModel(fail(cast("Any", LookupError))))
