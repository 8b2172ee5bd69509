"""An agent behaves the same inside and outside a workflow (law 3 of AGENTS.md)."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import strands
from packages.core.tests.public.parity_scenes import check, echo, shout
from pydantic import BaseModel
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import (
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.interrupt import Interrupt, InterruptException
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal.testing import (
    AgentFactory,
    Scenario,
    ScriptedModel,
    Step,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter in a word."""
    return word.count(letter)


@tool
async def count_up(to: int) -> AsyncGenerator[Any, None]:
    """Count up, streaming."""
    for number in range(to):
        yield f"at {number}"
    yield {"counted": to}


@tool
def explode(reason: str) -> str:
    """Fail."""
    raise LookupError(reason)


@tool
def refuse(reason: str) -> str:
    """Refuse."""
    raise ValueError(reason)


@tool(context=True)
def remember(fact: str, tool_context: ToolContext) -> str:
    """Remember a fact in the agent's state."""
    tool_context.agent.state.set("fact", fact)
    return f"{tool_context.tool_use['name']} keeps {tool_context.agent.state.get('fact')}"


@tool
def typed(count: int, names: list[str] | None = None) -> dict[str, Any]:
    """Take typed arguments."""
    return {"count": count, "names": names, "status": "ok"}


async def weather(city: str, days: int = 1) -> dict[str, Any]:
    """Look up the weather."""
    if city == "Atlantis":
        raise ValueError(f"no city {city}")
    return {"city": city, "days": days, "sky": "schön"}


weather_activity = activity.defn(weather)
weather_tool = strands.tool(weather)


def weather_for(make: AgentFactory) -> Any:
    once = RetryPolicy(maximum_attempts=1)
    return activity_as_tool(weather_activity, retry_policy=once) if make.durable else weather_tool


def one_tool(name: str, arguments: dict[str, Any] | str) -> tuple[Step, ...]:
    return use_tool(name, arguments, text="let me see", chunk=5), echo


TOOL_CALLS: dict[str, tuple[str, dict[str, Any] | str, str]] = {
    "sync": ("letter_counter", {"word": "strawberry", "letter": "r"}, "3"),
    "async": ("shout", {"text": "héllo"}, "HÉLLO"),
    "generator": ("count_up", {"to": 2}, "counted"),
    "raises": ("explode", {"reason": "gone"}, "Error: LookupError - gone"),
    "raises ValueError": ("refuse", {"reason": "no"}, "Error: no"),
    "context": ("remember", {"fact": "42"}, "remember keeps 42"),
    "typed": ("typed", {"count": "7"}, "count"),
    "wrong type": ("typed", {"count": "seven"}, "valid integer"),
    "missing argument": ("typed", {}, "Field required"),
    "extra argument": ("typed", {"count": 1, "surplus": 2}, "count"),
    "broken json": ("typed", '{"count": ', "Field required"),
    "unknown tool": ("nobody", {}, "Unknown tool"),
    "activity": ("weather", {"city": "Zürich"}, "schön"),
    "activity refuses": ("weather", {"city": "Atlantis"}, "Error: no city Atlantis"),
    "activity wrong type": ("weather", {"city": "Bern", "days": "two"}, "valid integer"),
    "activity extra argument": ("weather", {"city": "Bern", "mood": "good"}, "Bern"),
}


@pytest.mark.parametrize("case", TOOL_CALLS)
async def test_tools(client: Client, case: str, worker_options: dict[str, Any]) -> None:
    name, arguments, expected = TOOL_CALLS[case]
    scenario = Scenario(
        script=lambda: ScriptedModel(*one_tool(name, arguments)),
        build=lambda make: make(
            tools=[letter_counter, shout, count_up, explode, refuse, remember, typed, weather_for(make)]
        ),
        drive=prompts("go"),
        activities=[weather_activity],
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    (answer,) = parity.durable.given[-1]["messages"][-1]["content"]
    assert expected in answer["toolResult"]["content"][0]["text"]


@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
async def test_many_tools_at_once(client: Client, executor: Any, worker_options: dict[str, Any]) -> None:
    calls = [
        ("letter_counter", {"word": "aab", "letter": "a"}, "1"),
        ("weather", {"city": "Oslo"}, "2"),
        ("explode", {"reason": "x"}, "3"),
        ("shout", {"text": "b"}, "4"),
    ]
    scenario = Scenario(
        script=lambda: ScriptedModel(use_tools(calls), echo),
        build=lambda make: make(
            tools=[letter_counter, explode, shout, weather_for(make)], tool_executor=executor
        ),
        drive=prompts("go"),
        activities=[weather_activity],
    )
    parity = await run_parity(client, scenario, **worker_options)
    if isinstance(executor, ConcurrentToolExecutor):
        # An activity takes longer than the same function in this process, so parallel tools end in another
        # order.
        for seen in (parity.plain, parity.durable):
            seen.hook_events.sort(key=str)
            seen.tool_results.sort(key=str)
    parity.assert_equal()


class Person(BaseModel):
    name: str
    age: int


async def test_structured_output(client: Client, worker_options: dict[str, Any]) -> None:
    await check(
        client,
        Scenario(
            script=lambda: ScriptedModel(
                say("John"),
                use_tool("Person", {"name": "John", "age": "x"}, tool_use_id="a"),
                use_tool("Person", {"name": "John", "age": 3}, tool_use_id="b"),
            ),
            build=lambda make: make(structured_output_model=Person, system_prompt="Extract"),
            drive=prompts("John is three"),
        ),
        worker_options,
    )


class Rewriter(HookProvider):
    """Writes to the writable fields of the events."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.before_tool)
        registry.add_callback(AfterToolCallEvent, self.after_tool)
        registry.add_callback(AfterModelCallEvent, self.after_model)
        self.retried = False

    def before_tool(self, event: BeforeToolCallEvent[Any]) -> None:
        if event.tool_use["name"] == "explode":
            event.cancel_tool = "not this one"
        else:
            event.tool_use["input"]["letter"] = "b"

    def after_tool(self, event: AfterToolCallEvent[Any]) -> None:
        event.result["content"].append({"text": "(rewritten)"})

    def after_model(self, event: AfterModelCallEvent) -> None:
        if not self.retried and event.stop_response:
            self.retried = event.retry = True


async def test_hooks_write_to_events(client: Client, worker_options: dict[str, Any]) -> None:
    calls = [("letter_counter", {"word": "abba", "letter": "z"}, "1"), ("explode", {"reason": "x"}, "2")]
    await check(
        client,
        Scenario(
            script=lambda: ScriptedModel(say("forget this"), use_tools(calls), echo),
            build=lambda make: make(
                tools=[letter_counter, explode], hooks=[Rewriter()], tool_executor=SequentialToolExecutor()
            ),
            drive=prompts("go"),
        ),
        worker_options,
    )


async def test_a_conversation_of_several_turns_with_state(
    client: Client, worker_options: dict[str, Any]
) -> None:
    await check(
        client,
        Scenario(
            script=lambda: ScriptedModel(
                echo,
                use_tool("remember", {"fact": "blue"}),
                echo,
                lambda call: say(f"{len(call.messages)} messages"),
            ),
            build=lambda make: make(
                tools=[remember],
                messages=[
                    {"role": "user", "content": [{"text": "before"}]},
                    {"role": "assistant", "content": [{"text": "ok"}]},
                ],
                system_prompt=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
                state={"seen": 1},
            ),
            drive=prompts("one", "two", [{"text": "three"}, {"text": "blocks"}]),
        ),
        worker_options,
    )


@tool
def delete_thing(name: str) -> str:
    """Delete a thing."""
    raise InterruptException(Interrupt(id=f"delete:{name}", name="approval", reason=f"delete {name}?"))


async def test_a_tool_interrupt_pauses_and_pauses_again(
    client: Client, worker_options: dict[str, Any]
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "yes"}}
            for interrupt in result.interrupts or ()
        ]
        assert answers
        return await agent.invoke_async(answers)

    await check(
        client,
        Scenario(
            script=lambda: ScriptedModel(use_tool("delete_thing", {"name": "x"})),
            build=lambda make: make(tools=[delete_thing]),
            drive=drive,
        ),
        worker_options,
    )
