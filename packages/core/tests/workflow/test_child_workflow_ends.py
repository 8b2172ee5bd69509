"""How a child workflow that is a tool ends: a result, a failure, a cancellation; and what is refused."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.child_scenes import children_of
from strands import Agent
from strands.hooks import AfterToolCallEvent
from temporalio import activity, workflow
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Worker

from strands_temporal import AgentTypeError, AgentValueError, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import SubAgentResult, SubAgentTask, child_workflow

pytestmark = pytest.mark.server

started = asyncio.Event()


@workflow.defn
class Troubled:
    """Does what its task says."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        if task.prompt == "raise":
            raise ApplicationError("no such file", type="FileNotFoundError", non_retryable=True)
        if task.prompt == "wait":
            await workflow.execute_activity(note_start, start_to_close_timeout=timedelta(seconds=5))
            await asyncio.sleep(3600)
        if task.prompt == "stop":
            agent = TemporalAgent("m", callback_handler=None)
            workflow.set_signal_handler("stop", agent.cancel)
            agent.cancel()
            return await task.run(agent)
        if task.prompt == "text":
            return "plain text"  # type: ignore[return-value]  # a workflow that makes its answer itself
        return await task.run(TemporalAgent("m", callback_handler=None))


@activity.defn
async def note_start() -> None:
    started.set()


@dataclass
class Order:
    item: str
    count: int = 1


@workflow.defn
class Shop:
    """Order things.

    Second paragraph.
    """

    @workflow.run
    async def run(self, order: Order, note: str = "none") -> Order:
        """Order.

        Args:
            order: What to order.
            note: A note.
        """
        if order.item == "nothing":
            raise ApplicationError("sold out", type="PermissionError", non_retryable=True)
        return Order(f"{order.item} ({note}) on {workflow.info().task_queue[:4]}", order.count * 2)


def relays(call: ScriptedCall) -> Reply:
    """Call the one tool with the prompt, or with what it has as JSON, and repeat the result."""
    if call.text == "twice" and call.tool_names:
        return use_tools([("Troubled", {"input": "hello"}, name) for name in ("one", "two")])
    if "toolResult" in call.messages[-1]["content"][0]:
        if len(call.tool_results) > 1:
            return say(
                " | ".join(sorted(str(result["content"][0].get("text")) for result in call.tool_results))
            )
        (result,) = call.tool_results
        return say(f"{result['status']}: {result['content'][0].get('text')}")
    if not call.tool_names:
        return say(f"heard {call.text}")
    if call.tool_names == ["Shop"]:
        return use_tool("Shop", {"order": {"item": call.text, "count": 3}, "note": "fast"})
    return use_tool(call.tool_names[0], {"input": call.text})


@workflow.defn
class Caller:
    """Runs one turn of an agent that has a child workflow as a tool."""

    def __init__(self) -> None:
        self.agent: TemporalAgent | None = None

    @workflow.run
    async def run(self, prompt: str, queue: str | None = None) -> list[str]:
        options: Any = {"task_queue": queue} if queue else {}
        if prompt == "wait briefly":
            prompt, options = "wait", {"run_timeout": timedelta(seconds=1)}
        target = Shop if queue or prompt == "nothing" else Troubled
        if prompt == "twice":
            options = {"id": f"{workflow.info().workflow_id}-only"}
        department = child_workflow(target, **options)
        errors: list[str] = []

        def after(event: AfterToolCallEvent[Any]) -> None:
            if event.exception is not None:
                errors.append(type(event.exception).__name__)

        self.agent = TemporalAgent("m", tools=[department], hooks=[after], callback_handler=None)
        if prompt == "large":
            direct: Any = await self.agent.tool_async.Troubled(input="x" * 3_000_000)
            return ["", f"{direct['status']}: {direct['content'][0]['text']}"]
        result = await self.agent.invoke_async(prompt)
        return [result.stop_reason, str(result).strip(), *errors]

    @workflow.signal
    def stop(self) -> None:
        if self.agent is not None:
            self.agent.cancel()


def worker(**more: Any) -> Any:
    return {
        "workflows": [Caller, Troubled, Shop],
        "activities": [note_start],
        "models": {"m": lambda: ScriptedModel(relays)},
        **more,
    }


@pytest.mark.parametrize(
    ("prompt", "says", "errors"),
    [
        ("hello", "success: heard hello\n", []),
        ("text", "success: plain text", []),
        ("raise", "error: Agent error: no such file", ["FileNotFoundError"]),
        ("wait briefly", "error: Agent error: ", ["TimeoutError"]),
        ("stop", "error: Agent 'Troubled' cancelled", []),
        ("nothing", "error: Error: PermissionError - sold out", ["PermissionError"]),
    ],
)
async def test_the_model_reads_how_it_ended(
    agents: Agents, prompt: str, says: str, errors: list[str]
) -> None:
    async with agents(**worker()) as env:
        stop_reason, text, *failed = await env.run(Caller.run, prompt)
    assert [stop_reason, text[: len(says.strip())]] == ["end_turn", says.strip()]
    assert failed == errors, "a hook sees the error with its class"
    assert "time" in text.lower() if prompt == "wait briefly" else True


async def test_a_prompt_that_is_too_large_is_the_tools_error(agents: Agents) -> None:
    async with agents(**worker()) as env:
        handle = await env.start(Caller.run, "large")
        _, text, *_ = await handle.result()
        assert await children_of(env.client, handle.id) == []
        await env.assert_replays(handle)
    assert text.startswith("error: Agent error: ")
    assert "too large" in text


async def test_one_id_serves_one_call_at_a_time(agents: Agents) -> None:
    async with agents(**worker()) as env:
        _, text, *failed = await env.run(Caller.run, "twice")
    assert text == "Agent 'Troubled' is already processing a request | heard hello"
    assert failed == ["WorkflowAlreadyStartedError"]


@pytest.mark.parametrize("stop", ["the agent", "the workflow"])
async def test_a_cancellation_reaches_the_child(agents: Agents, stop: str) -> None:
    started.clear()
    async with agents(**worker()) as env:
        handle = await env.start(Caller.run, "wait")
        await asyncio.wait_for(started.wait(), 10)
        if stop == "the agent":
            await handle.signal(Caller.stop)
            assert (await handle.result())[0] == "cancelled"
        else:
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()
            assert isinstance(failure.value.cause, CancelledError)
        (child,) = await children_of(env.client, handle.id)
        assert (await child.describe()).status == WorkflowExecutionStatus.CANCELED
        await env.assert_replays(handle)
        await env.assert_replays(child)


async def test_a_terminated_child_is_an_error_for_the_model(agents: Agents) -> None:
    started.clear()
    async with agents(**worker()) as env:
        handle = await env.start(Caller.run, "wait")
        await asyncio.wait_for(started.wait(), 10)
        (child,) = await children_of(env.client, handle.id)
        await child.terminate("enough")
        _, text, *_ = await handle.result()
        await env.assert_replays(handle)
    assert text.startswith("error: Agent error: ")
    assert "terminated" in text.lower()


async def test_any_workflow_is_a_tool_with_its_own_parameters_and_queue(agents: Agents) -> None:
    model = ScriptedModel(relays)
    queue = f"shop-{uuid.uuid4()}"
    async with agents(**worker(models={"m": lambda: model})) as env:
        async with Worker(env.client, task_queue=queue, workflows=[Shop]):
            handle = await env.start(Caller.run, "tea", queue)
            _, text, *_ = await handle.result()
        await env.assert_replays(handle)
        (child,) = await children_of(env.client, handle.id)
        assert child.id.startswith(f"{handle.id}/Shop/")
        assert await (await child.describe()).static_summary() == "Shop"
    assert text.startswith("success: ")
    assert "tea (fast) on shop" in text
    assert "6" in text
    spec = model.calls[0].tool_specs[0]
    assert spec["description"] == "Order things.\n\nSecond paragraph."
    schema = spec["inputSchema"]["json"]
    assert schema["required"] == ["order"]
    assert schema["properties"]["order"]["description"] == "What to order."


@workflow.defn
class Waits:
    @workflow.run
    async def run(self, *names: str) -> None: ...


@workflow.defn(dynamic=True)
class Dynamic:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None: ...


@pytest.mark.parametrize(
    ("target", "given", "error", "words"),
    [
        (Troubled, {"cron_schedule": "* * * * *"}, AgentValueError, "must return a result"),
        (Troubled, {"run_timout": timedelta(1)}, AgentTypeError, "Did you mean 'run_timeout'"),
        (Troubled, {"run_timeout": 5}, AgentTypeError, "not a timedelta"),
        (Troubled, {"execution_timeout": timedelta(0)}, AgentValueError, "not positive"),
        (Troubled, {"task_queue": ""}, AgentValueError, "task_queue is empty"),
        (Troubled, {"id": 7}, AgentTypeError, "not a builtins.str"),
        (Troubled, {"retry_policy": RetryPolicy(maximum_attempts=-1)}, AgentValueError, "cannot work"),
        (
            Troubled,
            {"id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE},
            AgentValueError,
            "started again under its id",
        ),
        (Troubled, {"inputSchema": {}}, AgentTypeError, "takes one string"),
        (Shop, {"preserve_context": True}, AgentTypeError, "takes a SubAgentTask"),
        ("research", {}, AgentValueError, "Give description="),
        ("", {}, AgentValueError, "is empty"),
        (note_start, {}, AgentTypeError, "is not a workflow"),
        (Waits, {}, AgentTypeError, "cannot fill the parameter"),
        (Dynamic, {}, AgentTypeError, "is dynamic"),
    ],
)
def test_what_cannot_work_is_refused_when_the_tool_is_made(
    target: Any, given: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        child_workflow(target, **given)


def test_temporals_own_options_are_taken() -> None:
    key = SearchAttributeKey.for_keyword("Kind")
    tool = child_workflow(
        "research",
        description="Do research.",
        name="ask",
        id="one",
        task_queue="other",
        run_timeout=timedelta(minutes=1),
        retry_policy=RetryPolicy(maximum_attempts=2),
        memo={"a": 1},
        search_attributes=None,
        static_summary="asks",
    )
    assert [tool.tool_name, tool.tool_type, key.name] == ["ask", "agent", "Kind"]
    assert child_workflow(Shop).tool_name == "Shop"
    assert child_workflow(Troubled.run).tool_spec["description"] is not None


# --- What the child's side refuses


async def test_a_task_needs_the_agent_that_asked() -> None:
    answer: Any = {"interruptResponse": {"interruptId": "one", "response": "yes"}}
    agent = Agent(ScriptedModel("hello"), name="research", callback_handler=None)
    with pytest.raises(AgentValueError, match=r"'research' waits for none.*carry=task.carry"):
        await SubAgentTask(answers=[answer]).run(agent)
    wrong: Any = "agent"
    with pytest.raises(AgentTypeError, match="is not an agent"):
        await SubAgentTask("go").run(wrong)
    with pytest.raises(ApplicationError, match="version 2"):
        await SubAgentTask("go", version=2).run(agent)
    with pytest.raises(ApplicationError, match="version 2"):
        SubAgentResult.from_value({"stop_reason": "end_turn", "content": [], "version": 2})
    assert SubAgentResult.from_value({"other": 1}) is None
