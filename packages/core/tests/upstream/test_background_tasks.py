"""`background_tasks=` in a workflow: tools run while the model goes on, and their results are delivered."""

import ast
import asyncio
import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import strands
from conftest import Agents
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._upstream.waiting import SETTLEMENT_POLLER
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import (
    MakeAgent,
    Parity,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server

gates: dict[str, asyncio.Event] = {}
"""What a tool waits for, by its topic."""
told: list[str] = []
"""Topics whose activity was told that it is cancelled."""


def gate(topic: str) -> asyncio.Event:
    return gates.setdefault(topic, asyncio.Event())


async def found(topic: str) -> str:
    await asyncio.wait_for(gate(topic).wait(), 30)
    if topic == "nothing":
        raise LookupError("nothing there")
    return f"{topic} is blue"


@activity.defn
async def research(topic: str) -> str:
    """Look something up, for long."""
    try:
        return await found(topic)
    except asyncio.CancelledError:
        told.append(topic)
        raise


@tool(name="research")
async def plain_research(topic: str) -> str:
    """Look something up, for long."""
    return await found(topic)


@activity.defn
async def transfer(amount: int, tool_context: ActivityToolContext) -> str:
    """Transfer money, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('approval', reason={'amount': amount})}"


@tool(name="transfer", context=True)
async def plain_transfer(amount: int, tool_context: ToolContext) -> str:
    """Transfer money, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('approval', reason={'amount': amount})}"


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def tools_of(make: MakeAgent) -> list[Any]:
    if make.durable:
        once = RetryPolicy(maximum_attempts=1)
        return [activity_as_tool(research, retry_policy=once), activity_as_tool(transfer), add]
    return [plain_research, plain_transfer, add]


def opening(*topics: str) -> Callable[[], Any]:
    """Return what lets the tools of these topics go on, for `Reply.when`."""

    async def open_gates() -> None:
        for topic in topics:
            gate(topic).set()

    return open_gates


def delivered(call: ScriptedCall) -> Reply:
    """Answer with what the background tasks brought, as the model reads it."""
    results = [
        block["toolResult"]
        for message in call.messages
        for block in message["content"]
        if "toolResult" in block
    ]
    brought = [
        [content["json"]["status"], content["json"].get("error"), result["content"][1:]]
        for result in results
        for content in result["content"]
        if "json" in content and "status" in content["json"]
    ]
    return say(json.dumps(brought))


async def run(agent: Agent) -> AgentResult:
    return await agent.invoke_async("go")


async def parity_of(
    client: Client,
    options: dict[str, Any],
    script: Callable[[], ScriptedModel],
    config: Any,
    drive: Any = run,
    hooks: Any = (),
) -> Parity:
    gates.clear()

    def fresh() -> ScriptedModel:
        gates.clear()
        return script()

    scenario = Scenario(
        fresh,
        lambda make: make(tools=tools_of(make), background_tasks=config, hooks=[hook() for hook in hooks]),
        drive,
        [research, transfer],
    )
    parity = await run_parity(client, scenario, **options)
    for seen in (parity.plain, parity.durable):
        # When a background tool ends, among the model's calls and other tools, is chance.
        ended = [event for event in seen.hook_events if event[0] == "AfterToolCallEvent"]
        others = [event for event in seen.hook_events if event[0] != "AfterToolCallEvent"]
        seen.hook_events = others + sorted(ended, key=str)
        seen.tool_results.sort(key=str)
        for name, value in vars(seen).items():
            setattr(seen, name, without_ids(value))
    return parity


ID_OR_TIME = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"
)


def without_ids(value: Any) -> Any:
    """Number the ids in the order they come in, and forget the times."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        text = match.group()
        return "TIME" if "T" in text else numbers.setdefault(text, f"ID{len(numbers)}")

    return json.loads(ID_OR_TIME.sub(number, json.dumps(value)))


CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])


@pytest.fixture
def options(worker_options: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    cache = request.node.callspec.params.get("cache")
    return worker_options if cache is None else {**worker_options, "max_cached_workflows": cache}


# --- As in a plain agent


def one_task() -> ScriptedModel:
    return ScriptedModel(
        use_tool("research", {"topic": "sky"}),
        say("meanwhile").when(opening("sky")),
        delivered,
    )


@CACHES
async def test_a_result_is_delivered_when_the_turn_has_ended(
    client: Client, options: dict[str, Any], cache: Any
) -> None:
    parity = await parity_of(client, options, one_task, {"always": ["research"]})
    parity.assert_equal()
    assert json.loads(parity.durable.text or "") == [["completed", None, [{"text": "sky is blue"}]]]
    assert "Background task dispatched" in str(parity.durable.messages[2])
    assert len(parity.durable.given) == 3


@CACHES
async def test_several_tasks_that_fail_or_not(client: Client, options: dict[str, Any], cache: Any) -> None:
    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(
            use_tools(
                [
                    ("research", {"topic": "sky"}, "t1"),
                    ("research", {"topic": "nothing"}, "t2"),
                    ("add", {"a": 1, "b": 2}, "t3"),
                ]
            ),
            say("meanwhile").when(opening("sky", "nothing")),
            delivered,
        ),
        {"always": ["research"], "never": ["add"]},
    )
    parity.assert_equal()
    assert [entry[:2] for entry in json.loads(parity.durable.text or "")] == [
        ["completed", None],
        ["failed", {"type": "tool_error", "message": "LookupError - nothing there"}],
    ]


@CACHES
async def test_the_model_chooses(client: Client, options: dict[str, Any], cache: Any) -> None:
    """`background_tasks=True`: each tool has a flag by which the model says how it is to run."""
    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(
            use_tools(
                [
                    ("research", {"topic": "sky", "_background_execution": True}, "t1"),
                    ("add", {"a": 1, "b": 2, "_background_execution": False}, "t2"),
                ]
            ),
            say("meanwhile").when(opening("sky")),
            delivered,
        ),
        True,
    )
    parity.assert_equal()
    assert "sky is blue" in (parity.durable.text or "")
    assert "strands_manage_background_task" in parity.durable.given[0]["tools"]


class Shout(HookProvider):
    """Writes to the events of a tool call: its arguments, then its result."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self._before)
        registry.add_callback(AfterToolCallEvent, self._after)

    def _before(self, event: BeforeToolCallEvent[Any]) -> None:
        event.tool_use["input"]["topic"] = "sky"

    def _after(self, event: AfterToolCallEvent[Any]) -> None:
        event.result["content"] = [{"text": str(event.result["content"][0].get("text")).upper()}]


async def test_hooks_see_and_write_a_background_call(client: Client, worker_options: dict[str, Any]) -> None:
    script = lambda: ScriptedModel(  # noqa: E731
        use_tool("research", {"topic": "see"}), say("meanwhile").when(opening("sky")), delivered
    )
    parity = await parity_of(client, worker_options, script, {"always": ["research"]}, hooks=[Shout])
    parity.assert_equal()
    assert "SKY IS BLUE" in (parity.durable.text or "")


@CACHES
async def test_a_task_that_asks_pauses_the_agent_and_gets_its_answer(
    client: Client, options: dict[str, Any], cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        assert [interrupt.reason for interrupt in result.interrupts or ()] == [{"amount": 5}]
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "fine"}}
            for interrupt in result.interrupts or ()
        ]
        return await agent.invoke_async(answers)

    def answer(call: ScriptedCall) -> Reply:
        return delivered(call) if "fine" in str(call.messages) else say("meanwhile")

    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(use_tool("transfer", {"amount": 5}), *[answer] * 4),
        {"always": ["transfer"]},
        drive,
    )
    # Whether the model is called while the tool gets as far as its question is chance in a plain agent.
    assert parity.plain.messages[-1] == parity.durable.messages[-1]
    assert ["completed", None, [{"text": "5: fine"}]] in json.loads(parity.durable.text or "")
    assert parity.plain.text == parity.durable.text


@CACHES
async def test_the_model_cancels_a_task(client: Client, options: dict[str, Any], cache: Any) -> None:
    told.clear()

    def cancel(call: ScriptedCall) -> Reply:
        (task_id,) = re.findall(r"Task ID: (\S+)", call.text)
        return use_tool("strands_manage_background_task", {"mode": "cancel", "task_id": task_id})

    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(use_tool("research", {"topic": "sky"}), cancel, *[delivered] * 2),
        {"always": ["research"]},
    )
    assert ["cancelled", None, []] in json.loads(parity.durable.text or "")
    assert (parity.plain.text, parity.plain.stop_reason) == (parity.durable.text, parity.durable.stop_reason)


# --- What only a workflow shows


@workflow.defn
class BackgroundWorkflow:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled = False
        self.agent: TemporalAgent | None = None

    @workflow.run
    async def run(self, config: dict[str, Any], prompts: list[str]) -> list[Any]:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(research, heartbeat_timeout=timedelta(seconds=5)), add],
            background_tasks=config,  # pyright: ignore[reportArgumentType]  # as JSON brought it
            callback_handler=None,
        )
        self.agent = agent
        said: list[Any] = []
        for prompt in prompts:
            await workflow.wait_condition(lambda prompt=prompt: prompt in ["go", *self.asked])
            result = await agent.invoke_async(prompt)
            said.append([result.stop_reason, str(result).strip()])
        ids = [message.get("tracking_id") for message in agent.messages]
        tasks = [
            content["json"]
            for message in agent.messages
            for block in message["content"]
            for content in block.get("toolResult", {}).get("content", [])
            if "json" in content
        ]
        return [said, ids, tasks]

    @workflow.signal
    def ask(self, prompt: str) -> None:
        self.asked.append(prompt)

    @workflow.signal
    def cancel(self) -> None:
        if self.agent is not None:
            self.agent.cancel()


def environment(agents: Agents, model: ScriptedModel, **more: Any) -> Any:
    gates.clear()
    return agents(workflows=[BackgroundWorkflow], activities=[research], models={"m": lambda: model}, **more)


def reached(completed: int) -> Callable[[Any], bool]:
    return lambda history: count_of(history, COMPLETED) >= completed


def count_of(history: Any, kind: Any) -> int:
    return sum(event.event_type == kind for event in history.events)


async def test_no_timer_is_in_history_and_ids_and_times_are_the_runs(agents: Agents) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with environment(agents, model, max_cached_workflows=0) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"]}, ["go"])
        await until(handle, reached(2))  # the agent waits for its task
        await handle.signal(BackgroundWorkflow.ask, "nothing, but a task of the workflow")
        await until(handle, lambda history: count_of(history, WORKFLOW_TASK) == 4)
        gate("sky").set()
        _, ids, (task,) = await handle.result()
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert count_of(history, EventType.EVENT_TYPE_TIMER_STARTED) == 0
    assert count_of(history, SCHEDULED) == 4
    assert count_of(history, WORKFLOW_TASK) == 6
    assert len(set(ids)) == len(ids)
    # What the model was told when it was so, and what the workflow knows after it was replayed.
    assert f"Task ID: {task['task_id']}" in model.calls[1].text
    (told_of,) = [
        content["json"]
        for block in model.calls[2].messages[-1]["content"]
        for content in block.get("toolResult", {}).get("content", [])
        if "json" in content
    ]
    assert told_of == task
    assert uuid.UUID(task["task_id"]).version == 4
    assert task["created_at"] < task["last_updated_at"]


async def test_without_waiting_the_result_comes_with_the_next_turn(agents: Agents) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with environment(agents, model) as env:
        handle = await env.start(
            BackgroundWorkflow.run, {"always": ["research"], "wait_for_completion": False}, ["go", "next"]
        )
        await until(handle, reached(2))  # the first turn is over: else its model would get the result
        gate("sky").set()
        await until(handle, reached(3))
        await handle.signal(BackgroundWorkflow.ask, "next")
        said, *_ = await handle.result()
        await env.assert_replays(handle)
    assert said[0] == ["end_turn", "meanwhile"]
    assert json.loads(said[1][1]) == [["completed", None, [{"text": "sky is blue"}]]]


SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
WORKFLOW_TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
STARTED = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


async def until(handle: Any, reached: Callable[[Any], bool]) -> None:
    """Wait until the history is as `reached` says and the workflow has nothing to do."""
    async for _ in handle.fetch_history_events(wait_new_event=True):
        history = await handle.fetch_history()
        at_rest = (EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, SCHEDULED, STARTED)
        if reached(history) and history.events[-1].event_type in at_rest:
            return
    raise AssertionError("the workflow ended first")


@workflow.defn
class HandOverWorkflow:
    """Hands a conversation over while a task runs."""

    @workflow.run
    async def run(self) -> list[str]:
        first = self.agent()
        await first.invoke_async("go")
        second = self.agent(carry=first.carry())
        return [str(await second.invoke_async("next")).strip()]

    def agent(self, **more: Any) -> TemporalAgent:
        return TemporalAgent(
            "m",
            tools=[activity_as_tool(research)],
            background_tasks={"always": ["research"], "wait_for_completion": False},
            callback_handler=None,
            **more,
        )


async def test_a_task_that_runs_at_a_hand_over_has_failed_and_the_model_is_told(agents: Agents) -> None:
    gates.clear()
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with agents(
        workflows=[HandOverWorkflow], activities=[research], models={"m": lambda: model}
    ) as env:
        (said,) = await env.run(HandOverWorkflow.run)
        gate("sky").set()
    message = "Background task cannot resume after restoring persisted state"
    assert json.loads(said) == [["failed", {"type": "execution_error", "message": message}, []]]


async def test_agent_cancel_ends_the_wait(agents: Agents) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"))
    async with environment(agents, model) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"]}, ["go"])
        await until(handle, lambda history: count_of(history, COMPLETED) == 2)
        await handle.signal(BackgroundWorkflow.cancel)
        said, *_ = await asyncio.wait_for(handle.result(), 20)
        await env.assert_replays(handle)
        gate("sky").set()
    assert said == [["end_turn", "meanwhile"]]


@CACHES
async def test_a_cancelled_workflow_ends_cancelled_and_the_task_is_told(agents: Agents, cache: Any) -> None:
    told.clear()
    more = {} if cache is None else {"max_cached_workflows": cache}
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"))
    async with environment(agents, model, **more) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"]}, ["go"])
        await until(handle, lambda history: count_of(history, COMPLETED) == 2)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 20)
        assert isinstance(failure.value.cause, CancelledError)
        await env.assert_replays(handle)
    assert told == ["sky"]


async def test_a_time_limit_is_a_timer_and_fails_the_task(agents: Agents) -> None:
    told.clear()
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with environment(agents, model) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"], "timeout": 2}, ["go"])
        said, *_ = await handle.result()
        await env.assert_replays(handle)
    assert json.loads(said[0][1]) == [
        ["failed", {"type": "timeout", "message": "Timed out after 2.0s"}, []]
    ] or json.loads(said[0][1]) == [["failed", {"type": "timeout", "message": "Timed out after 2s"}, []]]
    assert told == ["sky"]


@tool
async def nap() -> str:
    """Sleep, and watch nothing."""
    await asyncio.sleep(3600)
    return "slept"


@workflow.defn
class NapWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "m",
            tools=[nap, add],
            background_tasks={"always": ["nap", "add"], "max_concurrency": 1, "timeout": 1},
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


async def test_a_tool_in_the_workflow_that_is_late_frees_its_place(agents: Agents) -> None:
    model = ScriptedModel(
        use_tools([("nap", {}, "t1"), ("add", {"a": 1, "b": 2}, "t2")]), say("meanwhile"), delivered
    )
    async with agents(workflows=[NapWorkflow], models={"m": lambda: model}) as env:
        said = json.loads(await asyncio.wait_for(env.run(NapWorkflow.run), 30))
    assert [entry[0] for entry in said] == ["failed", "completed"]


async def test_no_more_run_at_once_than_allowed(agents: Agents) -> None:
    model = ScriptedModel(
        use_tools([("research", {"topic": topic}, topic) for topic in ("a", "b", "c")]),
        say("meanwhile"),
        *[delivered] * 3,
    )
    async with environment(agents, model) as env:
        handle = await env.start(
            BackgroundWorkflow.run, {"always": ["research"], "max_concurrency": 1}, ["go"]
        )
        for done, topic in enumerate("abc"):
            gates.setdefault(topic, asyncio.Event())
            await until(handle, reached(2 + done))
            running = {
                json.loads(event.activity_task_scheduled_event_attributes.input.payloads[0].data)
                for event in (await handle.fetch_history()).events
                if event.event_type == SCHEDULED
                and event.activity_task_scheduled_event_attributes.activity_type.name == "research"
            }
            assert running == set("abc"[: done + 1])
            gate(topic).set()
        said, *_ = await handle.result()
        await env.assert_replays(handle)
    assert [entry[0] for entry in json.loads(said[0][1])] == ["completed"] * 3


# --- What the adaptation counts on


def test_strands_polls_for_a_settlement_where_the_adaptation_waits() -> None:
    package = Path(next(iter(strands.__path__))) / "background_tasks"
    tree = ast.parse((package / "_background_tasks.py").read_text("utf-8"))
    (poller,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == SETTLEMENT_POLLER
    ]
    text = ast.unparse(poller)
    assert text.count("asyncio.wait(") == 1
    assert "while waiters and (not self._agent.cancel_signal.is_set())" in text
    assert "asyncio.wait(waiters, timeout=_CANCEL_POLL_INTERVAL" in text
    assert ast.unparse(tree).count("asyncio.wait(") == 1
    manager = (package / "in_process" / "_manager.py").read_text("utf-8")
    assert manager.count("self._runtime = get_background_task_runtime()") == 1
    assert manager.count("get_running_loop()") == 2  # the agent's loop, and the one of `_await_origin_result`
    assert manager.count("run_coroutine_threadsafe(") == manager.count("wrap_future(") == 1


@CACHES
async def test_a_hosted_tool_that_asks_in_the_background(
    client: Client, options: dict[str, Any], cache: Any
) -> None:
    models: list[ScriptedModel] = []

    def answer(call: ScriptedCall) -> Reply:
        return delivered(call) if "fine" in str(call.messages) else say("meanwhile")

    def script() -> ScriptedModel:
        models.append(ScriptedModel(use_tool("transfer", {"amount": 5}), *[answer] * 4))
        return models[-1]

    plugin = StrandsPlugin(
        models={"scripted": lambda: models[-1]}, tools={"transfer": lambda: plain_transfer}
    )

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        (asked,) = list(result.interrupts or ())
        answers: Any = [{"interruptResponse": {"interruptId": asked.id, "response": "fine"}}]
        return await agent.invoke_async(answers)

    scenario = Scenario(
        script,
        lambda make: make(
            tools=[TemporalTools("transfer") if make.durable else plain_transfer],
            background_tasks={"always": ["transfer"]},
        ),
        drive,
    )
    parity = await run_parity(client, scenario, **{**options, "plugins": [plugin]})
    assert parity.plain.text == parity.durable.text
    assert ["completed", None, [{"text": "5: fine"}]] in json.loads(parity.durable.text or "")
