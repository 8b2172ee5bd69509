"""API that works only in workflows: outside of one, its error says so and names the alternative."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from temporalio import activity

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.workflow import TemporalTools, activity_as_hook, activity_as_tool, execute_activity


class Answer(BaseModel):
    text: str


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@activity.defn
async def look_up(what: str) -> str:
    """Look something up."""
    return what


def agent(**arguments: Any) -> TemporalAgent:
    return TemporalAgent("claude", callback_handler=None, **arguments)


async def streamed(agent: Agent) -> None:
    async for _ in agent.stream_async("hi"):
        pass


async def at_once(call: Callable[[], object]) -> object:
    return call()


AGENTS = (
    r"^TemporalAgent: {} works inside a Temporal workflow only\. .*execute_workflow.*strands\.Agent\(model="
)
ACTIVITIES = (
    r"^The activity 'look_up' can be started inside a Temporal workflow only\. Outside, call the function"
)
CALLS: dict[str, tuple[str, Callable[[], Awaitable[object]]]] = {
    "called": (AGENTS.format(r"agent\(\.\.\.\)"), lambda: at_once(lambda: agent()("hi"))),
    "structured output": (
        AGENTS.format(r"agent\.structured_output\(\.\.\.\)"),
        lambda: at_once(lambda: agent().structured_output(Answer, "hi")),
    ),
    "invoke_async": (AGENTS.format(r"agent\.invoke_async\(\.\.\.\)"), lambda: agent().invoke_async("hi")),
    "stream_async": (AGENTS.format(r"agent\.invoke_async\(\.\.\.\)"), lambda: streamed(agent())),
    "structured_output_async": (
        AGENTS.format(r"agent\.structured_output_async\(\.\.\.\)"),
        lambda: agent().structured_output_async(Answer, "hi"),
    ),
    "with tools of a worker": (
        AGENTS.format(r"agent\.invoke_async\(\.\.\.\)"),
        lambda: agent(tools=[TemporalTools("shell")]).invoke_async("hi"),
    ),
    "tool_async": (
        AGENTS.format(r"agent\.tool_async\.add\(\.\.\.\)"),
        lambda: agent(tools=[add]).tool_async.add(a=1, b=2),
    ),
    "an activity": (ACTIVITIES, lambda: execute_activity(look_up, ["x"], {})),
    "a hook": (ACTIVITIES, lambda: _awaited(activity_as_hook(look_up, activity_input=lambda event: "x"))),
    "a handle": (
        r"^TemporalModel\('claude'\) works inside a Temporal workflow only; outside, use the model itself",
        lambda: Agent(TemporalModel("claude"), callback_handler=None).invoke_async("hi"),
    ),
}


async def _awaited(hook: Any) -> None:
    await hook(None)


@pytest.mark.parametrize("case", CALLS)
async def test_outside_of_a_workflow(case: str) -> None:
    match, call = CALLS[case]
    with pytest.raises(RuntimeError, match=match):
        await call()


def test_a_direct_call_of_an_activity_is_a_failed_tool_that_says_so() -> None:
    outside = agent(tools=[add, activity_as_tool(look_up)])
    assert outside.tool.add(a=1, b=2)["content"] == [{"text": "3"}]
    failed = outside.tool.look_up(what="x")
    assert failed["status"] == "error"
    assert "The activity 'look_up' can be started inside a Temporal workflow only" in str(failed["content"])
