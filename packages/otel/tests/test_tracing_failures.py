"""Calls that fail, are retried or are dropped have their spans, each exactly once."""

import asyncio
import gc
import uuid
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.otel.tests.otlp_receiver import Receiver
from packages.otel.tests.traced_workflows import (
    BrokenWorkflow,
    HookWorkflow,
    ToolWorkflow,
    fetch_sky,
)
from packages.otel.tests.tracing_support import (
    echo,
    plugins,
)
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from strands_temporal.testing import Reply, ScriptedCall, assert_replays, fail, say, use_tool

pytestmark = pytest.mark.server


async def test_a_retried_model_call_is_one_span_per_attempt(agents: Agents, receiver: Receiver) -> None:
    script = (fail(ConnectionError("cut"), after=say("half an")), say("answer"))
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(*script)) as env:
        assert await env.run(ToolWorkflow.run, "go") == "answer"
    assert receiver.twice() == []
    assert [line.strip() for line in receiver.tree()] == [
        "StartWorkflow:ToolWorkflow",
        "RunWorkflow:ToolWorkflow",
        "invoke_agent Strands Agents",
        "execute_event_loop_cycle",
        "chat",
        "StartActivity:invoke_model",
        *["RunActivity:invoke_model", "chat scripted"] * 2,
    ]
    failed, succeeded = sorted(receiver.named("chat scripted"), key=lambda span: span.start)
    assert [
        failed.attributes["temporalActivityAttempt"],
        succeeded.attributes["temporalActivityAttempt"],
    ] == [1, 2]
    assert (failed.attributes["error.type"], failed.status) == ("ConnectionError", 2)
    assert "gen_ai.usage.input_tokens" not in failed.attributes
    assert ("error.type" in succeeded.attributes, succeeded.status) == (False, 0)
    durations = receiver.metrics("gen_ai.client.operation.duration")
    assert sorted(str(m.attributes.get("error.type")) for m in durations) == ["ConnectionError", "None"]
    assert receiver.counts()["gen_ai.client.token.usage"] == 2


async def test_a_failed_tool_has_its_span(agents: Agents, receiver: Receiver) -> None:
    script = (use_tool("broken", {"word": "x"}), echo)
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(*script)) as env:
        assert "cannot count x" in await env.run(ToolWorkflow.run, "go")
    tool = receiver.one("execute_tool broken")
    assert tool.status == 2
    assert [name for name, _ in tool.events] == ["exception"]


async def test_a_failed_agent_has_its_spans(agents: Agents, receiver: Receiver) -> None:
    async with agents(
        workflows=[ToolWorkflow], activities=[fetch_sky], plugins=plugins(*[fail(KeyError("x"))] * 3)
    ) as env:
        with pytest.raises(WorkflowFailureError):
            await env.run(ToolWorkflow.run, "go")
    for name in (
        "RunWorkflow:ToolWorkflow",
        "invoke_agent Strands Agents",
        "execute_event_loop_cycle",
        "chat",
    ):
        assert receiver.one(name).status == 2, name


@pytest.mark.parametrize("turned", [False, True])
async def test_what_ends_a_workflow_ends_its_spans(
    client: Client, receiver: Receiver, worker_options: dict[str, Any], turned: bool
) -> None:
    both = plugins(say("never"))
    queue = f"otel-{uuid.uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[HookWorkflow],
        plugins=both[::-1] if turned else both,
        **worker_options,
    ):
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow(HookWorkflow.run, "go", id=queue, task_queue=queue)
    assert receiver.one("invoke_agent Strands Agents").status == 2
    assert receiver.one("RunWorkflow:HookWorkflow").status == 2


async def test_a_workflow_task_that_is_tried_again_exports_nothing_twice(
    agents: Agents, receiver: Receiver
) -> None:
    async with agents(
        workflows=[BrokenWorkflow],
        plugins=plugins(echo),
        workflow_runner=UnsandboxedWorkflowRunner(),
    ) as env:
        handle = await env.start(BrokenWorkflow.run, "go")
        assert await handle.result() == "go"
        history = await handle.fetch_history()
    assert any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
    assert receiver.twice() == []
    assert len(receiver.named("invoke_agent Strands Agents")) == 1
    assert receiver.one("RunWorkflow:BrokenWorkflow").status != 2, "the task failed, the workflow did not"


async def test_calls_count_once_whatever_is_evicted(receiver: Receiver, agents: Agents) -> None:
    """Four agents wait in a tool call. The cache has room for one, and the worker ends."""
    called, go_on = asyncio.Semaphore(0), asyncio.Event()

    @activity.defn(name="fetch_sky")
    async def fetch_late(city: str) -> str:
        called.release()
        await go_on.wait()
        return city

    def script(call: ScriptedCall) -> Reply:
        return use_tool("fetch_sky", {"city": "x"}) if len(call.messages) == 1 else say("answer")

    options: dict[str, Any] = {
        "workflows": [ToolWorkflow],
        "activities": [fetch_late],
        "task_queue": f"otel-{uuid.uuid4()}",
        "max_cached_workflows": 1,
        "sticky_queue_schedule_to_start_timeout": timedelta(seconds=1),
    }
    async with agents(plugins=plugins(script), **options) as env:
        handles = [await env.start(ToolWorkflow.run, "go") for _ in range(4)]
        await asyncio.wait_for(asyncio.gather(*(called.acquire() for _ in handles)), 20)
    del env
    go_on.set()
    async with agents(plugins=plugins(script), **options):
        gc.collect()
        answers = await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), 30)
    assert answers == ["answer"] * 4
    assert receiver.twice() == []
    counted = [m for export in receiver.exports for m in export]
    assert sum(m.total for m in counted if m.name == "strands.tool.call_count") == 4
    assert sum(m.total for m in counted if m.name == "strands.tool.success_count") == 4
    assert [m for m in counted if m.name == "strands.tool.error_count"] == []


@pytest.mark.parametrize("where", ["in a model call", "in a tool"])
async def test_a_worker_that_ends_in_the_middle(receiver: Receiver, agents: Agents, where: str) -> None:
    called = asyncio.Event()

    async def wait_for_ever() -> None:
        called.set()
        await asyncio.Event().wait()

    @activity.defn(name="fetch_sky")
    async def fetch_no_sky(city: str) -> str:
        await wait_for_ever()
        return city

    count, look = (
        use_tool("letter_counter", {"word": "x", "letter": "x"}),
        use_tool("fetch_sky", {"city": "x"}),
    )
    script = [count, look.when(wait_for_ever)] if where == "in a model call" else [count, look]
    queue = f"otel-{uuid.uuid4()}"
    async with agents(
        workflows=[ToolWorkflow],
        activities=[fetch_no_sky],
        plugins=plugins(*script),
        task_queue=queue,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    ) as env:
        handle = await env.start(ToolWorkflow.run, "go")
        await asyncio.wait_for(called.wait(), 10)
    del env
    gc.collect()  # so that nothing of the workflow is left that could end spans or count again
    sent = {span.name for span in receiver.spans}
    assert "execute_tool letter_counter" in sent
    assert "invoke_agent Strands Agents" not in sent, "it goes on elsewhere"
    second = plugins(*([look, say("answer")] if where == "in a model call" else [say("answer")]))
    async with agents(workflows=[ToolWorkflow], activities=[fetch_sky], plugins=second, task_queue=queue):
        assert await asyncio.wait_for(handle.result(), 30) == "answer"
    await assert_replays(handle, [ToolWorkflow], plugins=second)
    assert receiver.twice() == []
    assert "?" not in receiver.tree()
    assert len({span.trace_id for span in receiver.spans}) == 1
    for name in ("RunWorkflow:ToolWorkflow", "invoke_agent Strands Agents", "execute_tool letter_counter"):
        assert receiver.one(name).status != 2, name
    cancelled = [s.name for s in receiver.spans if "CancelledError" in s.attributes.get("error.type", "")]
    assert cancelled == (["chat scripted"] if where == "in a model call" else [])
    assert len(receiver.named("RunActivity:fetch_sky")) == (1 if where == "in a model call" else 2)
    # Each export holds its own worker's counts.
    calls = [m.total for export in receiver.exports for m in export if m.name == "strands.tool.call_count"]
    errors = [m for export in receiver.exports for m in export if m.name == "strands.tool.error_count"]
    assert (sum(calls), errors) == (2, [])
