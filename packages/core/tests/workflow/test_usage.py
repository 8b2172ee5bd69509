"""Tokens and calls: by agent and model, over continue-as-new, as values, by query and as metrics."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.operator_scenes import add, answer, weather
from strands import Agent
from temporalio import workflow
from temporalio.client import Client
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal._workflow.usage import ModelUsage, usage_in
from strands_temporal.testing import DevServer, ScriptedModel, agent_environment, assert_replays
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


def test_the_last_usage_of_an_answer_counts_and_odd_ones_are_zero() -> None:
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5, "cacheReadInputTokens": 1}
    assert usage_in([{"metadata": {"usage": {"inputTokens": 99}}}, {"metadata": {"usage": usage}}]) == (
        ModelUsage(1, 3, 2, 5, 1, 0)
    )
    odd_ones: list[Any] = [[], [{"metadata": None}], [{"metadata": {"usage": None}}], [{"metadata": {}}]]
    for odd in odd_ones:
        assert usage_in(odd) == ModelUsage(1)
    assert usage_in([{"metadata": {"usage": {"inputTokens": None}}}]) == ModelUsage(1)
