"""Shared by the tests of MCP agents: workflows, and functions that read their histories."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from strands.hooks import AfterToolCallEvent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import encode
from strands_temporal.testing import AgentEnvironment, ScriptedModel, use_tools
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient

with workflow.unsafe.imports_passed_through():
    from strands import Agent

TWO_ATTEMPTS = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)


def plugins(model: ScriptedModel, **mcp_clients: Any) -> list[Any]:
    return [StrandsPlugin(models={"scripted": lambda: model}), MCPPlugin(mcp_clients=mcp_clients)]


def tool_results(agent: Agent) -> list[Any]:
    results = [block["toolResult"] for m in agent.messages for block in m["content"] if "toolResult" in block]
    return encode(results)


def turn(calls: Sequence[tuple[str, dict[str, Any]]]) -> Any:
    """Return an answer that asks for several tool calls at once."""
    return use_tools([(name, arguments, f"{name}-{n}") for n, (name, arguments) in enumerate(calls)])


def text(result: Any) -> str:
    return result["content"][0]["text"]


async def scheduled(env: AgentEnvironment) -> list[str]:
    """Return the activities of the last workflow, in order."""
    history = await env.handles[-1].fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def attempts(env: AgentEnvironment, activity_type: str) -> list[int]:
    """Return how often each activity of that type was tried."""
    history = await env.handles[-1].fetch_history()
    of_type = {
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity_type
    }
    started = [event.activity_task_started_event_attributes for event in history.events]
    of_type_started = [attributes for attributes in started if attributes.scheduled_event_id in of_type]
    for attributes in of_type_started:
        if attributes.attempt > 1:
            print(f"attempt {attributes.attempt} after: {attributes.last_failure}")  # noqa: T201  # pytest shows it
    return [attributes.attempt for attributes in of_type_started]


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, thirty seconds at most."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{condition} did not hold in time")


def failure(error: WorkflowFailureError) -> ApplicationError:
    assert isinstance(error.cause, ApplicationError)
    return error.cause


@workflow.defn
class OneServer:
    """An agent with the server `tests`; returns its tool results."""

    def __init__(self) -> None:
        tests = TemporalMCPClient(
            server="tests", start_to_close_timeout=timedelta(seconds=30), retry_policy=TWO_ATTEMPTS
        )
        self.agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)

    @workflow.run
    async def run(self, prompts: list[str]) -> list[Any]:
        for prompt in prompts:
            await self.agent.invoke_async(prompt)
        return tool_results(self.agent)


@workflow.defn
class OneAttempt:
    """An agent whose calls have one attempt; returns its tool results and what the hook saw."""

    @workflow.run
    async def run(self, heartbeat_seconds: float | None, seconds: float, prompt: str = "go") -> list[Any]:
        seen: list[Any] = []

        def after(event: AfterToolCallEvent) -> None:
            seen.append([type(event.exception).__name__, event.result["status"]])

        tests = TemporalMCPClient(
            server="tests",
            start_to_close_timeout=timedelta(seconds=seconds),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)
        agent.add_hook(after, AfterToolCallEvent)
        await agent.invoke_async(prompt)
        return [*tool_results(agent), *seen]
