"""A tool's context crosses once: workers keep it, and ask the workflow for what they do not have."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.wire.size_scenes import results
from strands import tool
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._worker.byte_cache import ByteCache
from strands_temporal.activity import ToolContext
from strands_temporal.testing import ScriptedModel, use_tool, use_tools
from strands_temporal.workflow import TemporalTools, activity_as_tool

pytestmark = pytest.mark.server

STATE = 1000


async def inputs(handle: WorkflowHandle[Any, Any], name: str) -> list[int]:
    """Return the bytes of the input and the header of each activity of this name."""
    history = await handle.fetch_history()
    started = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [
        each.input.ByteSize() + each.header.ByteSize() for each in started if each.activity_type.name == name
    ]


def told(state: Any, invocation_state: Any, change: bool) -> str:
    if change:
        state.set("notes", state.get("notes") + "!")
    return f"{len(state.get('notes'))} {invocation_state.get('who')}"


@activity.defn
async def tell(tool_context: ToolContext, change: bool = False) -> str:
    """Tell what the context has, and change the state if asked."""
    return told(tool_context.agent_state, tool_context.invocation_state, change)


@tool(name="tell", context=True)
def tell_as_hosted(tool_context: Any, change: bool = False) -> str:
    """Tell what the context has, and change the state if asked."""
    return told(tool_context.agent.state, tool_context.invocation_state, change)


@activity.defn
async def look() -> str:
    """Look up without a context: the call to compare with."""
    return "1000 Ada"


KINDS = {"tell": lambda: activity_as_tool(tell), "invoke_tool": lambda: TemporalTools("tell")}


@workflow.defn
class Tells:
    """Lets the tool tell the context in each call of a turn."""

    @workflow.run
    async def run(self, kind: str, pause: float = 0) -> list[Any]:
        tools = [KINDS[kind](), activity_as_tool(look)]
        agent = TemporalAgent("m", tools=tools, state={"notes": "n" * STATE}, callback_handler=None)
        first = await agent.invoke_async("go", invocation_state={"who": "Ada"})
        await workflow.sleep(timedelta(seconds=pause))
        return [str(first).strip(), len(agent.state.get("notes"))]


def plugin(*replies: Any) -> StrandsPlugin:
    model = ScriptedModel(*replies)
    return StrandsPlugin(models={"m": lambda: model}, tools={"tell": lambda: tell_as_hosted})


SETTING: dict[str, Any] = {"workflows": [Tells], "activities": [tell, look]}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_state_crosses_once_and_again_after_a_change(agents: Agents, kind: str) -> None:
    def ask(change: bool = False) -> Any:
        return use_tool("tell", {"change": change})

    replies = [ask(), ask(), ask(change=True), ask(), ask(), use_tool("look", {}), results]
    async with agents(plugins=[plugin(*replies)], **SETTING) as env:
        assert await env.run(Tells.run, kind) == ["1000 Ada", STATE + 1]
        first, second, third, fourth, fifth = await inputs(env.handles[0], kind)
        (bare,) = await inputs(env.handles[0], "look")
    assert min(first, fourth) > STATE
    assert max(second, third, fifth) < bare + 170  # the arguments; and that the state is held


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_at_once_do_not_wait_for_each_other(agents: Agents, kind: str) -> None:
    asked: list[Any] = [("tell", {}, f"call-{number}") for number in range(3)]
    replies = [use_tools(asked), use_tools([(name, {}, f"{id_}-b") for name, _, id_ in asked]), results]
    async with agents(plugins=[plugin(*replies)], **SETTING) as env:
        assert await env.run(Tells.run, kind) == ["1000 Ada | 1000 Ada | 1000 Ada", STATE]
        sizes = await inputs(env.handles[0], kind)
    assert [size > STATE for size in sizes] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_that_never_got_it_asks_the_workflow(
    agents: Agents, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(*_: Any) -> None: ...

    monkeypatch.setattr(ByteCache, "keep", forgets)
    queue = f"kept-{uuid.uuid4()}"
    replies = [use_tool("tell", {}), use_tool("tell", {}), results]
    async with agents(plugins=[plugin(*replies)], task_queue=queue, **SETTING) as env:
        assert await env.run(Tells.run, kind) == ["1000 Ada", STATE]
        sizes = await inputs(env.handles[0], kind)
    assert [size > STATE for size in sizes] == [True, False]


def test_the_cache_is_bounded_in_bytes() -> None:
    kept = ByteCache[str, bytes](250, len)
    for number in range(5):
        kept.keep(str(number), b"x" * 100)
    kept.keep("3", b"y" * 120)
    assert {key: len(kept.get(key) or b"") for key in "01234"} == {"0": 0, "1": 0, "2": 0, "3": 120, "4": 100}
    assert kept.kept_bytes == 220
    assert kept.get("3")  # now "4" is the one that was used first
    kept.keep("5", b"x" * 100)
    assert [kept.get(key) is not None for key in "345"] == [True, False, True]
    kept.keep("large", b"z" * 251)
    assert (kept.get("3"), kept.kept_bytes) == (None, 0)
