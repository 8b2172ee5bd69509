"""The fault matrix of tools: however an activity fails, the run goes on, and the model reads the result."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands.hooks import AfterToolCallEvent
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

ATTEMPTS = 2
TWICE = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=ATTEMPTS)


@activity.defn
async def raises(city: str) -> str:
    """Look up a city."""
    counts["raises"] += 1
    raise LookupError(f"no {city}")


@activity.defn
async def times_out(city: str) -> str:
    """Look up a city."""
    counts["times_out"] += 1
    await asyncio.sleep(60)
    return city


@activity.defn
async def stops_heartbeating(city: str) -> str:
    """Look up a city, on a worker that lets it hang."""
    counts["stops_heartbeating"] += 1
    await asyncio.sleep(60)
    return city


@activity.defn
async def takes_a_number(count: int) -> int:
    """Count."""
    counts["takes_a_number"] += 1
    return count


@activity.defn
async def unserialisable(city: str) -> Any:
    """Return what JSON cannot hold."""
    counts["unserialisable"] += 1
    return {"city": city, "lock": asyncio.Lock()}


counts: dict[str, int] = {}
TOOLS = [raises, times_out, takes_a_number, unserialisable]


@dataclass(frozen=True)
class ToolFault:
    """A way in which a tool fails. After `attempts`, the model reads `text` in a result with `status`."""

    activity: Callable[..., Any]
    arguments: dict[str, Any]
    attempts: int
    status: str
    text: str
    exception: str


TOOL_FAULTS: dict[str, ToolFault] = {
    "raises": ToolFault(
        raises, {"city": "Rom"}, ATTEMPTS, "error", "Error: LookupError - no Rom", "LookupError"
    ),
    "times out": ToolFault(
        times_out, {"city": "Rom"}, ATTEMPTS, "error", "Error: TimeoutError", "TimeoutError"
    ),
    "heartbeats stop": ToolFault(
        stops_heartbeating, {"city": "Rom"}, ATTEMPTS, "error", "Error: TimeoutError", "TimeoutError"
    ),
    "wrong arguments": ToolFault(
        takes_a_number, {"count": "many"}, 0, "error", "Validation failed for input parameters", "ValueError"
    ),
    "missing arguments": ToolFault(
        takes_a_number, {}, 0, "error", "Validation failed for input parameters", "ValueError"
    ),
    "unserialisable result": ToolFault(
        unserialisable, {"city": "Rom"}, 1, "success", "{'city': 'Rom', 'lock': <asyncio.locks.Lock", "None"
    ),
}


@workflow.defn
class ToolFaultWorkflow:
    @workflow.run
    async def run(self, name: str, sequential: bool, elsewhere: str) -> list[str]:
        from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor

        seen: list[str] = []

        def remember(event: AfterToolCallEvent) -> None:
            seen.extend(
                [event.result["status"], type(event.exception).__name__ if event.exception else "None"]
            )

        tools = [
            activity_as_tool(
                function,
                retry_policy=TWICE,
                start_to_close_timeout=timedelta(seconds=1 if function is times_out else 30),
            )
            for function in TOOLS
        ]
        hanging = activity_as_tool(
            stops_heartbeating,
            retry_policy=TWICE,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=1),
            task_queue=elsewhere,  # its worker has no plugin, so nothing heartbeats
        )
        executor = SequentialToolExecutor() if sequential else ConcurrentToolExecutor()
        agent = TemporalAgent(
            "m", tools=[*tools, hanging], hooks=[remember], tool_executor=executor, callback_handler=None
        )
        return [*seen, str(await agent.invoke_async(name)), *seen]


@pytest.mark.sample(6)
@pytest.mark.parametrize("sequential", [False, True], ids=["concurrent", "sequential"])
@pytest.mark.parametrize("name", TOOL_FAULTS)
async def test_a_tool_fault_is_an_error_the_model_reads(
    agents: Agents, client: Client, name: str, sequential: bool
) -> None:
    fault = TOOL_FAULTS[name]
    tool_name = fault.activity.__name__
    counts[tool_name] = 0
    elsewhere = f"elsewhere-{uuid.uuid4()}"

    def answer(call: ScriptedCall) -> Reply:
        return say(call.text) if call.number else use_tool(tool_name, fault.arguments)

    model = ScriptedModel(answer)
    async with (
        Worker(client, task_queue=elsewhere, activities=[stops_heartbeating]),
        agents(workflows=[ToolFaultWorkflow], activities=TOOLS, models={"m": lambda: model}) as env,
    ):
        text, status, exception = await env.run(ToolFaultWorkflow.run, name, sequential, elsewhere)
    assert fault.text in text
    assert (status, exception) == (fault.status, fault.exception)
    assert counts[tool_name] == fault.attempts
    assert len(model.calls) == 2
