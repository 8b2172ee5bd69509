"""A run's time limits and durations replay."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.upstream import time_limits_scenes
from packages.core.tests.upstream.time_limits_scenes import NODE_LIMITS_OF_SWARMS, agent, graph, takes
from strands import Agent
from strands.hooks import AfterToolCallEvent, HookProvider, HookRegistry
from strands.multiagent import Swarm
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

# --- Time limits fire in the run, with Strands' own errors, and replay


@workflow.defn
class Limited:
    """Runs a graph or a swarm, and says how it ended."""

    @workflow.run
    async def run(self, case: str, catch: bool = True) -> dict[str, Any]:
        multi = LIMITED[case]()
        try:
            result = await multi.invoke_async("go")
        except Exception as error:
            if not catch:
                raise
            return {"error": f"{type(error).__name__}: {error}"}
        return {
            "status": result.status.value,
            "nodes": {name: node.status.value for name, node in result.results.items()},
            "took": result.execution_time >= 1000,
        }


LIMITED: dict[str, Callable[[], Any]] = {
    # The first node takes a second, so the limit has passed before the second node.
    "graph": lambda: graph("slow", "model", execution_timeout=0.5),
    "graph, in time": lambda: graph("slow", "model", execution_timeout=600.0),
    "graph node": lambda: graph("never", node_timeout=1.0),
    "graph node, at the poll's own interval": lambda: graph("never", node_timeout=0.1),
    "swarm": lambda: Swarm([agent("handing over"), agent("model")], execution_timeout=0.5),
    "swarm node": lambda: Swarm([agent("never")], node_timeout=1.0),
}


def limited_models() -> dict[str, Any]:
    def hand_over(call: Any) -> Any:
        if len(call.messages) == 1:
            return use_tool("handoff_to_agent", {"agent_name": "model", "message": "yours"}).after(1)
        return say("handed over")

    return {
        "slow": lambda: ScriptedModel(say("slow").after(1)),
        "model": lambda: ScriptedModel(lambda call: say("done")),
        "never": lambda: ScriptedModel(say("too late").after(600)),
        "handing over": lambda: ScriptedModel(hand_over),
    }


@pytest.mark.server
@pytest.mark.parametrize("case", sorted(LIMITED))
async def test_a_time_limit_ends_as_in_a_plain_run(
    agents: Agents, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case == "swarm node" and not NODE_LIMITS_OF_SWARMS:
        pytest.skip("This Python's Strands does not end a swarm's node that says nothing")
    async with agents(workflows=[Limited], models=limited_models()) as env:
        durable = await env.run(Limited.run, case)
    with monkeypatch.context() as patch:  # the same with plain agents
        models = limited_models()

        def plain_agent(name: str, **_: Any) -> Agent:
            return Agent(models[name](), name=name, callback_handler=None)

        patch.setitem(globals(), "agent", plain_agent)
        patch.setattr(time_limits_scenes, "agent", plain_agent)  # for the graphs
        plain = await Limited().run(case)
    assert durable == plain
    assert (
        durable
        == {
            "graph": {"status": "failed", "nodes": {"slow": "completed"}, "took": True},
            "graph, in time": {
                "status": "completed",
                "nodes": {"slow": "completed", "model": "completed"},
                "took": True,
            },
            "graph node": {"error": "Exception: Node 'never' execution timed out after 1.0s"},
            "graph node, at the poll's own interval": {
                "error": "Exception: Node 'never' execution timed out after 0.1s"
            },
            "swarm": {"status": "failed", "nodes": {"handing over": "completed"}, "took": True},
            "swarm node": {"status": "failed", "nodes": {}, "took": True},
        }[case]
    )


@pytest.mark.server
async def test_a_time_limit_that_nobody_catches_ends_the_workflow(agents: Agents) -> None:
    async with agents(workflows=[Limited], models=limited_models()) as env:
        env.timeout = timedelta(seconds=20)
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(Limited.run, "graph node", False)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert str(cause) == "Exception: Node 'never' execution timed out after 1.0s"


# --- Durations are those of the run


class Durations(HookProvider):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(AfterToolCallEvent, self.after)

    def after(self, event: AfterToolCallEvent[Any]) -> None:
        assert event.duration is not None
        self.seen.append(event.duration)


@workflow.defn
class Timed:
    """Runs an agent and a graph, and waits to be asked how long they took."""

    def __init__(self) -> None:
        self.done = False
        self.seen: dict[str, Any] = {}

    @workflow.run
    async def run(self) -> dict[str, Any]:
        durations = Durations()
        one = agent("timed", tools=[activity_as_tool(takes)], hooks=[durations])
        result = await one.invoke_async("go")
        chain = await graph("slow", "model").invoke_async("go")
        summary = result.metrics.get_summary()
        self.seen = {
            "tool": durations.seen,
            "cycles": result.metrics.cycle_durations,
            "tools": summary["tool_usage"]["takes"]["execution_stats"],
            "latencies": [message.get("metadata") for message in one.messages],
            "graph": [chain.execution_time, *(node.execution_time for node in chain.results.values())],
        }
        await workflow.wait_condition(lambda: self.done)
        return self.seen

    @workflow.update
    async def see(self) -> dict[str, Any]:
        await workflow.wait_condition(lambda: bool(self.seen))
        return self.seen

    @workflow.signal
    def end(self) -> None:
        self.done = True


@pytest.mark.server
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "no cache"])
async def test_durations_are_the_runs_and_not_the_replays(agents: Agents, cached: bool) -> None:
    timed = ScriptedModel(use_tool("takes", {"seconds": 1.0}), say("done").after(0.5))
    options: dict[str, Any] = {
        "workflows": [Timed],
        "activities": [takes],
        "models": {**limited_models(), "timed": lambda: timed},
        "task_queue": f"timed-{uuid.uuid4()}",
        **({} if cached else {"max_cached_workflows": 0}),
    }
    async with agents(**options) as env:
        handle = await env.start(Timed.run)
        live = await handle.execute_update(Timed.see)
    async with agents(**options) as env:  # a new worker, which has only the history
        same = env.client.get_workflow_handle_for(Timed.run, handle.id)
        await same.signal(Timed.end)
        assert await same.result() == live
        await env.assert_replays(same)
    assert 1.0 <= live["tool"][0] < 10.0
    assert live["tools"]["total_time"] == live["tool"][0]
    assert live["cycles"][0] >= 1.0
    assert live["cycles"][1] >= 0.5
    whole, slow, _ = live["graph"]
    assert 1000 <= slow <= whole < 10_000
