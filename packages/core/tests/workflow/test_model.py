"""A model call: its input, its result, cancellations and restarts."""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from strands.interrupt import Interrupt, InterruptException
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.streaming import StreamEvent
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typing_extensions import override

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal._wire.model_call import HELD_VERSION
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays, fail, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@workflow.defn
class PromptWorkflow:
    @workflow.run
    async def run(self, prompt: Any, invocation_state: Any = None) -> str:
        agent = TemporalAgent("model", callback_handler=None, tools=[echo])
        return str(await agent.invoke_async(prompt, invocation_state=invocation_state))


@tool
def echo(text: str) -> str:
    """Echo."""
    return text


# --- What crosses


@workflow.defn
class InvocationStateWorkflow:
    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("model", callback_handler=None, tools=[echo])
        state = {"tenant": "acme", "limits": {"n": 1}, "blob": b"\x00\xff", "handle": object()}
        await agent.invoke_async("first", invocation_state=state)
        return sorted(state)


async def test_invocation_state_crosses_without_strands_keys_and_names_what_cannot(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedModel(use_tool("echo", {"text": "x"}), say("done"))
    with caplog.at_level(logging.WARNING):
        async with agents(workflows=[InvocationStateWorkflow], models={"model": lambda: model}) as env:
            await env.run(InvocationStateWorkflow.run)
    for call in model.calls:  # even after a tool call, when Strands puts the conversation into the state
        assert call.invocation_state == {
            "tenant": "acme",
            "limits": {"n": 1},
            "blob": b"\x00\xff",
            "request_state": {},  # Strands' own key, which a model may rely on
        }
    named = [record for record in caplog.records if "key=<handle>" in record.getMessage()]
    assert len(named) == 1  # once: neither at the second call nor at the replay


class StatefulModel(ScriptedModel):
    """Keeps a counter where a provider keeps a response id."""

    @override
    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        state = kwargs["model_state"]
        state["calls"] = state.get("calls", 0) + 1
        async for event in super().stream(*args, **kwargs):
            yield event


@workflow.defn
class TwoTurnsWorkflow:
    @workflow.run
    async def run(self) -> None:
        agent = TemporalAgent("model", callback_handler=None)
        await agent.invoke_async("one")
        await agent.invoke_async("two")


async def test_model_state_goes_both_ways(agents: Agents) -> None:
    model = StatefulModel(lambda call: say("ok"))
    async with agents(workflows=[TwoTurnsWorkflow], models={"model": lambda: model}) as env:
        await env.run(TwoTurnsWorkflow.run)
    assert [call.other["model_state"]["calls"] for call in model.calls] == [1, 2]


async def test_an_answer_in_500_chunks_costs_its_text_in_history(agents: Agents) -> None:
    text = "durable " * 1250  # 10 KB
    sizes: dict[int | None, int] = {}
    for chunk in (None, 20):
        model = ScriptedModel(say(text, chunk=chunk))
        async with agents(workflows=[PromptWorkflow], models={"model": lambda model=model: model}) as env:
            assert await env.run(PromptWorkflow.run, "go") == text + "\n"
            history = await env.handles[0].fetch_history()
        (completed,) = (
            e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        )
        sizes[chunk] = completed.ByteSize()
    assert abs(sizes[20] - sizes[None]) < 50


async def test_bytes_and_types_cross_with_the_plugin_on_the_worker_only(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """In this case the client, and so the worker, uses the SDK's default converter."""

    def look(call: ScriptedCall) -> Reply:
        if len(call.messages[0]["content"]) < 2:
            return fail(ContextWindowOverflowException("too long"))
        image: Any = call.messages[0]["content"][1]
        return say(repr(image["image"]["source"]["bytes"]))

    model = ScriptedModel(look)
    queue = f"worker-only-{uuid.uuid4()}"
    workflows = [BytesWorkflow, OverflowWorkflow]
    plugins = [StrandsPlugin(models={"model": lambda: model})]
    async with Worker(client, task_queue=queue, workflows=workflows, plugins=plugins, **worker_options):
        result = await client.execute_workflow(BytesWorkflow.run, id=queue, task_queue=queue)
        caught = await client.execute_workflow(OverflowWorkflow.run, id=f"{queue}-2", task_queue=queue)
    assert result == "b'\\x00\\xff'\n"
    assert caught == "ContextWindowOverflowException caused by too long"


@workflow.defn
class BytesWorkflow:
    @workflow.run
    async def run(self) -> str:
        picture: Any = {"image": {"format": "png", "source": {"bytes": b"\x00\xff"}}}
        return str(await TemporalAgent("model").invoke_async([{"text": "look"}, picture]))


@workflow.defn
class OverflowWorkflow:
    @workflow.run
    async def run(self) -> str:
        try:
            await TemporalAgent("model").invoke_async("go")
        except ContextWindowOverflowException as error:
            return f"{type(error).__name__} caused by {error.__cause__ or error}"
        return "no error"


async def test_an_unsandboxed_workflow_works_the_same(agents: Agents) -> None:
    model = ScriptedModel(use_tool("echo", {"text": "hé"}), lambda call: say(call.text))
    options: Any = {"workflow_runner": UnsandboxedWorkflowRunner()}
    async with agents(workflows=[PromptWorkflow], models={"model": lambda: model}, **options) as env:
        assert await env.run(PromptWorkflow.run, "go") == "hé\n"


@workflow.defn
class PrintingWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", tools=[echo])
        return str(await agent.invoke_async("go"))


async def test_the_default_callback_handler_prints_once(
    agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ScriptedModel(use_tool("echo", {"text": "x"}), say("printed once"))
    async with agents(workflows=[PrintingWorkflow], models={"model": lambda: model}) as env:
        await env.run(PrintingWorkflow.run)
    assert capsys.readouterr().out.count("printed once") == 1


@workflow.defn
class StructuredOutputAsyncWorkflow:
    @workflow.run
    async def run(self) -> str:
        from pydantic import BaseModel

        class City(BaseModel):
            name: str

        model = TemporalModel("model")
        messages: Any = [{"role": "user", "content": [{"text": "Bern"}]}]
        async for event in model.structured_output(City, messages):
            if "output" in event:
                return repr(event["output"])
        return "nothing"


async def test_structured_output_of_the_model_itself(agents: Agents) -> None:
    model = ScriptedModel(
        lambda call: use_tool("City", {"name": "Bern"}) if call.tool_choice == {"any": {}} else say("?")
    )
    async with agents(workflows=[StructuredOutputAsyncWorkflow], models={"model": lambda: model}) as env:
        assert await env.run(StructuredOutputAsyncWorkflow.run) == "City(name='Bern')"


# --- Parallel agents, interrupts


@workflow.defn
class ParallelWorkflow:
    @workflow.run
    async def run(self) -> list[str]:
        agents = [TemporalAgent("model", callback_handler=None) for _ in range(5)]
        results = await asyncio.gather(*(agent.invoke_async(f"agent {i}") for i, agent in enumerate(agents)))
        return [str(result).strip() for result in results]


async def test_parallel_agents_keep_their_own_conversations(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say(f"{call.text} of {len(call.messages)}"))
    async with agents(workflows=[ParallelWorkflow], models={"model": lambda: model}) as env:
        assert await env.run(ParallelWorkflow.run) == [f"agent {i} of 1" for i in range(5)]


@activity.defn
async def ask_a_human(what: str) -> str:
    """Ask."""
    raise InterruptException(Interrupt(id=f"ask:{what}", name="approval", reason={"what": what}))


@workflow.defn
class InterruptedWorkflow:
    @workflow.run
    async def run(self) -> Any:
        agent = TemporalAgent("model", callback_handler=None, tools=[activity_as_tool(ask_a_human)])
        result = await agent.invoke_async("go")
        return [result.stop_reason, [interrupt.to_dict() for interrupt in result.interrupts or ()]]


async def test_an_interrupt_in_an_activity_keeps_its_payload_and_is_not_retried(agents: Agents) -> None:
    model = ScriptedModel(use_tool("ask_a_human", {"what": "delete"}))
    async with agents(
        workflows=[InterruptedWorkflow], activities=[ask_a_human], models={"model": lambda: model}
    ) as env:
        stop_reason, interrupts = await env.run(InterruptedWorkflow.run)
        history = await env.handles[0].fetch_history()
    assert stop_reason == "interrupt"
    assert interrupts == [
        {"id": "ask:delete", "name": "approval", "reason": {"what": "delete"}, "response": None}
    ]
    attempts = [e.activity_task_started_event_attributes.attempt for e in history.events]
    assert max(attempts) == 1


# --- Cancellation


@workflow.defn
class SlowModelWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", callback_handler=None, heartbeat_timeout=timedelta(seconds=1))
        return str(await agent.invoke_async("go"))


async def test_cancelling_the_workflow_stops_the_model_call(agents: Agents) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def until_cancelled() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    model = ScriptedModel(lambda call: say("too late").when(until_cancelled))
    async with agents(workflows=[SlowModelWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(SlowModelWorkflow.run)
        await asyncio.wait_for(started.wait(), 20)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        assert isinstance(failure.value.cause, CancelledError)
        await asyncio.wait_for(
            stopped.wait(), 20
        )  # the heartbeat told the activity: nobody pays for more tokens
        await env.assert_replays(handle)
    assert len(model.calls) == 1


tool_started = asyncio.Event()


@activity.defn
async def never_ends() -> str:
    """Runs until it is cancelled."""
    tool_started.set()
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


@workflow.defn
class SlowToolWorkflow:
    @workflow.run
    async def run(self, sequential: bool) -> str:
        agent = TemporalAgent(
            "model",
            callback_handler=None,
            tools=[activity_as_tool(never_ends, heartbeat_timeout=timedelta(seconds=1))],
            tool_executor=SequentialToolExecutor() if sequential else ConcurrentToolExecutor(),
        )
        return str(await agent.invoke_async("go"))


@pytest.mark.parametrize("sequential", [False, True], ids=["concurrent", "sequential"])
async def test_cancelling_the_workflow_during_a_tool_ends_it_cancelled(
    agents: Agents, sequential: bool
) -> None:
    tool_started.clear()
    model = ScriptedModel(use_tool("never_ends", {}), say("must not be asked again"))
    async with agents(
        workflows=[SlowToolWorkflow], activities=[never_ends], models={"model": lambda: model}
    ) as env:
        handle = await env.start(SlowToolWorkflow.run, sequential)
        await asyncio.wait_for(tool_started.wait(), 20)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 20)
        assert isinstance(failure.value.cause, CancelledError)
        description = await handle.describe()
        assert description.status == WorkflowExecutionStatus.CANCELED
        await env.assert_replays(handle)
    assert len(model.calls) == 1


# --- Workers come and go


async def test_another_worker_goes_on_and_nothing_is_paid_twice(
    client: Client, worker_options: dict[str, Any]
) -> None:
    first_done, go_on = asyncio.Event(), asyncio.Event()

    def script(call: ScriptedCall) -> Reply:
        if len(call.messages) == 1:
            return use_tool("echo", {"text": "once"})
        first_done.set()
        return say(f"after the restart: {call.text}").when(go_on.wait)

    queue = f"restart-{uuid.uuid4()}"
    models: list[ScriptedModel] = []

    def worker() -> Worker:
        models.append(ScriptedModel(script))
        model = models[-1]
        plugins = [StrandsPlugin(models={"model": lambda: model})]
        return Worker(client, task_queue=queue, workflows=[PromptWorkflow], plugins=plugins, **worker_options)

    async with worker():
        handle = await client.start_workflow(PromptWorkflow.run, "go", id=queue, task_queue=queue)
        await asyncio.wait_for(first_done.wait(), 20)
    go_on.set()
    async with worker():
        assert await asyncio.wait_for(handle.result(), 60) == "after the restart: once\n"
    assert [len(model.calls) for model in models] == [2, 1]  # only the interrupted call was repeated
    await assert_replays(handle, [PromptWorkflow])


async def test_a_call_from_a_newer_release_is_left_for_a_newer_worker(client: Client) -> None:
    queue = f"newer-{uuid.uuid4()}"
    plugins = [StrandsPlugin(models={"model": lambda: ScriptedModel(say("hi"))})]
    async with Worker(client, task_queue=queue, workflows=[NewerWorkflow], plugins=plugins):
        with pytest.raises(WorkflowFailureError) as failure:
            await client.execute_workflow(NewerWorkflow.run, id=queue, task_queue=queue)
    cause = failure.value.cause
    assert cause is not None
    assert isinstance(cause.__cause__, ApplicationError)
    assert cause.__cause__.type == "WireVersionUnknown"
    assert not cause.__cause__.non_retryable  # in production a newer worker takes the next attempt


@workflow.defn
class NewerWorkflow:
    @workflow.run
    async def run(self) -> None:
        from temporalio.common import RetryPolicy

        call = {"model": "model", "transcript": {"messages": []}, "version": HELD_VERSION + 1, "future": True}
        await workflow.execute_activity(
            "invoke_model",
            call,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
