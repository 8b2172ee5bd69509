"""Errors that could make a workflow task retry, or say too little: each ends its workflow and says why."""

import asyncio
import sys
import uuid
import warnings
from datetime import timedelta
from typing import Any, cast

import pytest
from conftest import Agents
from packages.core.tests import failures
from pydantic import BaseModel
from strands import tool
from strands.hooks import BeforeInvocationEvent
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server
ONCE = RetryPolicy(maximum_attempts=1)
needs_groups = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="exception groups are Python's since 3.11"
)


async def failure_of(env: Any, workflow_class: Any, *args: Any) -> ApplicationError:
    """Run a workflow that fails for good, and return its failure."""
    failure = await failures.failure_of(env, workflow_class.run, *args)
    assert failure.non_retryable
    return failure


def raise_group(event: BeforeInvocationEvent) -> None:
    raise ExceptionGroup("hook", [KeyError("a"), ValueError("b")])  # noqa: F821  # pyright: ignore[reportUndefinedVariable]


@workflow.defn
class GroupHookWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(await TemporalAgent("m", hooks=[raise_group]).invoke_async("go"))


@needs_groups
async def test_a_hook_that_raises_a_group_ends_the_workflow(agents: Agents) -> None:
    async with agents(workflows=[GroupHookWorkflow], models={"m": lambda: ScriptedModel(say("x"))}) as env:
        cause = await failure_of(env, GroupHookWorkflow)
    assert cause.type == "ExceptionGroup"
    assert cause.message == "KeyError: 'a'; ValueError: b"


@workflow.defn
class TaskGroupWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", retry_policy=ONCE, callback_handler=None)
        async with cast("Any", asyncio).TaskGroup() as group:  # Python 3.11
            group.create_task(agent.invoke_async("go"))
        return "fine"


@needs_groups
async def test_an_agent_that_fails_in_a_task_group_ends_the_workflow_as_itself(agents: Agents) -> None:
    model = ScriptedModel(fail(ValueError("a bad request")))
    async with agents(workflows=[TaskGroupWorkflow], models={"m": lambda: model}) as env:
        cause = await failure_of(env, TaskGroupWorkflow)
    assert (cause.type, cause.message) == ("ValueError", "a bad request")


class Person(BaseModel):
    age: int


@workflow.defn
class StructuredOutputAsyncWorkflow:
    @workflow.run
    async def run(self) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Strands deprecates it
            agent = TemporalAgent("m", callback_handler=None)
            return str(await agent.structured_output_async(Person, "who?"))


async def test_structured_output_async_works_and_fails_the_workflow_when_it_does_not(agents: Agents) -> None:
    model = ScriptedModel(use_tool("Person", {"age": 3}), use_tool("Person", {"age": "thirty"}))
    async with agents(workflows=[StructuredOutputAsyncWorkflow], models={"m": lambda: model}) as env:
        assert await env.run(StructuredOutputAsyncWorkflow.run) == "age=3"
        cause = await failure_of(env, StructuredOutputAsyncWorkflow)
    assert cause.type == "ValidationError"
    assert "valid integer" in cause.message


@tool
def file_name() -> str:
    """List a directory with a file name that is not UTF-8, as `os.listdir` gives it."""
    return "caf\udce9.txt"


@workflow.defn
class OddTextWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[file_name], callback_handler=None)
        return repr(str(await agent.invoke_async("go")))


async def test_half_a_surrogate_pair_goes_to_the_model_and_back(agents: Agents) -> None:
    model = ScriptedModel(use_tool("file_name", {}), lambda call: say(f"it is {call.text}"))
    async with agents(workflows=[OddTextWorkflow], models={"m": lambda: model}) as env:
        assert await env.run(OddTextWorkflow.run) == repr("it is caf\udce9.txt\n")
    assert len(model.calls) == 2


async def test_an_error_whose_text_is_not_utf8_keeps_its_class_and_is_not_retried(agents: Agents) -> None:
    model = ScriptedModel(fail(ValueError("cannot read caf\udce9.txt")))
    async with agents(workflows=[OddTextWorkflow], models={"m": lambda: model}) as env:
        cause = await failure_of(env, OddTextWorkflow)
    assert (cause.type, cause.message) == ("ValueError", "cannot read caf\\udce9.txt")
    assert len(model.calls) == 1


@activity.defn
async def look_up(city: str) -> str:
    """Look up."""
    return {"Bern": "x"}[city]


@workflow.defn
class KeyErrorWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "m", tools=[activity_as_tool(look_up, retry_policy=ONCE)], callback_handler=None
        )
        return str(await agent.invoke_async("go")).strip()


async def test_a_key_error_of_a_tool_activity_is_worded_as_locally(agents: Agents) -> None:
    model = ScriptedModel(use_tool("look_up", {"city": "Rome"}), lambda call: say(call.text))
    async with agents(workflows=[KeyErrorWorkflow], activities=[look_up], models={"m": lambda: model}) as env:
        assert await env.run(KeyErrorWorkflow.run) == "Error: KeyError - 'Rome'"


@workflow.defn
class HelloWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(await TemporalAgent("m", callback_handler=None).invoke_async("go")).strip()


async def test_models_live_until_the_last_worker_of_the_plugin_ends(
    client: Client, worker_options: dict[str, Any]
) -> None:
    made: list[ScriptedModel] = []

    def factory() -> ScriptedModel:
        made.append(ScriptedModel(lambda call: say("hi")))
        return made[-1]

    on_client = Client(client.service_client, plugins=[StrandsPlugin(models={"m": factory})])
    outer, inner = f"outer-{uuid.uuid4()}", f"inner-{uuid.uuid4()}"
    async with Worker(on_client, task_queue=outer, workflows=[HelloWorkflow], **worker_options):
        await on_client.execute_workflow(HelloWorkflow.run, id=outer, task_queue=outer)
        async with Worker(on_client, task_queue=inner, workflows=[HelloWorkflow], **worker_options):
            await on_client.execute_workflow(HelloWorkflow.run, id=inner, task_queue=inner)
        await on_client.execute_workflow(HelloWorkflow.run, id=f"{outer}-2", task_queue=outer)
    assert len(made) == 1
    async with Worker(on_client, task_queue=outer, workflows=[HelloWorkflow], **worker_options):
        await on_client.execute_workflow(HelloWorkflow.run, id=f"{outer}-3", task_queue=outer)
    assert len(made) == 2


@tool
async def reads_a_file() -> str:
    """Use the loop's executor, as async tools do that block."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, lambda: "read it")


@workflow.defn
class ExecutorWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "m", tools=[reads_a_file], callback_handler=None, start_to_close_timeout=timedelta(seconds=10)
        )
        return str(await agent.invoke_async("go"))


async def test_an_async_tool_that_would_do_io_in_a_thread_is_refused(agents: Agents) -> None:
    def answer(call: ScriptedCall) -> Reply:
        return say(call.text) if call.number else use_tool("reads_a_file", {})

    model = ScriptedModel(answer)
    async with agents(workflows=[ExecutorWorkflow], models={"m": lambda: model}) as env:
        result = await env.run(ExecutorWorkflow.run)
    assert "wants to run in a thread" in result
    assert "activity_as_tool" in result
