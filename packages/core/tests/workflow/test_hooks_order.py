"""Hook events in order, with their content; a user's own plugins; output and counts without repeats."""

import dataclasses
import json
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.hook_scenes import AGENTS_EVENTS, Hooks, double, echo, tools_of
from strands import Agent, Plugin, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent, BeforeToolCallEvent
from strands.hooks.registry import HookOrder
from strands.plugins import hook
from strands.tools.executors import SequentialToolExecutor
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import TemporalAgent
from strands_temporal.testing import (
    AgentFactory,
    Scenario,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


# --- The order and content of events


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

    def build(make: AgentFactory) -> Agent:
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
