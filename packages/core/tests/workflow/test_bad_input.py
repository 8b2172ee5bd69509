"""Bad input gets a clear error at the earliest point, and the workflow ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from conftest import Agents
from strands import ModelRetryStrategy, tool
from strands.hooks import AgentInitializedEvent, BeforeInvocationEvent, HookProvider, HookRegistry
from strands.tools.mcp import MCPClient
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_hook, activity_as_tool


@activity.defn
async def an_activity(text: str) -> str:
    """Echo."""
    return text


async def not_an_activity(text: str) -> str:
    return text


class AsyncInit(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(AgentInitializedEvent, activity_as_hook(an_activity))


class RaisingHook(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeInvocationEvent, self.explode)

    def explode(self, event: BeforeInvocationEvent) -> None:
        raise KeyError("a bug in a hook")


class ARealModel(ScriptedModel):
    """Stands in for any provider's model, which must not run in the workflow."""


def agent(**options: Any) -> TemporalAgent:
    return TemporalAgent(**options)


def tool_of(function: Any, **options: Any) -> Any:
    return activity_as_tool(function, **options)


# Case -> the failure's type, and words of its message.
WRONG_CONSTRUCTION: dict[str, tuple[Callable[[], Any], str, list[str]]] = {
    "unknown option": (
        lambda: agent(model="claude", start_to_close_timout=timedelta(seconds=1)),
        "AgentTypeError",
        ["start_to_close_timout", "start_to_close_timeout", "tools"],
    ),
    "retry_strategy": (
        lambda: agent(retry_strategy=ModelRetryStrategy()),
        "AgentValueError",
        ["retry_strategy", "retry_policy"],
    ),
    "activity_id": (lambda: agent(activity_id="one"), "AgentValueError", ["activity_id", "twice at once"]),
    "timeout of a wrong type": (
        lambda: agent(start_to_close_timeout=60),
        "AgentTypeError",
        ["start_to_close_timeout=60", "timedelta"],
    ),
    "negative timeout": (
        lambda: agent(start_to_close_timeout=timedelta(seconds=-1)),
        "AgentValueError",
        ["start_to_close_timeout", "not positive"],
    ),
    "a real model": (
        lambda: agent(model=ARealModel()),
        "AgentTypeError",
        ["ARealModel", "StrandsPlugin(models="],
    ),
    "a model that is nothing": (lambda: agent(model=42), "AgentTypeError", ["42", "TemporalModel"]),
    "an empty model name": (lambda: agent(model=""), "AgentValueError", ["empty"]),
    "options beside a handle": (
        lambda: agent(model=TemporalModel("claude"), start_to_close_timeout=timedelta(seconds=1)),
        "AgentValueError",
        ["start_to_close_timeout", "TemporalModel"],
    ),
    "a real MCP client": (
        lambda: agent(tools=[MCPClient(lambda: cast("Any", None))]),
        "AgentTypeError",
        ["MCPClient", "TemporalMCPClient"],
    ),
    "an empty topic": (lambda: agent(streaming_topic=""), "AgentValueError", ["streaming_topic is empty"]),
    "a batch interval of a wrong type": (
        lambda: agent(streaming_topic="t", streaming_batch_interval=0.1),
        "AgentTypeError",
        ["streaming_batch_interval=0.1", "timedelta"],
    ),
    "hot-reloaded tools": (
        lambda: agent(load_tools_from_directory=True),
        "AgentValueError",
        ["load_tools_from_directory", "replay"],
    ),
    "what Strands itself refuses": (lambda: agent(agent_id="a/b"), "AgentValueError", ["a/b"]),
    "an async callback that Strands refuses": (
        lambda: agent(hooks=[AsyncInit()]),
        "AgentValueError",
        ["AgentInitializedEvent"],
    ),
    "a tool that is no activity": (
        lambda: tool_of(not_an_activity),
        "AgentTypeError",
        ["not_an_activity", "defn"],
    ),
    "a tool that is no function": (lambda: tool_of("fetch"), "AgentTypeError", ["'fetch'", "not a function"]),
    "an unknown option of a tool": (
        lambda: tool_of(an_activity, retries=3),
        "AgentTypeError",
        ["retries", "Known"],
    ),
    "a hook input that is no function": (
        lambda: activity_as_hook(an_activity, activity_input=cast("Any", "name")),
        "AgentTypeError",
        ["activity_input='name'"],
    ),
    "options of a handle": (
        lambda: TemporalModel("claude", **cast("Any", {"timeout": 3})),
        "AgentTypeError",
        ["timeout", "start_to_close_timeout"],
    ),
}


@workflow.defn
class BuiltInInitWorkflow:
    """Builds in `__init__`, where an ordinary exception would make the workflow task retry forever."""

    @workflow.init
    def __init__(self, case: str) -> None:
        WRONG_CONSTRUCTION[case][0]()

    @workflow.run
    async def run(self, case: str) -> None:
        raise AssertionError(f"{case} was accepted")


@workflow.defn
class BuiltInRunWorkflow:
    @workflow.run
    async def run(self, case: str) -> None:
        WRONG_CONSTRUCTION[case][0]()


@pytest.mark.server
@pytest.mark.parametrize("case", WRONG_CONSTRUCTION)
@pytest.mark.parametrize("workflow_class", [BuiltInInitWorkflow, BuiltInRunWorkflow])
async def test_wrong_construction_ends_the_workflow(agents: Agents, case: str, workflow_class: Any) -> None:
    _, expected_type, said = WRONG_CONSTRUCTION[case]
    async with agents(workflows=[workflow_class], models={"claude": lambda: ScriptedModel(say("hi"))}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(workflow_class.run, case)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == expected_type
    assert cause.non_retryable
    for part in said:
        assert part in cause.message


@pytest.mark.parametrize("case", WRONG_CONSTRUCTION)
def test_wrong_construction_is_also_a_plain_value_or_type_error(case: str) -> None:
    build, expected_type, _ = WRONG_CONSTRUCTION[case]
    with pytest.raises(ValueError if expected_type == "AgentValueError" else TypeError):
        build()


@tool
def fine() -> str:
    """Fine."""
    return "fine"


@workflow.defn
class MisuseWorkflow:
    @workflow.run
    async def run(self, case: str) -> str:
        agent = TemporalAgent(
            "claude", hooks=[RaisingHook()] if case == "a raising hook" else [], tools=[fine]
        )
        if case == "a topic without a stream":
            agent = TemporalAgent("claude", streaming_topic="events")
        if case == "synchronous call":
            return str(agent("hi"))
        if case == "take_snapshot":
            return str(agent.take_snapshot(preset="session"))
        if case == "load_snapshot":
            agent.load_snapshot(None)
        return str(await agent.invoke_async("hi"))


MISUSE = {
    "a topic without a stream": ("AgentValueError", "self.stream = WorkflowStream()"),
    "synchronous call": ("SynchronousCallError", "await agent.invoke_async"),
    "take_snapshot": ("NotImplementedError", "take_snapshot() is not supported"),
    "load_snapshot": ("NotImplementedError", "load_snapshot() is not supported"),
    "a raising hook": ("KeyError", "a bug in a hook"),
}


@pytest.mark.server
@pytest.mark.parametrize("case", MISUSE)
async def test_misuse_and_errors_that_leave_the_agent_end_the_workflow(agents: Agents, case: str) -> None:
    expected_type, said = MISUSE[case]
    async with agents(workflows=[MisuseWorkflow], models={"claude": lambda: ScriptedModel(say("hi"))}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(MisuseWorkflow.run, case)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == expected_type
    assert cause.non_retryable
    assert said in cause.message


@workflow.defn
class CatchingWorkflow:
    """The user's own `except` sees the real class, and the agent stays usable."""

    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("claude", hooks=[RaisingHook()])
        seen: list[str] = []
        try:
            await agent.invoke_async("hi")
        except KeyError as error:
            seen.append(f"caught {error.args[0]}")
        try:
            agent.take_snapshot(preset="session")
        except NotImplementedError:
            seen.append("no snapshots")
        return seen


@pytest.mark.server
async def test_users_catch_the_real_classes(agents: Agents) -> None:
    async with agents(
        workflows=[CatchingWorkflow], models={"claude": lambda: ScriptedModel(say("hi"))}
    ) as env:
        assert await env.run(CatchingWorkflow.run) == ["caught a bug in a hook", "no snapshots"]


@workflow.defn
class UsersOwnBugWorkflow:
    @workflow.run
    async def run(self) -> str:
        await TemporalAgent("claude").invoke_async("hi")
        raise LookupError("the user's own bug, outside the agent")


@pytest.mark.server
async def test_errors_outside_the_agent_keep_temporals_behaviour(agents: Agents) -> None:
    """An ordinary exception in workflow code still fails the workflow task, so that a deploy can fix it."""
    async with agents(
        workflows=[UsersOwnBugWorkflow], models={"claude": lambda: ScriptedModel(say("hi"))}
    ) as env:
        handle = await env.start(UsersOwnBugWorkflow.run)
        failed = None
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes.failure.message
                break
        assert failed == "the user's own bug, outside the agent"
        await handle.terminate()


@workflow.defn
class UpdateWorkflow:
    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.done)
        return "still alive"

    @workflow.update
    async def turn(self, name: str) -> str:
        policy = RetryPolicy(maximum_attempts=1)
        return str(await TemporalAgent(name, retry_policy=policy).invoke_async("hi"))

    @workflow.signal
    def finish(self) -> None:
        self.done = True


@pytest.mark.server
async def test_a_failing_update_fails_alone(agents: Agents) -> None:
    from temporalio.client import WorkflowUpdateFailedError

    models = {"claude": lambda: ScriptedModel(use_tool("nothing", {}), lambda call: say("fine"))}
    async with agents(workflows=[UpdateWorkflow], models=models) as env:
        handle = await env.start(UpdateWorkflow.run)
        with pytest.raises(WorkflowUpdateFailedError) as failure:
            await handle.execute_update(UpdateWorkflow.turn, "unknown")
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == "ValueError"
        assert await handle.execute_update(UpdateWorkflow.turn, "claude") == "fine\n"
        await handle.signal(UpdateWorkflow.finish)
        assert await handle.result() == "still alive"
        await env.assert_replays(handle)
