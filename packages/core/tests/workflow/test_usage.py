"""Tokens and calls: by agent and model, over continue-as-new, as values, by query and as metrics."""

import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.operator_scenes import add, answer, metadata, weather
from strands import Agent
from strands.hooks import AfterInvocationEvent, AfterToolCallEvent, HookRegistry
from temporalio import workflow
from temporalio.client import Client
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal._workflow.usage import ModelUsage, usage_in
from strands_temporal.testing import (
    DevServer,
    ScriptedModel,
    agent_environment,
    assert_replays,
)
from strands_temporal.workflow import activity_as_tool


@workflow.defn
class Costs:
    """Two agents and a sub-agent over three runs. Only the clerk is carried into the third."""

    @workflow.run
    async def run(self, carries: list[AgentCarry]) -> dict[str, Any]:
        helper = TemporalAgent("small", name="helper", callback_handler=None)
        clerk = TemporalAgent(
            "m",
            name="clerk",
            tools=[add, activity_as_tool(weather), helper.as_tool(name="ask", description="Ask.")],
            carry=carries[0] if carries else None,
            callback_handler=None,
        )
        other = TemporalAgent(
            "m", name="other", carry=carries[1] if len(carries) > 1 else None, callback_handler=None
        )
        result = await clerk.invoke_async("weather Bern")
        if not carries:
            first = clerk.carry()
            await other.invoke_async("hello")
            TemporalAgent("m", carry=other.carry(), callback_handler=None)  # of this run: counts once
            workflow.continue_as_new([first, other.carry()])
        if len(carries) == 2:
            await clerk.invoke_async("ask why")
            workflow.continue_as_new([clerk.carry()])
        metrics = result.metrics
        latest = metrics.latest_agent_invocation
        assert latest is not None
        return {
            "whole": dict(metrics.accumulated_usage),
            "turn": dict(latest.usage),
            "cycles": metrics.cycle_count,
            "calls": metrics.tool_metrics["weather"].call_count,
        }


def tokens(calls: int, into: int, out: int, **more: Any) -> dict[str, Any]:
    """Return counts as the query does."""
    cache = {"cache_read_input_tokens": 0, "cache_write_input_tokens": 0}
    counts = {"model_calls": calls, "input_tokens": into, "output_tokens": out, "total_tokens": into + out}
    return {**counts, **cache, **more}


@pytest.mark.server
async def test_usage_goes_on_over_continue_as_new(agents: Agents) -> None:
    models: Any = {"m": lambda: ScriptedModel(answer), "small": lambda: ScriptedModel(answer)}
    async with agents(workflows=[Costs], models=models, activities=[weather]) as env:
        handle = await env.start(Costs.run, [])
        result = await handle.result()
        usage = await env.client.get_workflow_handle(handle.id).query("usage")
        first = await env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).query(
            "usage"
        )
        second = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
        for run_id in (
            handle.first_execution_run_id,
            second.continued_execution_run_id,
            (await handle.describe()).run_id,
        ):
            await env.assert_replays(env.client.get_workflow_handle(handle.id, run_id=run_id))
    # A call of a tool has 20 tokens in and 10 out, an answer 100 and 10.
    assert first["agents"]["clerk"] == tokens(
        2, 120, 20, turns=1, tool_calls=1, models={"m": tokens(2, 120, 20)}
    )
    assert usage == {
        "total": tokens(10, 680, 100),
        "agents": {
            "clerk": tokens(8, 480, 80, turns=4, tool_calls=4, models={"m": tokens(8, 480, 80)}),
            "other": tokens(1, 100, 10, turns=1, tool_calls=0, models={"m": tokens(1, 100, 10)}),
            "helper": tokens(1, 100, 10, turns=1, tool_calls=0, models={"small": tokens(1, 100, 10)}),
        },
    }
    # Strands' own metrics say the same of one agent, and of its last turn.
    assert result == {
        "whole": {"inputTokens": 480, "outputTokens": 80, "totalTokens": 560},
        "turn": {"inputTokens": 120, "outputTokens": 20, "totalTokens": 140},
        "cycles": 8,
        "calls": 3,
    }


@workflow.defn
class Alone:
    """A model without an agent, and a plain agent."""

    @workflow.run
    async def run(self) -> None:
        model = TemporalModel("m")
        async for _ in model.stream([{"role": "user", "content": [{"text": "hello"}]}]):
            pass
        await Agent(model, name="plain", callback_handler=None).invoke_async("hello")


@pytest.mark.server
async def test_a_model_without_an_agent_counts_too(agents: Agents) -> None:
    async with agents(workflows=[Alone], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(Alone.run)
        await handle.result()
        await env.assert_replays(handle)
        usage = await handle.query("usage")
    assert list(usage["agents"]) == ["(no agent)", "plain"]
    assert usage["total"] == tokens(2, 200, 20)


def counted(buffer: MetricBuffer) -> dict[tuple[str, ...], int]:
    """Return the sums of our metrics, by name, agent, and model, tool and status, or stop reason."""
    sums: dict[tuple[str, ...], int] = {}
    for update in buffer.retrieve_updates():
        name = update.metric.name
        if name.startswith("strands_temporal_") and "transcript" not in name:
            attributes: Any = update.attributes
            assert attributes["workflow_type"] == "Costs"
            about = [
                attributes[key]
                for key in ("agent", "model", "tool", "status", "stop_reason")
                if key in attributes
            ]
            key = (name.removeprefix("strands_temporal_"), *about)
            sums[key] = sums.get(key, 0) + int(update.value)
    return sums


@pytest.mark.server
async def test_metrics_count_each_token_once_and_a_replay_counts_none(
    server: DevServer, worker_options: dict[str, Any]
) -> None:
    buffer = MetricBuffer(100_000)
    client = await Client.connect(server.address, runtime=Runtime(telemetry=TelemetryConfig(metrics=buffer)))
    models: Any = {"m": lambda: ScriptedModel(answer), "small": lambda: ScriptedModel(answer)}
    plugins = [StrandsPlugin(models=models)]
    async with agent_environment(
        client, workflows=[Costs], plugins=plugins, activities=[weather], **worker_options
    ) as env:
        handle = await env.start(Costs.run, [])
        await handle.result()
    assert counted(buffer) == {
        ("turns", "clerk", "end_turn"): 4,
        ("turns", "other", "end_turn"): 1,
        ("turns", "helper", "end_turn"): 1,
        ("tool_calls", "clerk", "weather", "success"): 3,
        ("tool_calls", "clerk", "ask", "success"): 1,
        ("model_calls", "clerk", "m"): 8,
        ("model_calls", "other", "m"): 1,
        ("model_calls", "helper", "small"): 1,
        ("input_tokens", "clerk", "m"): 480,
        ("input_tokens", "other", "m"): 100,
        ("input_tokens", "helper", "small"): 100,
        ("output_tokens", "clerk", "m"): 80,
        ("output_tokens", "other", "m"): 10,
        ("output_tokens", "helper", "small"): 10,
    }
    await assert_replays(
        await client.get_workflow_handle(handle.id).fetch_history(), [Costs], plugins=plugins
    )
    assert counted(buffer) == {}


failed: list[str] = []


@workflow.defn(name="Costs", sandboxed=False)
class FailsTwice:
    """Runs a turn. The workflow task that ends it fails twice, as by a bug which a deploy repairs."""

    @workflow.run
    async def run(self) -> None:
        await TemporalAgent("m", name="clerk", callback_handler=None).invoke_async("hello")
        if len(failed) < 2:
            failed.append("a bug")
            raise LookupError(failed[-1])


@pytest.mark.server
async def test_a_workflow_task_that_is_tried_again_counts_nothing_again(
    server: DevServer, worker_options: dict[str, Any]
) -> None:
    failed.clear()
    buffer = MetricBuffer(100_000)
    client = await Client.connect(server.address, runtime=Runtime(telemetry=TelemetryConfig(metrics=buffer)))
    plugins = [StrandsPlugin(models={"m": lambda: ScriptedModel(answer)})]
    async with agent_environment(client, workflows=[FailsTwice], plugins=plugins, **worker_options) as env:
        await env.run(FailsTwice.run)
    assert len(failed) == 2
    assert counted(buffer) == {
        ("turns", "clerk", "end_turn"): 1,
        ("model_calls", "clerk", "m"): 1,
        ("input_tokens", "clerk", "m"): 100,
        ("output_tokens", "clerk", "m"): 10,
    }


@workflow.defn
class Forwarded:
    """Run 1 builds one of two carried agents and hands the other's carry on, unread."""

    @workflow.run
    async def run(self, run: int, carries: list[AgentCarry]) -> None:
        first, second = (
            TemporalAgent(
                "m",
                name=name,
                carry=carries[place] if carries and (place == 0 or run == 2) else None,
                callback_handler=None,
            )
            for place, name in enumerate(["a", "b"])
        )
        await first.invoke_async("hello")
        if run != 1:
            await second.invoke_async("hello")
        if run < 2:
            carries = [first.carry(), second.carry() if run == 0 else carries[1]]
            workflow.continue_as_new(args=[run + 1, carries])


@workflow.defn
class Borrower:
    """Takes its parent's agent for two runs and gives it back."""

    @workflow.run
    async def run(self, carry: AgentCarry, run: int) -> AgentCarry:
        agent = TemporalAgent("m", name="lent", carry=carry, callback_handler=None)
        await agent.invoke_async("hello")
        if run == 0:
            workflow.continue_as_new(args=[agent.carry(), 1])
        return agent.carry()


@workflow.defn
class Lender:
    """Lends its agent to a child, in each of two runs."""

    @workflow.run
    async def run(self, carry: AgentCarry | None = None) -> None:
        agent = TemporalAgent("m", name="lent", carry=carry, callback_handler=None)
        await agent.invoke_async("hello")
        back = await workflow.execute_child_workflow(Borrower.run, args=[agent.carry(), 0])
        agent = TemporalAgent("m", name="lent", carry=back, callback_handler=None)
        await agent.invoke_async("hello")
        if carry is None:
            workflow.continue_as_new(agent.carry())


@pytest.mark.server
async def test_carries_that_meet_count_once(agents: Agents) -> None:
    async with agents(
        workflows=[Forwarded, Lender, Borrower], models={"m": lambda: ScriptedModel(answer)}
    ) as env:
        forwarded = await env.start(Forwarded.run, 0, [])
        await forwarded.result()
        usage = await env.client.get_workflow_handle(forwarded.id).query("usage")
        assert {name: each["turns"] for name, each in usage["agents"].items()} == {"a": 3, "b": 2}
        assert usage["total"] == tokens(5, 500, 50)
        lender = await env.start(Lender.run)
        await lender.result()
        usage = await env.client.get_workflow_handle(lender.id).query("usage")
        assert usage["agents"]["lent"]["turns"] == 8
        assert usage["total"] == tokens(8, 800, 80)
        for handle in (forwarded, lender):
            for run_id in (handle.first_execution_run_id, None):
                await env.assert_replays(env.client.get_workflow_handle(handle.id, run_id=run_id))


class OddEnd:
    """Writes what is no text where metrics have a value."""

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        registry.add_callback(AfterToolCallEvent, self.after_tool)
        registry.add_callback(AfterInvocationEvent, self.after_turn)

    def after_tool(self, event: AfterToolCallEvent) -> None:
        event.result["status"] = "failed for ana@example.org"  # pyright: ignore[reportGeneralTypeIssues]

    def after_turn(self, event: AfterInvocationEvent) -> None:
        if event.result is not None:
            event.result.stop_reason = None  # pyright: ignore[reportAttributeAccessIssue]


class OddTokens(ScriptedModel):
    """Reports tokens as no provider should."""

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        async for event in super().stream(*args, **kwargs):
            usage: Any = event.get("metadata", {}).get("usage", {})
            if usage:
                usage["inputTokens"] = 12.0 if usage["inputTokens"] == 20 else 2**70
                usage["outputTokens"] = -1
            yield event


@workflow.defn(name="Costs")
class Odd:
    """An agent whose name is a number, and a provider that reports odd tokens."""

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", name=7, tools=[add], hooks=[OddEnd()], callback_handler=None)  # pyright: ignore[reportArgumentType]
        await agent.invoke_async("add")
        return str(await agent.invoke_async("hello")).strip()


@pytest.mark.server
async def test_odd_values_fail_no_turn(
    server: DevServer, worker_options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "strands_temporal")
    buffer = MetricBuffer(100_000)
    client = await Client.connect(server.address, runtime=Runtime(telemetry=TelemetryConfig(metrics=buffer)))
    plugins = [StrandsPlugin(models={"m": lambda: OddTokens(answer)})]
    async with agent_environment(client, workflows=[Odd], plugins=plugins, **worker_options) as env:
        handle = await env.start(Odd.run)
        assert await handle.result() == "heard hello"
        usage = await handle.query("usage")
        details = (await metadata(handle)).current_details
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
    assert (usage["agents"]["7"]["input_tokens"], usage["total"]["output_tokens"]) == (12 + 2**71, 0)
    assert details.startswith("**7**: idle, turn 2")
    assert counted(buffer) == {
        ("turns", "7", "unknown"): 2,
        ("tool_calls", "7", "add", "unknown"): 1,
        ("model_calls", "7", "m"): 3,
        ("input_tokens", "7", "m"): 12,  # the SDK's counters have 64 bits
        ("output_tokens", "7", "m"): 0,
    }
    assert "a metric was not emitted" in caplog.text
    assert "ana@example.org" not in caplog.text


def test_the_last_usage_of_an_answer_counts_and_odd_ones_are_zero() -> None:
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5, "cacheReadInputTokens": 1}
    assert usage_in([{"metadata": {"usage": {"inputTokens": 99}}}, {"metadata": {"usage": usage}}]) == (
        ModelUsage(1, 3, 2, 5, 1, 0)
    )
    odd_ones: list[Any] = [[], [{"metadata": None}], [{"metadata": {"usage": None}}], [{"metadata": {}}]]
    for odd in odd_ones:
        assert usage_in(odd) == ModelUsage(1)
    assert usage_in([{"metadata": {"usage": {"inputTokens": None}}}]) == ModelUsage(1)
    reported: list[Any] = [12.0, -1, "many", float("nan"), float("inf"), [1], True]
    counts = [ModelUsage.of_strands({"inputTokens": each}).input_tokens for each in reported]
    assert counts == [12, 0, 0, 0, 0, 0, 1]
    assert all(type(each) is int for each in counts)
