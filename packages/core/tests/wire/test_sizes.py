"""Whatever the size of an agent's data, the run goes on or ends with a reason.

Large state goes by query, much data at once is spread over workflow tasks, and anything too large is refused.
"""

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.wire.size_scenes import KB, MB, results
from strands import tool
from strands.hooks import BeforeToolCallEvent
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import TemporalTools, activity_as_tool

pytestmark = pytest.mark.server


async def scheduled(handle: WorkflowHandle[Any, Any], name: str) -> list[int]:
    """Return the bytes of the input of each activity of this name."""
    history = await handle.fetch_history()
    started = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [each.input.ByteSize() for each in started if each.activity_type.name == name]


async def timers(handle: WorkflowHandle[Any, Any]) -> int:
    history = await handle.fetch_history()
    return sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in history.events)


# --- Inputs, state and invocation state of tools ----------------------------------------------------------


def measured(text: str, given: Mapping[str, Any], state: Any, invocation_state: Mapping[str, Any]) -> str:
    """Tell how large everything is, and count the call in the state."""
    state.set("calls", (state.get("calls") or 0) + 1)
    assert given == {"text": text}
    sizes = [len(text), len(state.get("big")), len(invocation_state["big"])]
    return " ".join(map(str, sizes))


@activity.defn
async def measure(text: str, tool_context: ToolContext) -> str:
    """Measure."""
    context = tool_context
    return measured(text, context.tool_use["input"], context.agent_state, context.invocation_state)


@activity.defn
def measure_in_a_thread(text: str, tool_context: ToolContext) -> str:
    """Measure."""
    context = tool_context
    return measured(text, context.tool_use["input"], context.agent_state, context.invocation_state)


@tool(name="measure", context=True)
def measure_as_hosted(text: str, tool_context: Any) -> str:
    """Measure."""
    context = tool_context
    return measured(text, context.tool_use["input"], context.agent.state, context.invocation_state)


@activity.defn
async def take(text: str) -> str:
    """Take a text."""
    return str(len(text))


MEASURES: dict[str, Callable[[], Any]] = {
    "activity": lambda: activity_as_tool(measure),
    "in a thread": lambda: activity_as_tool(measure_in_a_thread, name="measure"),
    "hosted": lambda: TemporalTools("measure"),
    "without context": lambda: activity_as_tool(take, name="measure"),
}
MEASURING = [measure, measure_in_a_thread, take]
TYPES = {"activity": "measure", "in a thread": "measure_in_a_thread", "hosted": "invoke_tool"}
CONTEXTS = list(TYPES)


def measuring(*replies: Any) -> StrandsPlugin:
    return StrandsPlugin(
        models={"m": lambda: ScriptedModel(*replies)}, tools={"measure": lambda: measure_as_hosted}
    )


@workflow.defn
class MeasureWorkflow:
    """A hook sets the size of the tool's text: not every text comes from a model's answer."""

    @workflow.run
    async def run(self, kind: str, text: int, state: int, invocation_state: int) -> list[Any]:
        def enlarge(event: BeforeToolCallEvent) -> None:
            event.tool_use["input"] = {"text": "x" * text}

        agent = TemporalAgent(
            "m", tools=[MEASURES[kind]()], state={"big": "s" * state}, callback_handler=None
        )
        agent.add_hook(enlarge, BeforeToolCallEvent)
        result = await agent.invoke_async("go", invocation_state={"big": "i" * invocation_state})
        return [str(result).strip(), agent.state.get("calls")]


@pytest.mark.sample(3)
@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize(
    "sizes",
    [(1_200 * KB, 10, 10), (10, 2_200 * KB, 10), (10, 10, 1_900 * KB)],
    ids=["input", "state", "caller"],
)
async def test_a_large_context_reaches_the_tool_and_history_has_none_of_it(
    agents: Agents, kind: str, sizes: tuple[int, int, int]
) -> None:
    async with agents(
        workflows=[MeasureWorkflow],
        activities=MEASURING,
        plugins=[measuring(use_tool("measure", {}), results)],
    ) as env:
        text, calls = await env.run(MeasureWorkflow.run, kind, *sizes)
        assert (text, calls) == (" ".join(map(str, sizes)), 1)
        (size,) = await scheduled(env.handles[0], TYPES[kind])
        assert sizes[0] < size < sizes[0] + 500  # the input once, and nothing else large


@pytest.mark.parametrize("kind", CONTEXTS)
async def test_a_small_context_goes_along(agents: Agents, kind: str) -> None:
    async with agents(
        workflows=[MeasureWorkflow],
        activities=MEASURING,
        plugins=[measuring(use_tool("measure", {}), results)],
    ) as env:
        assert await env.run(MeasureWorkflow.run, kind, 10, 1000, 1000) == ["10 1000 1000", 1]
        (size,) = await scheduled(env.handles[0], TYPES[kind])
        assert size > 2000


@activity.defn
async def keep(
    note: str, words: list[str], tool_context: ToolContext, title: str = "none", short: str = ""
) -> str:
    """Keep a note."""
    assert tool_context.tool_use["input"] == {"note": note, "words": words, "short": short}
    assert list(tool_context.tool_use["input"]) == ["note", "words", "short"]
    return f"{len(note)} {len(words[0])} {title} {short}"


@workflow.defn
class KeepWorkflow:
    @workflow.run
    async def run(self, queue: str | None) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(keep, task_queue=queue)], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_text_crosses_once_as_an_argument_and_not_in_the_context_again(
    agents: Agents, elsewhere: bool
) -> None:
    given = {"note": "n" * 20 * KB, "words": ["w" * 5 * KB], "short": "s"}
    model = ScriptedModel(use_tool("keep", given), results)
    queue = f"keep-{uuid.uuid4()}"
    async with agents(
        workflows=[KeepWorkflow], activities=[keep], models={"m": lambda: model}, task_queue=queue
    ) as env:
        assert await env.run(KeepWorkflow.run, queue if elsewhere else None) == "20000 5000 none s"
        (size,) = await scheduled(env.handles[0], "keep")
        assert (size < 31 * KB) == (not elsewhere)  # there the list has its own type, and crosses twice


@pytest.mark.parametrize("kind", [*CONTEXTS, "without context"])
async def test_an_input_that_is_too_large_is_a_failed_tool_and_not_sent(agents: Agents, kind: str) -> None:
    async with agents(
        workflows=[MeasureWorkflow],
        activities=MEASURING,
        plugins=[measuring(use_tool("measure", {}), results)],
    ) as env:
        text, calls = await env.run(MeasureWorkflow.run, kind, 3 * MB, 10, 10)
        assert re.search(
            r"Activity '\w+': an input of 3,000,\d{3} bytes is too large for Temporal, which takes "
            r"2,093,056\. Send less, or pass large data by reference",
            text,
        )
        assert calls is None
        assert await scheduled(env.handles[0], TYPES.get(kind, "take")) == []


@workflow.defn
class ManyToolsWorkflow:
    @workflow.run
    async def run(self, kind: str) -> list[Any]:
        agent = TemporalAgent(
            "m", tools=[MEASURES[kind]()], state={"big": "s" * 450 * KB}, callback_handler=None
        )
        result = await agent.invoke_async("go", invocation_state={"big": "i"})
        return [str(result).strip(), agent.state.get("calls")]


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", CONTEXTS)
async def test_ten_tools_at_once_each_see_a_large_state(agents: Agents, kind: str) -> None:
    asked = use_tools([("measure", {"text": "x" * number}, f"call-{number}") for number in range(10)])
    async with agents(
        workflows=[ManyToolsWorkflow], activities=MEASURING, plugins=[measuring(asked, results)]
    ) as env:
        text, calls = await env.run(ManyToolsWorkflow.run, kind)
        assert text == " | ".join(f"{number} 450000 1" for number in range(10))
        assert calls == 1  # each call has its own copy
        assert sum(await scheduled(env.handles[0], TYPES[kind])) < 20 * KB
        assert await timers(env.handles[0]) == 0


@workflow.defn
class ManyAgentsWorkflow:
    @workflow.run
    async def run(self, number: int, size: int, prompt: int) -> list[str]:
        agents = [TemporalAgent("m", callback_handler=None) for _ in range(number)]
        calls = [
            agent.invoke_async(f"{each} {'p' * prompt}", invocation_state={"big": "i" * size})
            for each, agent in enumerate(agents)
        ]
        return [str(result).strip() for result in await asyncio.gather(*calls)]


def tells_state(call: ScriptedCall) -> Reply:
    return say(f"{call.text.split()[0]} {len(call.invocation_state['big'])}")


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("number", "size", "prompt", "ticks"),
    [(15, 300 * KB, 10, 0), (45, 60 * KB, 60 * KB, 2), (3, 1_900 * KB, 10, 0)],
)
async def test_many_agents_at_once_have_large_states(
    agents: Agents, number: int, size: int, prompt: int, ticks: int
) -> None:
    model = ScriptedModel(*[tells_state] * number)
    async with agents(workflows=[ManyAgentsWorkflow], models={"m": lambda: model}) as env:
        answers = await env.run(ManyAgentsWorkflow.run, number, size, prompt)
        assert answers == [f"{each} {size}" for each in range(number)]
        assert await timers(env.handles[0]) == ticks
        if size > 64 * KB:
            assert max(await scheduled(env.handles[0], "invoke_model")) < KB


# --- Other workers ------------------------------------------------------------------------------------------

entered = asyncio.Event()


@activity.defn(name="measure")
async def measure_again(text: str, tool_context: ToolContext) -> str:
    """Measure in the second attempt; the first is cut short by its worker's end."""
    if tool_context.attempt == 1:
        entered.set()
        await asyncio.Event().wait()
    context = tool_context
    return measured(text, context.tool_use["input"], context.agent_state, context.invocation_state)


async def test_another_attempt_on_another_worker_sees_the_same_context(agents: Agents) -> None:
    entered.clear()
    queue = f"sizes-{uuid.uuid4()}"
    options: Any = {"workflows": [MeasureWorkflow], "activities": [measure_again], "task_queue": queue}
    sizes = [10, 300 * KB, 300 * KB]
    async with agents(plugins=[measuring(use_tool("measure", {}))], **options) as env:
        handle = await env.start(MeasureWorkflow.run, "activity", *sizes)
        await asyncio.wait_for(entered.wait(), 20)
    async with agents(plugins=[measuring(results)], **options) as env:
        assert await asyncio.wait_for(handle.result(), 30) == [" ".join(map(str, sizes)), 1]
        await env.assert_replays(handle)


@workflow.defn
class ElsewhereWorkflow:
    """The tool runs on a worker of another task queue, which may lack the plugin."""

    @workflow.run
    async def run(self, queue: str, number: int, state: int) -> list[str]:
        elsewhere = activity_as_tool(tell_state, task_queue=queue)
        agent = TemporalAgent("m", tools=[elsewhere], state={"big": "s" * state}, callback_handler=None)
        calls = [agent.tool_async.tell_state(record_direct_tool_call=False) for _ in range(number)]
        return [result["content"][0].get("text", "") for result in await asyncio.gather(*calls)]


@activity.defn
async def tell_state(tool_context: ToolContext) -> str:
    """Tell how large the state is."""
    return str(len(tool_context.state["big"]))


async def test_the_context_goes_along_to_a_worker_that_may_lack_the_plugin(
    client: Client, agents: Agents
) -> None:
    queue = f"sizes-{uuid.uuid4()}"
    async with (
        Worker(client, task_queue=queue, activities=[tell_state]),
        agents(workflows=[ElsewhereWorkflow], models={"m": lambda: ScriptedModel()}) as env,
    ):
        assert await env.run(ElsewhereWorkflow.run, queue, 12, 450 * KB) == ["450000"] * 12
        (told,) = await env.run(ElsewhereWorkflow.run, queue, 1, 2_200 * KB)
        assert told.startswith("Error: Activity 'tell_state': an input of 2,200,")


# --- Much at once ------------------------------------------------------------------------------------------


@workflow.defn
class MuchAtOnceWorkflow:
    @workflow.run
    async def run(self, number: int, size: int) -> list[str]:
        agent = TemporalAgent("m", tools=[activity_as_tool(take)], callback_handler=None)
        calls = [
            agent.tool_async.take(text="x" * (size + each), record_direct_tool_call=False)
            for each in range(number)
        ]
        return [result["content"][0].get("text", "") for result in await asyncio.gather(*calls)]


@pytest.mark.parametrize(
    ("number", "size", "ticks"), [(12, 400 * KB, 1), (3, 2_000 * KB, 2), (20, 300 * KB, 2), (5, 400 * KB, 0)]
)
async def test_what_is_too_much_for_one_workflow_task_is_spread(
    agents: Agents, number: int, size: int, ticks: int
) -> None:
    async with agents(
        workflows=[MuchAtOnceWorkflow], activities=[take], models={"m": lambda: ScriptedModel()}
    ) as env:
        assert await env.run(MuchAtOnceWorkflow.run, number, size) == [
            str(size + each) for each in range(number)
        ]
        assert await timers(env.handles[0]) == ticks
        assert len(await scheduled(env.handles[0], "take")) == number


@workflow.defn
class CancelledWhileItWaits:
    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("m", tools=[activity_as_tool(hang)], callback_handler=None)
        results = [
            asyncio.ensure_future(agent.tool_async.hang(text="x" * size, record_direct_tool_call=False))
            for size in (2_000 * KB, 1_000 * KB)
        ]
        for _ in range(100):  # until one has started and the other waits for the timer
            await asyncio.sleep(0)
        agent.cancel()
        return [(await result)["content"][0].get("text", "") for result in results]


@activity.defn
async def hang(text: str) -> str:
    """Wait until it is cancelled."""
    await asyncio.Event().wait()
    return text


async def test_a_call_that_waits_for_the_next_workflow_task_can_be_cancelled(agents: Agents) -> None:
    async with agents(
        workflows=[CancelledWhileItWaits], activities=[hang], models={"m": lambda: ScriptedModel()}
    ) as env:
        assert await env.run(CancelledWhileItWaits.run) == ["Tool execution cancelled"] * 2
        assert await scheduled(env.handles[0], "hang") == []
