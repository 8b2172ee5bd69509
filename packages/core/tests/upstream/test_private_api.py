"""Private names of Strands do what `private_api` relies on."""

import asyncio
import threading

import pytest
from strands import Agent, ToolContext, tool
from strands.hooks import AfterToolsEvent, BeforeModelCallEvent
from strands.interrupt import InterruptException

from strands_temporal._upstream.private_api import (
    has_running_background_tasks,
    interrupt_id,
    observe_cancellation,
    pauses_at_checkpoints,
)
from strands_temporal.testing import ScriptedModel, say, use_tool


def test_a_tools_interrupt_has_the_id_that_its_context_says_beforehand() -> None:
    agent = Agent(model=ScriptedModel("hello"))
    context = ToolContext({"toolUseId": "t1", "name": "pay", "input": {}}, agent, {})
    expected = interrupt_id(context, "approval")
    with pytest.raises(InterruptException) as raised:
        context.interrupt("approval")
    assert raised.value.interrupt.id == expected


def test_an_agent_pauses_at_checkpoints_if_it_was_built_so() -> None:
    built = [Agent(ScriptedModel("hello"), checkpointing=on) for on in (False, True)]
    assert [pauses_at_checkpoints(agent) for agent in built] == [False, True]


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


async def test_a_cancel_signal_is_seen_at_once_whoever_gave_it() -> None:
    agent = Agent(
        ScriptedModel(use_tool("add", {"a": 1, "b": 2}), say("3")), tools=[add], callback_handler=None
    )
    signal = threading.Event()
    seen: list[bool] = []

    def look(event: AfterToolsEvent) -> None:
        seen.append(observe_cancellation(event.agent))
        signal.set()
        seen.append(observe_cancellation(event.agent))

    agent.add_hook(look, AfterToolsEvent)
    result = await agent.invoke_async("go", cancel_signal=signal)
    assert (seen, result.stop_reason) == ([False, True], "cancelled")


async def test_background_tasks_that_run_are_seen_until_they_end() -> None:
    release = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        await release.wait()
        return "waited"

    agent = Agent(
        ScriptedModel(use_tool("wait", {}), say("meanwhile"), say("done")),
        tools=[wait],
        background_tasks={"always": ["wait"]},
        callback_handler=None,
    )
    seen: list[bool] = []

    def look(event: BeforeModelCallEvent) -> None:
        seen.append(has_running_background_tasks(event.agent))
        if len(seen) == 2:
            release.set()

    agent.add_hook(look, BeforeModelCallEvent)
    await agent.invoke_async("go")
    assert seen == [False, True, False]
