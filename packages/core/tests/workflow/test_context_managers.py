"""`context_manager=` and the context offloader in a workflow, as in a plain agent."""

import re
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.context_scenes import long_conversation, script, small, with_aux_model
from strands import Agent, tool
from strands.experimental.context_manager import Offload
from strands.models.openai import OpenAIModel
from strands.vended_plugins.context_offloader import ContextOffloader
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal.testing import (
    AgentFactory,
    Parity,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
)

pytestmark = pytest.mark.server


async def check(client: Client, scenario: Scenario, options: dict[str, Any]) -> Parity:
    parity = await run_parity(client, scenario, **options)
    assert parity.plain.error is None
    parity.assert_equal()
    return parity


@pytest.mark.filterwarnings("ignore:context_window_limit is not set:UserWarning")
async def test_auto_summarizes_after_an_overflow(client: Client, worker_options: dict[str, Any]) -> None:
    def build(make: AgentFactory) -> Agent:
        return make(context_manager="auto", messages=long_conversation(), **with_aux_model(make))

    parity = await check(client, Scenario(script, build, prompts("go", "on")), worker_options)
    assert "[Summarized: " in str(parity.durable.messages)


def strategies(make: AgentFactory) -> dict[str, Any]:
    """A pipeline of the user's, with a model of its own for summaries."""
    config: Any = {"model": TemporalModel("scripted")} if make.durable else {}
    return {
        "strategies": [
            Offload.summarize("*", config).when(utilization=0.7, preserve_recent=4),
            "overflow_protection",
        ],
        "stash": False,
    }


@pytest.mark.parametrize("manager", ["auto", "strategies"])
async def test_a_conversation_that_is_too_long_at_the_start(
    client: Client, manager: str, worker_options: dict[str, Any]
) -> None:
    def build(make: AgentFactory) -> Agent:
        chosen = strategies(make) if manager == "strategies" else manager
        return make(context_manager=chosen, messages=long_conversation(12, words=8))

    parity = await check(client, Scenario(small, build, prompts("go", "on")), worker_options)
    first = next(given for given in parity.durable.given if "go" in str(given["messages"][-1]["content"]))
    assert len(first["messages"]) < 8
    assert "[Summarized: " in str(first["messages"])


@workflow.defn
class PlainStrategiesWorkflow:
    @workflow.run
    async def run(self) -> None:
        agent = Agent(TemporalModel("m"), context_manager=with_a_provider(), callback_handler=None)
        await agent.invoke_async("go")


def with_a_provider() -> Any:
    model = OpenAIModel(client_args={"api_key": "x"}, model_id="m")
    return {
        "strategies": ["stale_tool_cleanup", Offload.summarize("*", {"model": model}).when(utilization=1)]
    }


async def test_a_strategy_with_a_real_model_is_refused(agents: Agents) -> None:
    match = r"the OpenAIModel of a strategy would do its I/O inside the workflow.*TemporalModel\(name\)"
    with pytest.raises(AgentTypeError, match=rf"TemporalAgent\(context_manager=...\): {match}"):
        TemporalAgent("m", context_manager=with_a_provider())
    async with agents(workflows=[PlainStrategiesWorkflow], models={"m": script}) as env:
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(PlainStrategiesWorkflow.run)
    cause: Any = failed.value.cause
    assert cause.type == "AgentTypeError"
    assert re.match(rf"Agent\(context_manager=...\): {match}", cause.message)


def agentic(call: ScriptedCall) -> Reply:
    """Use each of the tools that the agent got, in turn."""
    if "summarizer" in str(call.system_prompt):
        return say(f"{len(call.messages)} in short")
    done = call.text if call.tool_results else ""
    if "Summarized" in done:
        return use_tool("truncate_context", {"keep_recent": 12})
    if "Pinned" in done:
        return use_tool("summarize_context", {"keep_recent": 8, "summary_ratio": 0.5})
    return say("done") if done else use_tool("pin_context", {"select": [2]})


async def test_agentic(client: Client, worker_options: dict[str, Any]) -> None:
    """The model shortens its conversation by tools, and reads how full its window is."""

    def build(make: AgentFactory) -> Agent:
        return make(context_manager="agentic", messages=long_conversation(), **with_aux_model(make))

    model = lambda: ScriptedModel(agentic, config={"context_window_limit": 4321})  # noqa: E731
    parity = await check(client, Scenario(model, build, prompts("go", "on")), worker_options)
    texts = str(parity.durable.tool_results)
    assert "Pinned 1" in texts
    assert "Summarized " in texts
    assert "Dropped " in texts
    first, *_ = parity.durable.given
    assert " / 4,321 tokens" in str(first["messages"][-1])  # the model's limit, at the first call already
    assert any("in short" in str(given["messages"]) for given in parity.durable.given)


@tool
def report(pages: int) -> dict[str, Any]:
    """Return a long report."""
    text = " ".join(f"line {number}" for number in range(pages * 100))
    return {"status": "success", "content": [{"text": text}, {"json": {"pages": list(range(pages * 50))}}]}


def offloaded(call: ScriptedCall) -> Reply:
    """Ask for a report, and then for the part of it that was left out."""
    if call.prompt == "on":
        return say("nothing more")
    if not call.tool_results:
        return use_tool("report", {"pages": 40}, tool_use_id="report-1")
    if reference := re.search(r"Stored references:]\s+(\S+) ", call.text):
        return use_tool("retrieve_offloaded_content", {"reference": reference[1], "pattern": "line 3999"})
    return say("found it" if "line 3999" in call.text else "lost")


async def test_the_offloader(client: Client, worker_options: dict[str, Any]) -> None:
    """The workflow's memory keeps a large result, and the model reads a part of it again."""

    def build(make: AgentFactory) -> Agent:
        offloader = ContextOffloader(max_result_tokens=500, preview_tokens=50)
        return make(tools=[report], plugins=[offloader])

    parity = await check(
        client, Scenario(lambda: ScriptedModel(offloaded), build, prompts("go", "on")), worker_options
    )
    assert "found it" in str(parity.durable.messages)
    assert "line 2000" not in str(parity.durable.given[-1]["messages"])  # left out of the conversation
