"""Every hook event of an agent and every field that a hook may write: the same as in a plain agent."""

import dataclasses
import inspect
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, Plugin, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
    events,
)
from strands.hooks.registry import HookEvent, HookOrder
from strands.plugins import hook
from strands.tools.executors import SequentialToolExecutor
from strands.types.exceptions import ModelThrottledException
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.testing import (
    MakeAgent,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    fail,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import execute_activity

pytestmark = pytest.mark.server

AGENTS_EVENTS: list[type[Any]] = [
    AgentInitializedEvent,
    BeforeInvocationEvent,
    MessageAddedEvent,
    BeforeModelCallEvent,
    AfterModelCallEvent,
    BeforeToolsEvent,
    BeforeToolCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    AfterInvocationEvent,
]
ELSEWHERE = {"MessageUpdatedEvent"}
"""Emitted by a `BidiAgent` only (Strands 1.62)."""


@activity.defn
async def double(number: int) -> int:
    """Double a number."""
    return number * 2


@tool(name="double")
def plain_double(number: int) -> int:
    """Double a number."""
    return number * 2


@tool
def triple(number: int) -> int:
    """Triple a number."""
    return number * 3


@tool
def fragile(number: int) -> int:
    """Fail on what is not even."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def tools_of(make: MakeAgent) -> list[Any]:
    return [activity_as_tool(double) if make.durable else plain_double, triple, fragile]


class Hooks(HookProvider):
    """Callbacks by event, and what they log and count."""

    def __init__(self, *callbacks: tuple[type[Any], Callable[["Hooks", Any], Any]], order: float = 0) -> None:
        self.callbacks = callbacks
        self.order = order
        self.log: list[Any] = []
        self.seen = 0

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        for event_type, callback in self.callbacks:
            registry.add_callback(event_type, self._bound(callback), order=self.order)

    def _bound(self, callback: Callable[["Hooks", Any], Any]) -> Any:
        if inspect.iscoroutinefunction(callback):

            async def asynchronous(event: Any) -> None:
                await callback(self, event)

            return asynchronous

        def synchronous(event: Any) -> None:
            callback(self, event)

        return synchronous

    def first(self) -> bool:
        """Tell whether this is asked for the first time."""
        self.seen += 1
        return self.seen == 1


def echo(call: ScriptedCall) -> Any:
    return say(f"read: {call.text}")


def one_tool() -> ScriptedModel:
    return ScriptedModel(use_tool("double", {"number": 3}), *[echo] * 3)


def writing(field: str, value: Any) -> Callable[[Hooks, Any], None]:
    return lambda hooks, event: setattr(event, field, value)


def once(field: str, value: Any) -> Callable[[Hooks, Any], None]:
    def write(hooks: Hooks, event: Any) -> None:
        if hooks.first():
            setattr(event, field, value)

    return write


async def later(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    """An async hook; in a workflow this is a durable activity, in a plain agent a call."""
    doubled: Any
    if workflow.in_workflow():
        doubled = await execute_activity(double, [event.tool_use["input"]["number"]], OPTIONS)
    else:
        doubled = event.tool_use["input"]["number"] * 2
    event.tool_use["input"]["number"] = doubled


OPTIONS: Any = {"start_to_close_timeout": timedelta(seconds=20)}


def retry_odd(hooks: Hooks, event: AfterToolCallEvent[Any]) -> None:
    if event.exception is not None:
        assert isinstance(event.exception, ValueError)
        event.tool_use["input"]["number"] += 1
        event.retry = True


def retry_bad(hooks: Hooks, event: AfterModelCallEvent) -> None:
    if event.stop_response is not None and "bad" in str(event.stop_response.message):
        event.retry = True


def retry_throttled(hooks: Hooks, event: AfterModelCallEvent) -> None:
    event.retry = isinstance(event.exception, ModelThrottledException)


def resume_once(hooks: Hooks, event: AfterInvocationEvent) -> None:
    if hooks.first():
        event.resume = "and again"


def stop(hooks: Hooks, event: AfterToolCallEvent[Any]) -> None:
    event.agent.cancel(message="enough", after_current_tools=True)


def select_triple(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    event.selected_tool = triple


def four(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    event.tool_use["input"]["number"] = 4


def cancel_second(hooks: Hooks, event: BeforeModelCallEvent) -> None:
    event.cancel = not hooks.first()


def rename(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    event.tool_use = {**event.tool_use, "name": "triple", "input": {"number": 5}}


def rewrite(hooks: Hooks, event: AfterToolCallEvent[Any]) -> None:
    event.result = {**event.result, "status": "error", "content": [{"text": "rewritten"}]}


def redact(hooks: Hooks, event: BeforeInvocationEvent) -> None:
    event.messages = [{"role": "user", "content": [{"text": "redacted"}]}]


def annotate(hooks: Hooks, event: MessageAddedEvent[Any]) -> None:
    hooks.log.append(event.message["role"])
    if event.message["role"] == "user":
        event.message["content"].append({"text": f"({len(hooks.log)})"})


def share(hooks: Hooks, event: Any) -> None:
    event.invocation_state.setdefault("trail", []).append(type(event).__name__)
    if isinstance(event, AfterToolsEvent):
        event.end_turn = "->".join(event.invocation_state["trail"])


CASES: dict[str, tuple[Callable[[], ScriptedModel], list[Any], str]] = {
    "tool_use edited in place": (
        one_tool,
        [(BeforeToolCallEvent, four)],
        "read: 8",
    ),
    "tool_use replaced": (one_tool, [(BeforeToolCallEvent, rename)], "read: 15"),
    "selected_tool": (one_tool, [(BeforeToolCallEvent, select_triple)], "read: 9"),
    "selected_tool is none": (
        one_tool,
        [(BeforeToolCallEvent, writing("selected_tool", None))],
        "read: Unknown tool: double",
    ),
    "cancel_tool": (
        one_tool,
        [(BeforeToolCallEvent, writing("cancel_tool", True))],
        "read: tool cancelled by user",
    ),
    "cancel_tool with a reason": (
        one_tool,
        [(BeforeToolCallEvent, writing("cancel_tool", "no"))],
        "read: no",
    ),
    "an async hook with an activity": (one_tool, [(BeforeToolCallEvent, later)], "read: 12"),
    "result": (one_tool, [(AfterToolCallEvent, rewrite)], "read: rewritten"),
    "tool retry": (
        lambda: ScriptedModel(use_tool("fragile", {"number": 3}), echo),
        [(AfterToolCallEvent, retry_odd)],
        "read: 4",
    ),
    "model retry": (
        lambda: ScriptedModel(say("bad"), say("bad"), say("good")),
        [(AfterModelCallEvent, retry_bad)],
        "good",
    ),
    "model retry after an error": (
        lambda: ScriptedModel(fail(ModelThrottledException("slow down")), say("good")),
        [(AfterModelCallEvent, retry_throttled)],
        "good",
    ),
    "resume": (lambda: ScriptedModel(*[echo] * 2), [(AfterInvocationEvent, resume_once)], "read: and again"),
    "end_turn": (one_tool, [(AfterToolsEvent, writing("end_turn", True))], ""),
    "end_turn with a text": (
        one_tool,
        [(AfterToolsEvent, writing("end_turn", "that is all"))],
        "that is all",
    ),
    "end_turn with blocks": (
        one_tool,
        [(AfterToolsEvent, writing("end_turn", [{"text": "one"}, {"text": "two"}]))],
        "one\ntwo",
    ),
    "cancel of all tools": (
        one_tool,
        [(BeforeToolsEvent, writing("cancel", "none of it"))],
        "read: none of it",
    ),
    "cancel of the model call": (
        one_tool,
        [(BeforeModelCallEvent, writing("cancel", "not now"))],
        "not now",
    ),
    "cancel of the second model call": (
        one_tool,
        [(BeforeModelCallEvent, cancel_second)],
        "",
    ),
    "cancel of the invocation": (
        one_tool,
        [(BeforeInvocationEvent, writing("cancel", "closed"))],
        "closed",
    ),
    "messages": (lambda: ScriptedModel(echo), [(BeforeInvocationEvent, redact)], "read: redacted"),
    "a message that was added": (one_tool, [(MessageAddedEvent, annotate)], "read: 6\n(3)"),
    "stop after these tools": (one_tool, [(AfterToolCallEvent, stop)], "enough"),
    "invocation_state is shared": (
        one_tool,
        [(event, share) for event in (BeforeModelCallEvent, BeforeToolCallEvent, AfterToolsEvent)],
        "BeforeModelCallEvent->BeforeToolCallEvent->AfterToolsEvent",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
async def test_a_hook_writes_as_in_a_plain_agent(
    client: Client, worker_options: dict[str, Any], case: str, cache: Any
) -> None:
    script, callbacks, expected = CASES[case]

    def build(make: MakeAgent) -> Agent:
        # Temporal would repeat a throttled call before a hook sees it.
        options: Any = {"retry_policy": RetryPolicy(maximum_attempts=1)} if make.durable else {}
        return make(tools=tools_of(make), hooks=[Hooks(*callbacks)], **options)

    options = worker_options if cache is None else {**worker_options, "max_cached_workflows": cache}
    parity = await run_parity(client, Scenario(script, build, prompts("go"), [double]), **options)
    parity.assert_equal()
    assert parity.durable.error is None
    assert expected in (parity.durable.text or "")


def test_every_writable_field_has_a_case() -> None:
    writable: set[str] = set()
    for name, event in agents_events().items():
        bare: Any = event.__new__(event)
        writable |= {
            f"{name}.{field.name}" for field in dataclasses.fields(event) if is_writable(bare, field)
        }
    assert writable == {
        "BeforeInvocationEvent.messages",
        "BeforeInvocationEvent.cancel",
        "AfterInvocationEvent.resume",
        "BeforeToolsEvent.cancel",
        "AfterToolsEvent.end_turn",
        "BeforeToolCallEvent.selected_tool",
        "BeforeToolCallEvent.tool_use",
        "BeforeToolCallEvent.cancel_tool",
        "AfterToolCallEvent.result",
        "AfterToolCallEvent.retry",
        "BeforeModelCallEvent.cancel",
        "AfterModelCallEvent.retry",
    }
    assert agents_events().keys() == {event.__name__ for event in AGENTS_EVENTS}


def agents_events() -> dict[str, Any]:
    return {
        name: event
        for name, event in vars(events).items()
        if inspect.isclass(event) and issubclass(event, HookEvent) and name not in {"HookEvent", *ELSEWHERE}
    }


def is_writable(event: Any, field: Any) -> bool:
    return bool(event._can_write(field.name))


# --- Order, and what the events say


def describe(event: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field in dataclasses.fields(event):
        value: Any = getattr(event, field.name)
        if field.name in ("agent", "duration", "projected_input_tokens"):
            continue
        if field.name == "invocation_state":
            value = sorted(set(value) - {"event_loop_cycle_id"})
        if field.name == "message":
            value = {"role": value["role"], "content": value["content"]}
        told[field.name] = getattr(value, "tool_name", value)
    return told


def logging_all(name: str) -> list[Any]:
    def log(hooks: Hooks, event: Any) -> None:
        hooks.log.append([name, type(event).__name__, json.loads(json.dumps(describe(event), default=named))])

    return [(event, log) for event in AGENTS_EVENTS]


def named(value: Any) -> str:
    return type(value).__name__


async def test_order_and_contents_of_all_events(client: Client, worker_options: dict[str, Any]) -> None:
    together: list[list[Hooks]] = []

    def build(make: MakeAgent) -> Agent:
        layers = [
            Hooks(*logging_all(name), order=order)
            for name, order in [
                ("default", HookOrder.DEFAULT),
                ("last", HookOrder.SDK_LAST),
                ("first", HookOrder.SDK_FIRST),
                ("between", 10.5),
                ("default too", HookOrder.DEFAULT),
            ]
        ]
        for layer in layers[1:]:
            layer.log = layers[0].log
        together.append(layers)
        return make(tools=tools_of(make), hooks=layers, tool_executor=SequentialToolExecutor())

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        log = together[-1][0].log
        agent.messages.append({"role": "user", "content": [{"text": json.dumps(log)}]})
        return result

    calls: list[Any] = [("double", {"number": 1}, "t1"), ("fragile", {"number": 1}, "t2"), ("gone", {}, "t3")]
    scenario = Scenario(lambda: ScriptedModel(use_tools(calls), echo), build, drive, [double])
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    log = json.loads(parity.durable.messages[-1]["content"][0]["text"])
    before = [name for name, event, _ in log if event == "BeforeInvocationEvent"]
    after = [name for name, event, _ in log if event == "AfterInvocationEvent"]
    assert before == ["first", "default", "default too", "between", "last"]
    assert after == ["first", "default too", "default", "between", "last"]
    assert {event for _, event, _ in log} == {event.__name__ for event in AGENTS_EVENTS}


# --- Plugins


class Shouting(Plugin):
    """A plugin with hooks, a tool, and an asynchronous start."""

    @property
    def name(self) -> str:
        return "shouting"

    def __init__(self, asynchronous: bool) -> None:
        self.started: list[str] = []
        self.asynchronous = asynchronous
        super().__init__()

    def init_agent(self, agent: Any) -> Any:
        self.started.append(agent.name)

    @hook  # pyright: ignore[reportArgumentType]  # Strands' type of it knows no methods
    async def before_tool(self, event: BeforeToolCallEvent[Any]) -> None:
        event.tool_use["input"]["text"] = event.tool_use["input"]["text"].upper()

    @hook  # pyright: ignore[reportArgumentType]
    def around(self, event: BeforeModelCallEvent | AfterModelCallEvent) -> None:
        self.started.append(type(event).__name__)

    @tool
    async def shout(self, text: str) -> str:
        """Shout."""
        return f"{text}! {self.started}"


class AsyncShouting(Shouting):
    """Starts asynchronously, without waiting for anything."""

    async def init_agent(self, agent: Any) -> None:
        self.started.append(f"async {agent.name}")


@pytest.mark.parametrize("plugin", [Shouting, AsyncShouting])
async def test_a_plugin_of_ones_own(client: Client, worker_options: dict[str, Any], plugin: Any) -> None:
    scenario = Scenario(
        lambda: ScriptedModel(use_tool("shout", {"text": "hey"}), echo),
        lambda make: make(name="ana", plugins=[plugin(True)]),
        prompts("go"),
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert "HEY! [" in (parity.durable.text or "")
    assert "ana" in (parity.durable.text or "")


# --- Default output


@workflow.defn
class PrintingWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        agent = TemporalAgent("m", tools=[activity_as_tool(double)])
        await agent.invoke_async("go")
        metrics = agent.event_loop_metrics
        tools = [tool.call_count for tool in metrics.tool_metrics.values()]
        durations = [round(duration, 3) for duration in metrics.cycle_durations]
        return [metrics.cycle_count, dict(metrics.accumulated_usage), tools, durations]


async def test_what_the_default_handler_prints_and_metrics_count_comes_once(
    agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ScriptedModel(use_tool("double", {"number": 3}).after(0.3), say("It is six."))
    async with agents(
        workflows=[PrintingWorkflow], activities=[double], models={"m": lambda: model}, max_cached_workflows=0
    ) as env:
        cycles, usage, tools, durations = await env.run(PrintingWorkflow.run)
    out = capsys.readouterr().out
    assert out.count("It is six.") == 1
    assert out.count("Tool #1: double") == 1
    assert (cycles, tools) == (2, [1])
    assert usage["totalTokens"] == 30 + 15
    assert len(durations) == 2
    assert 0.3 <= durations[0] < 30
