"""Whatever the size of the results and progress of hooks and hosted tools, the run ends or goes on."""

import re
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.wire.size_scenes import KB, MB, failure_of, results
from strands import tool
from strands.hooks import BeforeInvocationEvent
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import PayloadTooLargeError, StrandsPlugin, TemporalAgent
from strands_temporal._errors import PAYLOAD_TOO_LARGE
from strands_temporal.activity import ToolContext
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools, activity_as_hook, activity_as_tool

pytestmark = pytest.mark.server


# --- Hooks -------------------------------------------------------------------------------------------------

attempts: list[str] = []


@activity.defn
async def note(text: str) -> str:
    """Take a text, or return one of a size."""
    attempts.append(text[:20])
    return "x" * int(text) if text.isdigit() else str(len(text))


@workflow.defn
class HookWorkflow:
    @workflow.run
    async def run(self, text: str, times: int, catch: bool) -> str:
        agent = TemporalAgent("m", callback_handler=None)
        agent.add_hook(
            activity_as_hook(note, activity_input=lambda event: text * times), BeforeInvocationEvent
        )
        try:
            return str(await agent.invoke_async("go")).strip()
        except PayloadTooLargeError as error:
            if not catch:
                raise
            return f"caught {error}"


async def test_a_hook_given_too_much_ends_the_run_with_its_reason(agents: Agents) -> None:
    attempts.clear()
    async with agents(
        workflows=[HookWorkflow], activities=[note], models={"m": lambda: ScriptedModel(say("ok"))}
    ) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(HookWorkflow.run, "y", 3 * MB, False)
        assert failure_of(error.value).type == PAYLOAD_TOO_LARGE
        assert "Activity 'note': an input of 3,000,0" in failure_of(error.value).message
        caught = await env.run(HookWorkflow.run, "y", 3 * MB, True)
        assert caught.startswith("caught Activity 'note': an input of 3,000,0")
        assert attempts == []
        assert await env.run(HookWorkflow.run, "y", 2_090_000, False) == "ok"  # just below the limit


@pytest.mark.parametrize("size", [3 * MB, 6 * MB])
async def test_a_hooks_result_that_is_too_large_is_not_made_again(agents: Agents, size: int) -> None:
    attempts.clear()
    async with agents(
        workflows=[HookWorkflow], activities=[note], models={"m": lambda: ScriptedModel(say("ok"))}
    ) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(HookWorkflow.run, str(size), 1, False)
        assert failure_of(error.value).type == "ResultTooLarge"
        assert f"{size:,}"[:5] in failure_of(error.value).message
        assert attempts == [str(size)]


# --- Results of hosted tools -------------------------------------------------------------------------------


@tool
def answers_much(size: int) -> str:
    """Answer with a text of that size."""
    attempts.append(str(size))
    return "x" * size


@workflow.defn
class HostedWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[TemporalTools("answers_much")], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.parametrize("size", [3 * MB, 6 * MB])
async def test_a_hosted_tools_result_that_is_too_large_is_a_failed_tool_after_one_attempt(
    agents: Agents, size: int
) -> None:
    attempts.clear()
    plugin = StrandsPlugin(
        models={"m": lambda: ScriptedModel(use_tool("answers_much", {"size": size}), results)},
        tools={"answers_much": lambda: answers_much},
    )
    async with agents(workflows=[HostedWorkflow], plugins=[plugin]) as env:
        told = await env.run(HostedWorkflow.run)
        assert re.search(rf"The tool's result is too large for Temporal: {size:,}"[:-3], told)
        assert attempts == [str(size)]


# --- Progress ----------------------------------------------------------------------------------------------


@activity.defn
async def works(size: int, tool_context: ToolContext) -> str:
    """Report progress."""
    try:
        tool_context.report_progress({"done": "x" * size})
    except ValueError as error:
        return f"refused: {error}"
    return "reported"


@tool
async def yields(size: int) -> Any:
    """Yield progress."""
    yield {"done": "x" * size}
    yield "yielded"


@workflow.defn
class ProgressWorkflow:
    @workflow.run
    async def run(self, size: int) -> list[str]:
        agent = TemporalAgent(
            "m", tools=[activity_as_tool(works), TemporalTools("yields")], callback_handler=None
        )
        await agent.invoke_async("go")
        called = [
            await agent.tool_async.works(size=size, record_direct_tool_call=False),
            await agent.tool_async.yields(size=size, record_direct_tool_call=False),
        ]
        return [result["content"][0].get("text", "") for result in called]


@pytest.mark.parametrize(
    ("size", "told"), [(1_000 * KB, "reported"), (3 * MB, "refused: report_progress: a v")]
)
async def test_progress_that_is_too_large_is_refused_where_it_is_reported(
    agents: Agents, size: int, told: str
) -> None:
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(say("ok"))}, tools={"yields": lambda: yields})
    async with agents(workflows=[ProgressWorkflow], activities=[works], plugins=[plugin]) as env:
        activity_told, hosted_told = await env.run(ProgressWorkflow.run, size)
        assert activity_told.startswith(told)
        assert hosted_told == "yielded"
