"""The adaptations in `_upstream/`, in a workflow: clock and ids, plain tools."""

import asyncio
import logging
import random
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents, at_rest
from strands import tool
from strands.tools.tools import PythonAgentTool
from temporalio import workflow
from temporalio.api.enums.v1 import EventType

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool, use_tools

# Clock and ids in a workflow ------------------------------------------------------------------------------


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: The letter to count.
    """
    return word.lower().count(letter.lower())


def count_then_answer(call: ScriptedCall) -> Any:
    if call.messages[-1]["content"][0].get("toolResult"):
        return say(call.text)
    return use_tool("letter_counter", {"word": "strawberry", "letter": "r"})


@workflow.defn
class ConversationWorkflow:
    """One agent built in `__init__` and one built later; an update prompts them."""

    def __init__(self) -> None:
        self.closed = False
        self.agents = [TemporalAgent("claude", tools=[letter_counter], callback_handler=None)]
        self.drawn: list[Any] = []

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: self.closed)
        return self.drawn

    @workflow.update
    async def ask(self, prompt: str) -> str:
        self.draw()
        if prompt == "second":
            self.agents.append(TemporalAgent("claude", tools=[letter_counter], callback_handler=None))
        result = await self.agents[-1].invoke_async(prompt)
        self.draw()
        return str(result).strip()

    def draw(self) -> None:
        self.drawn.append([str(workflow.uuid4()), workflow.random().random()])

    @workflow.signal
    def close(self) -> None:
        self.closed = True

    @workflow.query
    def seed(self) -> str:
        return str(workflow.random_seed())

    @workflow.query
    def ids_drawn_in_a_query(self) -> list[str]:
        from strands.telemetry.metrics import Trace

        return [Trace("in a query").id, Trace("another").id]

    @workflow.query
    def seen(self) -> list[Any]:
        return [
            {
                "session": agent.session_id,
                "messages": [message.get("tracking_id") for message in agent.messages],
                "latencies": [message.get("metadata") for message in agent.messages],
                "cycles": [
                    cycle.event_loop_cycle_id
                    for invocation in agent.event_loop_metrics.agent_invocations
                    for cycle in invocation.cycles
                ],
                "durations": agent.event_loop_metrics.cycle_durations,
                "tools": [usage.total_time for usage in agent.event_loop_metrics.tool_metrics.values()],
                "traces": [
                    [trace.id, trace.start_time, trace.end_time, [child.id for child in trace.children]]
                    for trace in agent.event_loop_metrics.traces
                ],
            }
            for agent in self.agents
        ]


def longer_than_nothing(seen: list[Any]) -> bool:
    return any(duration > 0 for agent in seen for duration in agent["durations"])


@pytest.mark.server
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "no cache"])
async def test_ids_and_durations_are_the_same_after_a_replay_and_the_users_own_are_not_shifted(
    agents: Agents, cached: bool
) -> None:
    options: dict[str, Any] = {
        "workflows": [ConversationWorkflow],
        "models": {"claude": lambda: ScriptedModel(count_then_answer)},
        "task_queue": f"conversation-{uuid.uuid4()}",
    }
    if not cached:
        options["max_cached_workflows"] = 0
    async with agents(**options) as env:
        handle = await env.start(ConversationWorkflow.run)
        for prompt in ("first", "more", "second", "third"):
            assert await handle.execute_update(ConversationWorkflow.ask, prompt) == "3"
            one, two = await handle.query(ConversationWorkflow.ids_drawn_in_a_query)
            assert one != two
        await at_rest(handle)
        live = await handle.query(ConversationWorkflow.seen)
        seed = int(await handle.query(ConversationWorkflow.seed))
    first, second = live
    assert [len(agent["messages"]) for agent in live] == [8, 8]
    ids = [*first["messages"], *first["cycles"], *second["messages"], *second["cycles"]]
    assert len(set(ids)) == len(ids) == 2 * (8 + 4)  # no id occurs twice
    assert all(uuid.UUID(id_).version == 4 for id_ in ids)
    assert first["session"] != second["session"]
    assert longer_than_nothing(live)

    async with agents(**options) as env:  # a new worker, which has only the history
        same = env.client.get_workflow_handle_for(ConversationWorkflow.run, handle.id)
        assert await same.query(ConversationWorkflow.seen) == live
        await same.signal(ConversationWorkflow.close)
        drawn = await same.result()
        await env.assert_replays(same)

    users = random.Random(seed)  # noqa: S311  # Temporal's own, not a secret
    expected = [[str(uuid.UUID(int=users.getrandbits(128), version=4)), users.random()] for _ in range(8)]
    assert drawn == expected


# Plain tools in a workflow --------------------------------------------------------------------------------


@tool
def raising(kind: str) -> str:
    """Raise.

    Args:
        kind: What to raise.
    """
    raise {
        "key": KeyError("nothing there"),
        "value": ValueError("bad value"),
        "stop": StopIteration("the end"),
    }[kind]


@tool
async def in_a_thread() -> str:
    """Read a file, as an async tool would elsewhere."""
    return await asyncio.to_thread(lambda: "read")


@tool
async def in_the_executor() -> str:
    """Read a file, as an async tool would elsewhere."""
    return await asyncio.get_running_loop().run_in_executor(None, lambda: "read")


def module_tool(tool_use: Any, **_: Any) -> Any:
    text = f"module tool got {tool_use['input']['word']}"
    return {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": text}]}


MODULE_TOOL = PythonAgentTool(
    "module_tool",
    {
        "name": "module_tool",
        "description": "A tool of a module.",
        "inputSchema": {"json": {"type": "object", "properties": {"word": {"type": "string"}}}},
    },
    module_tool,
)
TOOLS = [letter_counter, raising, in_a_thread, in_the_executor, MODULE_TOOL]


@workflow.defn
class ToolWorkflow:
    def __init__(self) -> None:
        self.signalled: list[str] = []

    @workflow.run
    async def run(self) -> str:
        return await self.call_tools()

    async def call_tools(self) -> str:
        agent = TemporalAgent("claude", tools=list(TOOLS), callback_handler=None)
        return str(await agent.invoke_async("go")).strip()

    @workflow.signal
    async def asked(self) -> None:
        self.signalled.append(await self.call_tools())

    @workflow.update
    async def ask(self) -> str:
        return await self.call_tools()


@workflow.defn
class SignalledWorkflow(ToolWorkflow):
    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self.signalled))
        return self.signalled[0]

    @workflow.signal
    async def asked(self) -> None:
        await super().asked()


def calling(name: str, arguments: dict[str, Any]) -> ScriptedModel:
    return ScriptedModel(lambda call: say(call.text) if len(call.messages) > 1 else use_tool(name, arguments))


@pytest.mark.server
@pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("letter_counter", {"word": "Strawberry", "letter": "R"}, "3"),
        ("letter_counter", {"word": "x"}, "Error: Validation failed for input parameters"),
        ("module_tool", {"word": "hello"}, "module tool got hello"),
        ("raising", {"kind": "key"}, "Error: KeyError - 'nothing there'"),
        ("raising", {"kind": "value"}, "Error: bad value"),
        ("raising", {"kind": "stop"}, "Error: RuntimeError - StopIteration: the end"),
    ],
)
async def test_a_plain_tool_runs_in_the_workflow_and_gives_its_own_answer(
    agents: Agents, name: str, arguments: dict[str, Any], answer: str, cache: int | None
) -> None:
    options = {} if cache is None else {"max_cached_workflows": cache}
    models = {"claude": lambda: calling(name, arguments)}
    async with agents(workflows=[ToolWorkflow], models=models, **options) as env:
        env.timeout = timedelta(seconds=20)  # limits a hang
        assert (await env.run(ToolWorkflow.run)).startswith(answer)


@pytest.mark.server
async def test_a_plain_tool_runs_in_a_signal_handler_that_is_earlier_than_the_run(agents: Agents) -> None:
    models = {"claude": lambda: calling("letter_counter", {"word": "Strawberry", "letter": "R"})}
    async with agents(workflows=[SignalledWorkflow], models=models) as env:
        assert await env.run(SignalledWorkflow.run, start_signal="asked") == "3"


@pytest.mark.server
async def test_two_plain_tools_at_once_give_both_answers(agents: Agents) -> None:
    both = [
        ("letter_counter", {"word": "Strawberry", "letter": "R"}, "one"),
        ("letter_counter", {"word": "Banana", "letter": "a"}, "two"),
    ]
    model = ScriptedModel(use_tools([*both]), lambda call: say(call.text))
    async with agents(workflows=[ToolWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(ToolWorkflow.run) == "3\n3"


@pytest.mark.server
@pytest.mark.parametrize("name", ["in_a_thread", "in_the_executor"])
async def test_a_tool_that_takes_a_thread_itself_gets_an_error_that_names_the_activity_way(
    agents: Agents, name: str
) -> None:
    models = {"claude": lambda: calling(name, {})}
    async with agents(workflows=[ToolWorkflow], models=models) as env:
        answer = await env.run(ToolWorkflow.run)
    assert "test_adaptation_in_workflows wants to run in a thread, which a workflow does not have" in answer
    assert "strands_temporal.workflow.activity_as_tool" in answer


@workflow.defn
class ThreadWorkflow:
    @workflow.run
    async def run(self) -> str:
        return await asyncio.to_thread(lambda: "read")


@pytest.mark.server
async def test_a_thread_in_the_users_own_workflow_code_is_refused_and_keeps_temporals_behaviour(
    agents: Agents,
) -> None:
    async with agents(workflows=[ThreadWorkflow], models={"claude": ScriptedModel}) as env:
        handle = await env.start(ThreadWorkflow.run)
        message = ""
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                message = event.workflow_task_failed_event_attributes.failure.message
                break
        await handle.terminate()
    assert "test_adaptation_in_workflows wants to run in a thread" in message
    assert "activity_as_tool" in message


@tool
def slow_tool() -> str:
    """Compute for more than half a second."""
    logging.getLogger("tests.slow_tool").warning("slow_tool ran")
    with workflow.unsafe.sandbox_unrestricted():
        time.sleep(0.6)
    return "computed"


@workflow.defn
class SlowToolWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("claude", tools=[slow_tool, letter_counter], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.server
async def test_a_slow_plain_tool_is_warned_of_once_and_not_on_replay(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedModel(
        use_tool("letter_counter", {"word": "a", "letter": "a"}),
        use_tool("slow_tool", {}),
        lambda call: say(call.text),
    )
    models = {"claude": lambda: model}
    async with agents(workflows=[SlowToolWorkflow], models=models, max_cached_workflows=0) as env:
        assert await env.run(SlowToolWorkflow.run) == "computed"
    said = [record.getMessage() for record in caplog.records]
    assert said.count("slow_tool ran") > 1  # the workflow was replayed
    warnings = [message for message in said if "a plain tool ran that long" in message]
    assert len(warnings) == 1
    assert warnings[0].startswith("seconds=<0.6>")
    assert "activity_as_tool" in warnings[0]
