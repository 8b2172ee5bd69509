"""Conversation managers in a workflow shorten a conversation as in a plain agent; summaries are recorded."""

import asyncio
import os
import signal
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.context_scenes import (
    MANAGERS,
    asks_a_tool,
    inner_agent,
    is_summary,
    long_conversation,
    overflowing,
    script,
    small,
    with_aux_model,
)
from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.agent.conversation_manager import (
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent
from strands.models import BedrockModel
from strands.types.exceptions import ContextWindowOverflowException
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import (
    AgentFactory,
    DevServer,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    assert_replays,
    fail,
    prompts,
    run_parity,
    say,
    use_tool,
)
from strands_temporal.workflow import reduce_context

SUMMARY = "a summary of"


@pytest.mark.server
@pytest.mark.parametrize("name", MANAGERS)
async def test_after_an_overflow(client: Client, name: str, worker_options: dict[str, Any]) -> None:
    states: list[Any] = []

    def build(make: AgentFactory) -> Agent:
        return make(
            conversation_manager=MANAGERS[name](make), messages=long_conversation(), **with_aux_model(make)
        )

    async def drive(agent: Agent) -> AgentResult:
        manager = agent.conversation_manager
        result = await prompts("go", "on", "and on")(agent)
        assert agent.conversation_manager is manager
        states.append([_bare(manager.get_state()), agent.state.get()])
        return result

    model = (lambda: ScriptedModel(asks_a_tool)) if "tools" in name else script
    parity = await run_parity(client, Scenario(model, build, drive), **worker_options)
    assert parity.plain.error is None
    parity.assert_equal()
    assert all(state == states[0] for state in states)  # a replay's too
    own_way = {
        "a subclass that needs no model": "message 19",
        "with a model of the user's": "messages in short",
    }
    assert own_way.get(name, SUMMARY) in str(parity.durable.messages)
    assert "message 0 " not in str(parity.durable.messages) or name == "with settings"


def _bare(state: dict[str, Any]) -> dict[str, Any]:
    """Return a manager's state without what differs from run to run."""
    message = state.get("summary_message")
    return {**state, "summary_message": message and message["content"]}


@pytest.mark.server
@pytest.mark.parametrize(
    ("manager", "first"),
    [
        (lambda: SummarizingConversationManager(0.8, 2, proactive_compression=True), "Please summarize this"),
        (lambda: SlidingWindowConversationManager(4, proactive_compression=True), "go"),
    ],
    ids=["summarizing", "sliding"],
)
async def test_before_the_first_call(
    client: Client, manager: Any, first: str, worker_options: dict[str, Any]
) -> None:
    parity = await run_parity(
        client,
        Scenario(
            small,
            lambda make: make(conversation_manager=manager(), messages=long_conversation(12, words=8)),
            prompts("go", "on"),
        ),
        **worker_options,
    )
    parity.assert_equal()
    call, *_ = parity.durable.given
    assert first in str(call["messages"][-1])
    answered = next(given for given in parity.durable.given if "go" in str(given["messages"][-1]))
    assert len(answered["messages"]) < 13


@pytest.mark.server
@pytest.mark.parametrize("proactive", [False, True])
async def test_a_summary_that_fails(client: Client, proactive: bool, worker_options: dict[str, Any]) -> None:
    def failing(call: ScriptedCall) -> Reply:
        if is_summary(call) or (len(call.messages) > 12 and not proactive):
            return fail(ContextWindowOverflowException(f"too long: {len(call.messages)}"))
        return say(f"answer to {len(call.messages)}")

    parity = await run_parity(
        client,
        Scenario(
            lambda: ScriptedModel(failing, config={"context_window_limit": 250}),
            lambda make: make(
                conversation_manager=SummarizingConversationManager(proactive_compression=proactive),
                messages=long_conversation(words=8),
            ),
            prompts("go"),
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert (parity.durable.error is None) is proactive
    assert any("Please summarize" in str(given["messages"][-1]) for given in parity.durable.given)


@pytest.mark.server
async def test_a_plain_agent_below_another_one(client: Client, worker_options: dict[str, Any]) -> None:
    def answer(call: ScriptedCall) -> Reply:
        if "inner" not in call.tool_names:
            return overflowing(call)
        return say("done") if call.tool_results else use_tool("inner", {"input": "go"})

    parity = await run_parity(
        client,
        Scenario(
            lambda: ScriptedModel(answer),
            lambda make: make(tools=[inner_agent(make, SummarizingConversationManager())]),
            prompts("go"),
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert "answer to" in str(parity.durable.tool_results)


@pytest.mark.server
async def test_a_hook_that_calls_the_model_again_spares_the_summary(
    client: Client, worker_options: dict[str, Any]
) -> None:
    def build(make: AgentFactory) -> Agent:
        agent = make(conversation_manager=SummarizingConversationManager(), messages=long_conversation())

        def drop(event: AfterModelCallEvent) -> None:
            if isinstance(event.exception, ContextWindowOverflowException):
                del event.agent.messages[:10]
                event.retry = True

        agent.add_hook(drop, AfterModelCallEvent)
        return agent

    parity = await run_parity(client, Scenario(script, build, prompts("go")), **worker_options)
    parity.assert_equal()
    assert not any("summar" in str(given["system_prompt"]) for given in parity.durable.given)


# --- By hand ------------------------------------------------------------------------------------------------


@workflow.defn
class ByHandWorkflow:
    @workflow.run
    async def run(self, way: str) -> list[Any]:
        agent = TemporalAgent(
            "m",
            messages=long_conversation(),
            conversation_manager=SummarizingConversationManager(summarization_system_prompt="Summarize."),
            callback_handler=None,
        )
        if way == "sync":
            agent.conversation_manager.reduce_context(agent)
        else:
            await reduce_context(agent)
        first: Any = agent.messages[0]["content"][0]
        return [len(agent.messages), first["text"]]


@pytest.mark.server
async def test_by_hand(agents: Agents) -> None:
    async with agents(workflows=[ByHandWorkflow], models={"m": script}) as env:
        assert await env.run(ByHandWorkflow.run, "await") == [15, "a summary of 7"]
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(ByHandWorkflow.run, "sync")
    cause: Any = failed.value.cause
    assert cause.type == "SynchronousCallError"
    assert "`await reduce_context(agent)`" in cause.message


async def test_by_hand_outside_of_a_workflow() -> None:
    with pytest.raises(RuntimeError, match=r"reduce_context\(agent\) works inside a Temporal workflow only"):
        await reduce_context(TemporalAgent("m"))


# --- What cannot work ---------------------------------------------------------------------------------------


def with_a_provider() -> SummarizingConversationManager:
    return SummarizingConversationManager(summarization_agent=Agent(BedrockModel(region_name="us-west-2")))


def test_a_summarizer_with_a_real_model_is_refused() -> None:
    match = (
        r"summarization_agent of Summarizing\w+ has a BedrockModel.*summarization_agent=TemporalAgent\(name\)"
    )
    with pytest.raises(AgentTypeError, match=match):
        TemporalAgent("m", conversation_manager=with_a_provider())
    agent = TemporalAgent("m", conversation_manager=SummarizingConversationManager())
    before = agent.conversation_manager
    with pytest.raises(AgentTypeError, match=match):
        agent.conversation_manager = with_a_provider()
    assert agent.conversation_manager is before
    other = SlidingWindowConversationManager(window_size=3)
    agent.conversation_manager = other
    assert agent.conversation_manager is other


def test_one_that_is_not_used_is_no_matter() -> None:
    with pytest.warns(UserWarning, match="ignoring co-provided conversation_manager"):
        TemporalAgent("m", context_manager="auto", conversation_manager=with_a_provider())


# --- A worker that dies -------------------------------------------------------------------------------------


dies = False
"""Whether the workflow kills its worker. Only the first worker's process says so."""


@workflow.defn
class SummarizedWorkflow:
    """Its first worker dies in the workflow task that gets the summary."""

    @workflow.run
    async def run(self) -> list[Any]:
        agent = TemporalAgent(
            TemporalModel("m", heartbeat_timeout=timedelta(seconds=2)),
            messages=long_conversation(),
            conversation_manager=SummarizingConversationManager(0.8, 4),
            callback_handler=None,
        )

        def die(event: BeforeModelCallEvent) -> None:
            if dies and len(event.agent.messages) < 20:
                os.kill(os.getpid(), signal.SIGKILL)

        agent.add_hook(die, BeforeModelCallEvent)
        return [str(await agent.invoke_async("go")).strip(), len(agent.messages)]


async def run_until_it_dies(address: str, queue: str) -> None:
    """Run the first worker, as a process."""
    global dies
    dies = True
    client = await Client.connect(address, plugins=[StrandsPlugin(models={"m": script})])
    async with Worker(
        client,
        task_queue=queue,
        workflows=[SummarizedWorkflow],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    ):
        await asyncio.Event().wait()


@pytest.mark.server
@pytest.mark.slow
async def test_a_worker_killed_after_the_summary(
    server: DevServer, agents: Agents, worker_options: dict[str, Any]
) -> None:
    queue = f"summarized-{uuid.uuid4()}"
    call = f"run_until_it_dies({server.address!r}, {queue!r})"
    code = f"import asyncio, {__name__} as module; asyncio.run(module.{call})"
    first = await asyncio.create_subprocess_exec(*(sys.executable, "-c", code), cwd=Path.cwd())
    model = script()
    try:
        client = await Client.connect(server.address, plugins=[StrandsPlugin()])
        handle: WorkflowHandle[Any, Any] = await client.start_workflow(
            SummarizedWorkflow.run,
            id=queue,
            task_queue=queue,
            task_timeout=timedelta(seconds=1),
            execution_timeout=timedelta(minutes=3),
        )
        assert await asyncio.wait_for(first.wait(), 90) == -signal.SIGKILL
        async with agents(workflows=[SummarizedWorkflow], models={"m": lambda: model}, task_queue=queue):
            assert await asyncio.wait_for(handle.result(), 90) == ["answer to 6", 7]
    finally:
        if first.returncode is None:
            first.kill()
            await first.wait()
    assert [len(call.messages) for call in model.calls] == [6]  # the summary came from history
    await assert_replays(handle, [SummarizedWorkflow])
