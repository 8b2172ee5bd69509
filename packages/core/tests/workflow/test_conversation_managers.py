"""Conversation managers in a workflow: those that work as in a plain agent, and the one that is refused."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from conftest import Agents
from strands import Agent
from strands.agent.conversation_manager import (
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.models import BedrockModel, Model
from strands.types.exceptions import ContextWindowOverflowException
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
)


class Shortener(Model):
    """A user's own model that needs no I/O: it runs in the workflow."""

    def update_config(self, **model_config: Any) -> None: ...

    def get_config(self) -> dict[str, Any]:
        return {}

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": f"{len(messages)} messages in short"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}

    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        raise NotImplementedError
        yield


class Halving(SummarizingConversationManager):
    """A user's own manager. It reduces the context without calling a model."""

    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        del agent.messages[: len(agent.messages) // 2 // 2 * 2]


class Renamed(SummarizingConversationManager):
    """A user's subclass with Strands' behaviour."""


REFUSED: dict[str, Callable[[], SummarizingConversationManager]] = {
    "as it is": SummarizingConversationManager,
    "a subclass": Renamed,
    "with a prompt": lambda: SummarizingConversationManager(summarization_system_prompt="short"),
    "proactive": lambda: SummarizingConversationManager(proactive_compression=True),
    "with a TemporalAgent": lambda: SummarizingConversationManager(summarization_agent=TemporalAgent("m")),
    "with a handle": lambda: SummarizingConversationManager(summarization_agent=Agent(TemporalModel("m"))),
    "with a provider": lambda: SummarizingConversationManager(
        summarization_agent=Agent(BedrockModel(region_name="us-west-2"))
    ),
}
WORKING: dict[str, Callable[[], SummarizingConversationManager]] = {
    "its own way": Halving,
    "a model of the user's": lambda: SummarizingConversationManager(
        summarization_agent=Agent(Shortener(), callback_handler=None)
    ),
}
MATCH = r"Agent\(conversation_manager=\.\.\.\): \w+ calls its model synchronously.*context_manager='auto'"


@pytest.mark.parametrize("case", REFUSED)
def test_refused_when_the_agent_is_built(case: str) -> None:
    with pytest.raises(AgentTypeError, match=MATCH):
        TemporalAgent("m", conversation_manager=REFUSED[case]())


@pytest.mark.parametrize("case", REFUSED)
def test_refused_when_it_is_assigned(case: str) -> None:
    agent = TemporalAgent("m")
    before = agent.conversation_manager
    with pytest.raises(AgentTypeError, match=MATCH):
        agent.conversation_manager = REFUSED[case]()
    assert agent.conversation_manager is before
    other = SlidingWindowConversationManager(window_size=3)
    agent.conversation_manager = other
    assert agent.conversation_manager is other


@pytest.mark.parametrize("case", WORKING)
def test_one_that_works_is_taken(case: str) -> None:
    manager = WORKING[case]()
    assert TemporalAgent("m", conversation_manager=manager).conversation_manager is manager


def test_one_that_is_not_used_is_no_matter() -> None:
    with pytest.warns(UserWarning, match="ignoring co-provided conversation_manager"):
        TemporalAgent("m", context_manager="auto", conversation_manager=SummarizingConversationManager())


@workflow.defn
class PlainAgentWorkflow:
    """A plain agent with a handle for its model, alone or below a TemporalAgent."""

    @workflow.run
    async def run(self, below: bool) -> str:
        agent = Agent(
            TemporalModel("m"),
            name="inner",
            description="d",
            conversation_manager=SummarizingConversationManager(),
            callback_handler=None,
            retry_strategy=None,
        )
        if below:
            agent = TemporalAgent("m", tools=[agent], callback_handler=None)
            return str(await agent.tool_async.inner(input="go"))
        return str(await agent.invoke_async("go"))


@pytest.mark.server
async def test_a_plain_agent_is_refused_before_its_first_call(agents: Agents) -> None:
    model = ScriptedModel(say("never"))
    async with agents(workflows=[PlainAgentWorkflow], models={"m": lambda: model}) as env:
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(PlainAgentWorkflow.run, False)
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "AgentTypeError"
        assert "context_manager='auto'" in failed.value.cause.message
        assert "context_manager='auto'" in await env.run(PlainAgentWorkflow.run, True)
    assert not model.calls


# --- Managers that work, at an overflow ---------------------------------------------------------------------


def long_conversation() -> list[Any]:
    return [
        {"role": "user" if number % 2 == 0 else "assistant", "content": [{"text": f"message {number}"}]}
        for number in range(20)
    ]


def overflowing(call: ScriptedCall) -> Reply:
    """Take twelve messages at most; summarize when asked to."""
    if len(call.messages) > 12 and "summar" not in str(call.system_prompt).lower():
        raise ContextWindowOverflowException("too long")
    return say(f"answer to {len(call.messages)}")


def script() -> ScriptedModel:
    return ScriptedModel(*[overflowing] * 12)


@pytest.mark.server
@pytest.mark.parametrize("case", WORKING)
async def test_a_summary_without_a_wait_is_made_in_the_workflow(
    client: Client, case: str, worker_options: dict[str, Any]
) -> None:
    parity = await run_parity(
        client,
        Scenario(
            script,
            lambda make: make(conversation_manager=WORKING[case](), messages=long_conversation()),
            prompts("go", "on"),
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert (parity.durable.text or "").startswith("answer to")
    assert ("messages in short" in str(parity.durable.messages)) is (case != "its own way")


@pytest.mark.server
@pytest.mark.filterwarnings("ignore:context_window_limit is not set:UserWarning")
async def test_what_the_refusal_names_summarizes_as_in_a_plain_agent(
    client: Client, worker_options: dict[str, Any]
) -> None:
    def build(make: AgentFactory) -> Agent:
        return make(context_manager="auto", messages=long_conversation())

    parity = await run_parity(client, Scenario(script, build, prompts("go", "on")), **worker_options)
    assert parity.plain.error is None
    parity.assert_equal()
    assert "[Summarized: " in str(parity.durable.messages)
