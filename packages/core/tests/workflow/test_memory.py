"""Strands' memory in a workflow: search, injection and extraction by a model, with a store in memory."""

import json
from typing import Any

import pytest
from strands import Agent
from strands.agent import AgentResult
from strands.memory import InvocationTrigger, MemoryManager, ModelExtractor
from strands.vended_memory_stores.test_memory_store import TestMemoryStore
from temporalio.client import Client

from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
)

pytestmark = pytest.mark.server


def answer(call: ScriptedCall) -> Reply:
    """Extract a fact when asked to, search once, and repeat what was found or injected."""
    if not call.tool_names:  # the extractor's call
        return say(json.dumps([{"content": "Ada prefers tea"}]))
    if "toolResult" in call.messages[-1]["content"][0]:
        return say(call.text)
    if "search" in call.text:
        return use_tool("search_memory", {"query": "what does Ada prefer"}, tool_use_id="s")
    return say(f"{len(call.messages[-1]['content'])} blocks")


def build(make: AgentFactory) -> Agent:
    store = TestMemoryStore(
        name="notes",
        persist=False,
        extraction={"trigger": [InvocationTrigger()], "extractor": ModelExtractor()},
    )
    return make(memory_manager=MemoryManager(stores=[store]))


async def drive(agent: Agent) -> AgentResult:
    """Tell a fact, ask with injected memories, and search. Each turn is extracted before the next begins."""
    await agent.invoke_async("I am Ada and I prefer tea")
    await agent.shutdown_async()  # waits for background work
    await agent.invoke_async("what does Ada prefer?")
    await agent.shutdown_async()
    result = await agent.invoke_async("search it")
    await agent.shutdown_async()
    return result


async def test_memory_is_extracted_injected_and_searched_as_locally(
    client: Client, worker_options: dict[str, Any]
) -> None:
    parity = await run_parity(client, Scenario(lambda: ScriptedModel(answer), build, drive), **worker_options)
    parity.assert_equal()
    assert "Ada prefers tea" in (parity.durable.text or "")
    assert "Ada prefers tea" in str(parity.durable.given[2:])
