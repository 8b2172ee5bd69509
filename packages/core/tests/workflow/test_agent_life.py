"""Around an agent's turns, as in plain Strands: scopes, concurrent calls, guardrails, results."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from strands import Agent
from strands.agent import AgentResult
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import TemporalAgent
from strands_temporal.testing import AgentFactory, Reply, Scenario, ScriptedModel, prompts, run_parity, say

pytestmark = pytest.mark.server


def redacted() -> Reply:
    """A model whose guardrail redacts the user's prompt and its own answer."""
    start, *answer = say("something unspeakable").events
    redaction: Any = {
        "redactContent": {
            "redactUserContentMessage": "[the question was removed]",
            "redactAssistantContentMessage": "[the answer was removed]",
        }
    }
    return Reply((start, *answer, redaction))


async def test_a_guardrail_redacts_question_and_answer_as_locally(
    client: Client, worker_options: dict[str, Any]
) -> None:
    def script() -> ScriptedModel:
        return ScriptedModel(redacted(), say("what then?"))

    def build(make: AgentFactory) -> Agent:
        return make()

    parity = await run_parity(
        client, Scenario(script, build, prompts("tell me", "and now?")), **worker_options
    )
    parity.assert_equal()
    assert "unspeakable" not in str(parity.durable.messages)
    assert parity.durable.given[1]["messages"][0]["content"] == [{"text": "[the question was removed]"}]


async def twice(agent: Agent) -> list[str]:
    """Call an agent twice concurrently, and return how each call ended."""
    ended = await asyncio.gather(agent.invoke_async("a"), agent.invoke_async("b"), return_exceptions=True)
    return sorted(type(end).__name__ if isinstance(end, BaseException) else str(end).strip() for end in ended)


@workflow.defn
class LifeWorkflow:
    @workflow.run
    async def run(self, mode: Any) -> Any:
        agent = TemporalAgent(
            "m",
            name="clerk",
            description="answers",
            trace_attributes={"desk": "7"},
            baggage_attributes={"tenant": "acme"},
            concurrent_invocation_mode=mode,
            callback_handler=None,
        )
        ended = await twice(agent)
        async with agent as same:
            result = await same.invoke_async("once more")
        with agent:
            pass
        agent.shutdown()
        await agent.shutdown_async()
        return [ended, result.to_dict(), agent.name, agent.description]


@pytest.mark.parametrize("mode", ["throw", "unsafe_reentrant"])
async def test_two_calls_at_once_scopes_and_the_result_as_a_dict(agents: Agents, mode: Any) -> None:
    model = ScriptedModel(lambda call: say("done"))
    async with agents(workflows=[LifeWorkflow], models={"m": lambda: model}) as env:
        ended, result, name, description = await env.run(LifeWorkflow.run, mode)
    plain = Agent(
        ScriptedModel(lambda call: say("done").after(0.1)),
        concurrent_invocation_mode=mode,
        callback_handler=None,
    )
    assert ended == await twice(plain)
    assert ended == (["ConcurrencyException", "done"] if mode == "throw" else ["done", "done"])
    restored = AgentResult.from_dict(result)
    assert (str(restored).strip(), restored.stop_reason) == ("done", "end_turn")
    assert (name, description) == ("clerk", "answers")
