"""Turns of an agent, for a plain agent and for one whose turn goes on from run to run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from strands import Agent, ToolContext, tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    BeforeModelCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.types.exceptions import ContextWindowOverflowException
from strands.vended_tools.stop import stop
from temporalio import activity

from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool, use_tools

Script = Callable[[ScriptedCall], Reply | str]

looked_up: list[tuple[str, str]] = []
"""What the activity looked up, with the idempotency keys."""


@activity.defn(name="look_up")
async def look_up(word: str, tool_context: ActivityToolContext) -> str:
    """Look a word up."""
    looked_up.append((word, tool_context.idempotency_key))
    return meaning(word)


@tool(name="look_up")
async def plain_look_up(word: str) -> str:
    """Look a word up."""
    return meaning(word)


def meaning(word: str) -> str:
    return f"{word} is a word: " + word * 3


@tool
async def define(word: str) -> str:
    """Define a word, in the workflow."""
    if word.startswith("no"):
        raise LookupError(f"{word} is unknown")
    return meaning(word)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers, in the workflow."""
    return a + b


@tool(context=True)
def remember(what: str, tool_context: ToolContext[Any]) -> str:
    """Remember something in the agent's state, the caller's state and the result's state."""
    agent: Any = tool_context.agent
    agent.state.set("known", [*(agent.state.get("known") or []), what])
    tool_context.invocation_state["seen"].append(what)
    tool_context.invocation_state["request_state"][what] = True
    agent.system_prompt = f"You know {what}."
    return f"{len(tool_context.invocation_state['seen'])} known"


@tool(context=True)
def ask(what: str, tool_context: ToolContext[Any]) -> str:
    """Ask a person."""
    return f"{what}: {tool_context.interrupt('question', reason=what)}"


def steps(count: int, then: str = "done", step: Callable[[int], Reply] | None = None) -> Script:
    """Return a script: some tool calls, one after the other, and an answer."""

    def answer(call: ScriptedCall) -> Reply | str:
        number = call.answers
        if number >= count:
            return say(f"{then} after {len(call.messages)} messages")
        if step is not None:
            return step(number)
        return use_tool("look_up", {"word": f"w{number}"}, tool_use_id=f"t{number}")

    return answer


class Hook(HookProvider):
    """A hook for one kind of event."""

    def __init__(self, kind: Any, callback: Any) -> None:
        self._kind, self._callback = kind, callback

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(self._kind, self._callback)


def count(agent: Any, what: str) -> int:
    """Count in the agent's state, which is carried: hooks are built again in each run."""
    number = (agent.state.get(what) or 0) + 1
    agent.state.set(what, number)
    return number


def try_twice(event: AfterToolCallEvent) -> None:
    event.retry = event.result["status"] == "error" and count(event.agent, "failed") % 2 == 1


def hurry(event: BeforeModelCallEvent) -> None:
    """Add a text beside the tool results, as a person who steers does."""
    if count(event.agent, "calls") in (2, 4):
        event.agent.messages[-1]["content"].append({"text": "hurry up"})


def cancel_at(number: int) -> Hook:
    def cancel(event: AfterToolsEvent) -> None:
        if count(event.agent, "steps") == number:
            event.agent.cancel(message="stopped by a hook")

    return Hook(AfterToolsEvent, cancel)


def end_at(number: int) -> Hook:
    def end(event: AfterToolsEvent) -> None:
        if count(event.agent, "steps") == number:
            event.end_turn = "enough"

    return Hook(AfterToolsEvent, end)


def once_more(event: AfterInvocationEvent) -> None:
    if count(event.agent, "ends") == 1:
        event.resume = "once more"


class Answer(BaseModel):
    """The answer."""

    number: int


def output(number: int, wrong_at: int, *, asked: bool) -> Reply:
    """Return a step towards structured output: a look-up, a wrong output, the right output."""
    if number < 2:
        return use_tool("look_up", {"word": f"w{number}"}, tool_use_id=f"t{number}")
    if asked and number == 2:
        return say("it is 42")
    value = "many" if number == wrong_at else 42
    return use_tool("Answer", {"number": value}, tool_use_id=f"a{number}")


def overflowing(call: ScriptedCall) -> Reply | str:
    if len(call.messages) > 8:
        return fail(ContextWindowOverflowException("too long"))
    return numbered(call, 9)


def numbered(call: ScriptedCall, most: int) -> Reply | str:
    """Look words up, by the number of the last one: the window may have moved."""
    used = [int(word[1:]) for word in call.text.split() if word[:1] == "w" and word[1:].isdigit()]
    number = used[0] + 1 if used else 0
    if number >= most:
        return say(f"done, seeing {len(call.messages)} messages")
    return use_tool("look_up", {"word": f"w{number}"}, tool_use_id=f"t{number}")


def with_model_state(call: ScriptedCall) -> Reply | str:
    state = call.other["model_state"]
    state["calls"] = state.get("calls", 0) + 1
    number = state["calls"]
    if number > 4:
        return say(f"done at call {number}")
    return use_tool("look_up", {"word": f"w{number}"}, tool_use_id=f"t{number}")


class StatefulModel(ScriptedModel):
    """A model that keeps the conversation on its own side."""

    @property
    def stateful(self) -> bool:
        return True


def researcher(build: Callable[..., Agent]) -> Any:
    return build(name="researcher", tools=[add]).as_tool(name="researcher", preserve_context=True)


def delegating(call: ScriptedCall) -> Reply | str:
    names = call.tool_names
    number = call.answers
    if "researcher" not in names:  # the sub-agent
        if call.tool_results:
            return say(f"sum {call.text}, {number} answers")
        return use_tool("add", {"a": number, "b": 1}, tool_use_id=f"s{number}")
    if number >= 3:
        return say(f"done: {call.text}")
    return use_tool("researcher", {"input": f"question {number}"}, tool_use_id=f"t{number}")


Options = Callable[[Callable[..., Agent]], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A turn, or several.

    Attributes:
        script: What the model says.
        options: The agent's arguments, for a function that builds further agents.
        arguments: The arguments of each call.
        prompts: The prompts of the turns.
        every: Steps between two hand-overs.
        runs: Runs of the workflow that the turns take.
        answers: Answers to the agent's questions, in order.
        stateful: Whether the model keeps the conversation.
    """

    script: Script
    runs: int
    options: Options = lambda build: {}
    arguments: Callable[[], dict[str, Any]] = dict
    prompts: tuple[str, ...] = ("go",)
    every: int = 1
    answers: tuple[str, ...] = ()
    stateful: bool = False

    def model(self) -> ScriptedModel:
        return (StatefulModel if self.stateful else ScriptedModel)(self.script)


def hooks(*each: HookProvider) -> Options:
    return lambda build: {"hooks": list(each)}


CASES = {
    "forty": Case(
        steps(
            40,
            step=lambda number: (
                use_tool("add", {"a": number, "b": 1}, tool_use_id=f"t{number}")
                if number % 4 == 3
                else use_tool("look_up", {"word": f"w{number}"}, tool_use_id=f"t{number}", text="Hm.")
            ),
        ),
        4,
        every=11,
    ),
    "limit of turns": Case(steps(9), 4, arguments=lambda: {"limits": {"turns": 3}}),
    "limit of tokens": Case(steps(9), 4, arguments=lambda: {"limits": {"total_tokens": 80}}),
    "output when asked": Case(
        steps(9, step=lambda number: output(number, 3, asked=True)),
        3,
        arguments=lambda: {"structured_output_model": Answer},
    ),
    "output by itself": Case(
        steps(9, step=lambda number: output(number, 2, asked=False)),
        4,
        arguments=lambda: {"structured_output_model": Answer},
    ),
    "tools at once": Case(
        steps(
            3,
            step=lambda number: use_tools(
                [("define", {"word": f"{kind}{number}"}, f"{kind}{number}") for kind in ("w", "no", "x")]
            ),
        ),
        4,
        lambda build: {"tools": [define], "hooks": [Hook(AfterToolCallEvent, try_twice)]},
    ),
    "window": Case(
        lambda call: numbered(call, 9),
        10,
        lambda build: {"conversation_manager": SlidingWindowConversationManager(4, per_turn=2)},
    ),
    "overflow": Case(
        overflowing, 10, lambda build: {"conversation_manager": SlidingWindowConversationManager(6)}
    ),
    "model state": Case(with_model_state, 5),
    "stateful model": Case(with_model_state, 5, stateful=True),
    "state": Case(
        steps(3, step=lambda n: use_tool("remember", {"what": f"thing {n}"}, tool_use_id=f"t{n}")),
        4,
        lambda build: {"tools": [remember], "system_prompt": "You know nothing."},
        arguments=lambda: {"invocation_state": {"seen": []}},
    ),
    "questions": Case(
        steps(2, step=lambda n: use_tool("ask", {"what": f"q{n}"}, tool_use_id=f"t{n}")),
        5,
        lambda build: {"tools": [ask]},
        answers=("a0", "a1"),
    ),
    "stop tool": Case(
        steps(
            9,
            step=lambda number: (
                use_tool("stop", {"message": "I stop"}, tool_use_id="stop")
                if number == 3
                else use_tool("add", {"a": number, "b": 1}, tool_use_id=f"t{number}")
            ),
        ),
        4,
        lambda build: {"tools": [add, stop]},
    ),
    "cancelled": Case(steps(9), 3, hooks(cancel_at(3))),
    "ended by a hook": Case(steps(9), 3, hooks(end_at(3))),
    "resumed by a hook": Case(steps(3), 4, hooks(Hook(AfterInvocationEvent, once_more))),
    "steered": Case(steps(5), 6, hooks(Hook(BeforeModelCallEvent, hurry))),
    "sub-agent": Case(delegating, 4, lambda build: {"tools": [researcher(build)]}),
    "two turns": Case(
        lambda call: (
            say(f"{call.prompt}: {len(call.messages)}")
            if call.answers in (4, 9)
            else use_tool("look_up", {"word": f"w{call.answers}"}, tool_use_id=f"t{call.answers}")
        ),
        5,
        prompts=("go", "go on"),
        every=2,
    ),
}
