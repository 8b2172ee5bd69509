"""A chat in an old release of its code, and in releases that change one thing each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from strands import tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import AfterToolCallEvent, BeforeModelCallEvent, HookProvider, HookRegistry
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools, activity_as_hook, activity_as_tool


@tool
def count_letters(word: str) -> int:
    """Count letters."""
    return len(word)


@tool
def never_called(word: str) -> str:
    """Do what the model never asked for."""
    return word


@activity.defn
async def fetch_weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


@activity.defn
async def audit(name: str) -> None:
    """Write down which tool was used."""


@tool
def convert(celsius: int) -> int:
    """Convert to Fahrenheit."""
    return celsius * 9 // 5 + 32


@tool
def convert_back(fahrenheit: int) -> int:
    """Convert to Celsius."""
    return (fahrenheit - 32) * 5 // 9


class Audit(HookProvider):
    """Calls an activity after each tool."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(
            AfterToolCallEvent,
            activity_as_hook(audit, activity_input=lambda event: event.tool_use["name"]),
        )


class Compute(HookProvider):
    """Computes before each model call, and changes nothing."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeModelCallEvent, lambda event: None)


weather = activity_as_tool(fetch_weather)


def old(**changed: Any) -> TemporalAgent:
    """Build the agent as the old release does, with these arguments changed."""
    arguments: dict[str, Any] = {
        "model": "claude",
        "system_prompt": "Be brief.",
        "tools": [count_letters, never_called, weather, TemporalTools("convert")],
        "hooks": [Audit()],
        "callback_handler": None,
    }
    return TemporalAgent(**{**arguments, **changed})


def with_tools(*tools: Any) -> Callable[[], TemporalAgent]:
    return lambda: old(tools=[*tools, TemporalTools("convert")])


def with_options(**options: Any) -> Callable[[], TemporalAgent]:
    """Build the agent with these options for its models and its activity tool."""
    tools = [
        count_letters,
        never_called,
        activity_as_tool(fetch_weather, **options),
        TemporalTools("convert"),
    ]
    return lambda: old(tools=tools, **options)


@tool(name="count_letters")
def other_result(word: str) -> int:
    """Count letters."""
    return 100 * len(word)


@tool(name="count_letters")
def other_text(word: str) -> int:
    """Count the letters of a word, umlauts too."""
    return len(word)


@tool(name="fetch_weather")
def weather_in_the_workflow(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


@activity.defn(name="fetch_weather")
async def with_optional(city: str, days: int = 1) -> str:
    """Look up the weather for some days."""
    return f"sunny in {city}"


@activity.defn(name="fetch_weather")
async def with_required(city: str, days: int) -> str:
    """Look up the weather for some days."""
    return f"sunny in {city}"


@activity.defn
async def weather_report(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


class City(BaseModel):
    """A city."""

    name: str


@dataclass(frozen=True)
class Change:
    """What a new release changes.

    Attributes:
        new: Builds the agent in the new release.
        replays: Whether a history of the old release replays.
    """

    new: Callable[[], TemporalAgent]
    replays: bool


CHANGES: Mapping[str, Change] = {
    "the system prompt": Change(lambda: old(system_prompt="Be long."), True),
    "the name of the model": Change(lambda: old(model="gpt"), True),
    "the model's factory on the worker": Change(old, True),
    "timeouts, retries, `task_queue=`, priority of models and tools": Change(
        with_options(
            start_to_close_timeout=timedelta(seconds=99),
            retry_policy=RetryPolicy(maximum_attempts=2),
            task_queue="elsewhere",
        ),
        True,
    ),
    "`streaming_topic=` added": Change(lambda: old(streaming_topic="chat"), False),
    "a tool added in the workflow or with `activity_as_tool`": Change(
        with_tools(count_letters, never_called, weather, convert_back, activity_as_tool(weather_report)), True
    ),
    "the description of a tool; a parameter added that has a default": Change(
        with_tools(other_text, never_called, activity_as_tool(with_optional, name="fetch_weather")), True
    ),
    "a required parameter added to an activity tool that was called": Change(
        with_tools(count_letters, never_called, activity_as_tool(with_required, name="fetch_weather")), False
    ),
    "the code of an activity tool or a worker tool": Change(old, True),
    "the result of a tool in the workflow": Change(with_tools(other_result, never_called, weather), True),
    "a tool removed that no chat has called": Change(with_tools(count_letters, weather), True),
    "a tool in the workflow removed that was called": Change(with_tools(never_called, weather), True),
    "an activity tool removed or renamed that was called": Change(
        with_tools(count_letters, never_called, activity_as_tool(weather_report)), False
    ),
    "a tool moved from an activity into the workflow, or back": Change(
        with_tools(count_letters, never_called, weather_in_the_workflow), False
    ),
    "a name added to a `TemporalTools` that the agent has": Change(
        lambda: old(tools=[count_letters, never_called, weather, TemporalTools("convert", "convert_back")]),
        True,
    ),
    "the first `TemporalTools` or `TemporalMCPClient`, or the last one removed": Change(
        lambda: old(tools=[count_letters, never_called, weather]), False
    ),
    "a hook, middleware or intervention that only computes": Change(
        lambda: old(hooks=[Audit(), Compute()]), True
    ),
    "an `activity_as_hook` added or removed": Change(lambda: old(hooks=[]), False),
    "an intervention that asks a person about a tool that was called": Change(
        lambda: old(interventions=[HumanInTheLoop()]), False
    ),
    "the window of `SlidingWindowConversationManager`": Change(
        lambda: old(conversation_manager=SlidingWindowConversationManager(window_size=2)), True
    ),
    "`structured_output_model=` added": Change(lambda: old(structured_output_model=City), False),
}
"""Each row of the table in docs/roll-out.md, by its first cell."""


@tool(name="count_letters")
def all_new(word: str) -> int:
    """Count letters, all of them."""
    return 100 * len(word)


def everything_new() -> TemporalAgent:
    """Build the agent of a release that changes all that replays."""
    return old(
        model="gpt",
        system_prompt="Be long.",
        tools=[
            all_new,
            activity_as_tool(with_optional, name="fetch_weather"),
            activity_as_tool(weather_report),
            TemporalTools("convert", "convert_back"),
        ],
        hooks=[Audit(), Compute()],
        start_to_close_timeout=timedelta(seconds=99),
    )


@dataclass
class Release:
    """The release that the workers of this process have."""

    build: Callable[[], TemporalAgent] = old


release = Release()


@workflow.defn(sandboxed=False)  # so that it builds the agent of `release`
class Chat:
    def __init__(self) -> None:
        self.agent = release.build()
        self.closed = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.closed and workflow.all_handlers_finished())

    @workflow.update
    async def ask(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt)).strip()

    @workflow.signal
    def close(self) -> None:
        self.closed = True


def talker() -> ScriptedModel:
    """Return a model that calls each tool in the first turn, and says in the second what it is given."""

    def last(call: ScriptedCall) -> Any:
        return say(f"{call.system_prompt} {len(call.messages)} messages")

    return ScriptedModel(
        use_tool("count_letters", {"word": "Bern"}),
        use_tool("fetch_weather", {"city": "Bern"}),
        use_tool("convert", {"celsius": 20}),
        say("Four letters, sunny, 68 degrees."),
        last,
        last,
    )
