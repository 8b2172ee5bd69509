"""Steps of a script: a text, a reply, a function. Anything else is refused when the script is made."""

import asyncio
from typing import Any, cast

import pytest
from packages.core.tests.public.script_scenes import play, texts_of
from strands import Agent

from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool, use_tools


async def test_a_text_is_a_step() -> None:
    agent = Agent(ScriptedModel("one", say("two")), callback_handler=None)
    assert [str(await agent.invoke_async(prompt)).strip() for prompt in ("a", "b")] == ["one", "two"]


async def an_async_step(call: ScriptedCall) -> Reply:
    await asyncio.sleep(0)
    return say(f"async {call.number}")


async def an_async_text(call: ScriptedCall) -> str:
    return f"async text after {call.text}"


async def test_a_function_may_be_async_and_may_return_a_text() -> None:
    model = ScriptedModel(lambda call: f"plain {call.text}", an_async_step, an_async_text)
    played = [texts_of(await play(model)) for _ in range(3)]
    assert played == [["plain hello"], ["async 1"], ["async text after hello"]]


async def test_one_async_function_alone_answers_every_call() -> None:
    model = ScriptedModel(an_async_step)
    assert [texts_of(await play(model)) for _ in range(2)] == [["async 0"], ["async 1"]]


@pytest.mark.parametrize(
    "returned", [None, 5, {"text": "x"}, [say("x")]], ids=["none", "int", "dict", "list"]
)
async def test_a_function_that_returns_something_else_is_named_with_what_it_returned(returned: Any) -> None:
    model = ScriptedModel(lambda _: returned)
    with pytest.raises(TypeError, match=r"at call 1 the function .* returned .*Return say\("):
        await play(model)


def a_generator(call: ScriptedCall) -> Any:
    yield say(call.text)


def two_arguments(call: ScriptedCall, more: object) -> Reply:
    return say(f"{call} {more}")


async def an_async_generator(call: ScriptedCall) -> Any:
    yield say(call.text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["hello"], r"step 1 is a list.*ScriptedModel\(\*steps\)"),
        ((say("x"),), r"step 1 is a tuple"),
        ((say(text) for text in "ab"), r"step 1 is a generator.*ScriptedModel\(\*steps\)"),
        (None, r"step 1, None, is not a step\. A step is say\("),
        ({"text": "x"}, r"is not a step"),
        (b"hello", r"is not a step"),
        (5, r"is not a step"),
        (Reply, r"is not a step"),
        (ValueError("x"), r"is an exception\. To raise it give fail\(ValueError\('x'\)\)"),
        (ValueError, r"is an exception"),
        (a_generator, r"yields\. A function returns one reply"),
        (an_async_generator, r"yields"),
        (lambda: say("x"), r"cannot be called with the ScriptedCall: give `lambda call: \.\.\.`"),
        (two_arguments, r"cannot be called with the ScriptedCall"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_step_is_refused_at_once(given: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        ScriptedModel(given)


@pytest.mark.parametrize(
    ("steps", "options", "error", "said"),
    [
        ([], {"repeat": True}, ValueError, r"repeat=True\) has no step to repeat\. A step is say\("),
        ([say("x")], {"repeat": 2}, TypeError, r"ScriptedModel\(repeat=2\): give True or False"),
        (
            [say("x"), fail(OSError("gone"))],
            {"repeat": True},
            ValueError,
            r"step 2 always raises OSError\('gone'\)\. .*Give a function that decides when to fail",
        ),
        ([say("x")], {"config": "mine"}, TypeError, r"ScriptedModel\(config='mine'\): give a dict"),
    ],
)
def test_options_are_checked_where_they_are_written(
    steps: list[Reply], options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ScriptedModel(*steps, **options)


A_REPLY = say("x")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: say(cast("Any", 5)), r"say\(5\): 5 is not a string.*say\('5'\)"),
        (lambda: say(cast("Any", None)), r"say\(None\): None is not a string"),
        (lambda: say(cast("Any", {"text": "x"})), r"is not a string"),
        (lambda: say("x", chunk=cast("Any", "2")), r"chunk='2': give a number of characters"),
        (lambda: say("x", chunk=0), r"chunk=0: give 1 or more characters"),
        (lambda: say("x", chunk=-1), r"chunk=-1: give 1 or more"),
        (lambda: say("x", usage=cast("Any", 5)), r"say\(usage=5\): give input and output tokens"),
        (lambda: say("x", usage=cast("Any", (1,))), r"usage=\(1,\)\): give input and output tokens"),
        (
            lambda: fail(cast("Any", "text")),
            r"fail\('text'\): give an exception.*fail\(RuntimeError\('text'\)\)",
        ),
        (lambda: fail(cast("Any", None)), r"fail\(None\): give an exception"),
        (lambda: fail(ValueError(), after=cast("Any", "x")), r"fail\(after='x'\): give a reply"),
        (
            lambda: use_tool("t", cast("Any", [1])),
            r"use_tool: the arguments \[1\] of 't' are neither a dict nor",
        ),
        (
            lambda: use_tool("t", cast("Any", None)),
            r"the arguments None of 't' are neither a dict nor raw text",
        ),
        (lambda: use_tool("t", {"when": object()}), r"of 't' are not JSON \(Object of type object"),
        (lambda: use_tool(cast("Any", print), {}), r"use_tool: the name <built-in.*> is not a string"),
        (lambda: use_tool("t", {}, tool_use_id=cast("Any", 7)), r"use_tool: the id 7 is not a string"),
        (lambda: use_tool("t", {}, text=cast("Any", 7)), r"7 is not a string"),
        (lambda: use_tools([]), r"use_tools\(\[\]\): no call\. A call is a name, its arguments and an id"),
        (lambda: use_tools(cast("Any", None)), r"use_tools\(None\): give a list of calls"),
        (lambda: use_tools(cast("Any", [("t", {})])), r"use_tools: \('t', \{\}\) is not a call"),
        (lambda: use_tools(cast("Any", ("t", {}, "id"))), r"use_tools: 't' is not a call"),
        (lambda: use_tools(cast("Any", [say("x")])), r"is not a call"),
        (lambda: A_REPLY.when(cast("Any", None)), r"Reply\.when\(None\): give a function"),
        (lambda: A_REPLY.after(cast("Any", "1")), r"Reply\.after\(delay='1'\): give a number of seconds"),
        (lambda: A_REPLY.after(gap=-1), r"Reply\.after\(gap=-1\): give 0 or more seconds"),
    ],
    ids=range(25),
)
def test_a_step_is_checked_where_it_is_written(build: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        build()
