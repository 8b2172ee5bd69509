"""docs/costs.md: what a turn costs in actions, as the server counts them, and in history."""

import asyncio
import re
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from strands import tool
from temporalio import activity, workflow
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RetryPolicy

from integration_tests.doc_blocks import ROOT
from integration_tests.docs_code import module_of, own_server
from integration_tests.real_parts import free_port
from strands_temporal import TemporalAgent
from strands_temporal.testing import (
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    fail,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import TemporalTools, activity_as_tool

pytestmark = pytest.mark.server


@tool
def plain(text: str) -> str:
    """Compute in the workflow."""
    return text


@tool
def hosted(text: str) -> str:
    """Run on the worker."""
    return text


@activity.defn
async def look_up(text: str) -> str:
    """Look something up."""
    return text


@workflow.defn
class CostWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent(
            "m",
            tools=[plain, activity_as_tool(look_up), TemporalTools("hosted")],
            retry_policy=RetryPolicy(maximum_attempts=3, initial_interval=timedelta(milliseconds=1)),
            heartbeat_timeout=timedelta(seconds=1.5),
            callback_handler=None,
        )
        self.closed = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.closed and workflow.all_handlers_finished())

    @workflow.update
    async def ask(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt)).strip()

    @workflow.signal
    def close(self) -> None:
        self.closed = True


@workflow.defn
class BegunWorkflow:
    @workflow.run
    async def run(self) -> str:
        messages: Any = [
            {"role": role, "content": [{"text": "before"}]}
            for role in ("user", "assistant", "user", "assistant")
        ]
        agent = TemporalAgent("m", messages=messages, context_manager="auto", callback_handler=None)
        await agent.invoke_async("Go on")
        return str(await agent.invoke_async("Go on"))


class Meter:
    """The server's own count of actions."""

    def __init__(self, port: int, address: str) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"
        self.address = address
        self._before: Counter[str] = Counter()

    def _now(self) -> Counter[str]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:  # noqa: S310  # http, to itself
            lines = answer.read().decode().splitlines()
        found: Counter[str] = Counter()
        for line in lines:
            if re.match(r'action\{.*namespace="default"', line):
                (kind,) = re.findall(r'action_type="(\w+)"', line)
                found[kind] += int(float(line.rpartition(" ")[2]))
        return found

    async def new(self, total: int) -> dict[str, int]:
        """Return the actions since the last call, when there are at least `total`: the count comes later."""
        now = self._before
        for _ in range(200):
            now = await asyncio.to_thread(self._now)
            if sum((now - self._before).values()) >= total:
                break
            await asyncio.sleep(0.05)
        fresh, self._before = now - self._before, now
        return {_NAMES[kind]: number for kind, number in fresh.items()}


_NAMES = {
    "grpc_StartWorkflowExecution": "start",
    "message_UpdateWorkflowExecution_Acceptance": "update",
    "message_UpdateWorkflowExecution_Rejection": "refused update",
    "command_ScheduleActivityTask": "activity",
    "activity_retry": "retry",
    "grpc_RecordActivityTaskHeartbeat": "heartbeat",
    "grpc_QueryWorkflow": "query",
    "grpc_SignalWorkflowExecution": "signal",
    "command_UpsertWorkflowSearchAttributes": "search attribute",
    "command_BatchMarkers": "marker",
}


@pytest.fixture
async def meter() -> AsyncGenerator[Meter]:
    """The meter of a server that no other test uses: a late count of theirs would be counted here."""
    port = free_port()
    async with own_server(extra_args=["--metrics-port", str(port)]) as server:
        yield Meter(port, server.address)


class Chat:
    """A chat whose turns are counted."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.model = ScriptedModel(*[self._next] * 100)
        self.steps: list[Any] = []
        self.handle: Any = None

    def _next(self, call: ScriptedCall) -> Any:
        step = self.steps.pop(0)
        return step(call) if callable(step) else step

    def worker(self, queue: str) -> Any:
        return agent_environment(
            self.meter.address,
            workflows=[CostWorkflow],
            activities=[look_up],
            tools={"hosted": hosted},
            models={"m": lambda: self.model},
            task_queue=queue,
        )

    async def turn(self, *steps: Any, total: int) -> dict[str, int]:
        """Run a turn, and return the actions that the server counts for it."""
        self.steps = list(steps)
        await asyncio.wait_for(self.handle.execute_update("ask", "Go on"), 60)
        return await self.meter.new(total)


async def test_the_actions_of_a_turn_are_those_of_the_page(meter: Meter) -> None:
    chat = Chat(meter)
    queue = f"costs-{uuid.uuid4()}"
    async with chat.worker(queue) as env:
        chat.handle = await env.start(CostWorkflow.run)
        assert await meter.new(1) == {"start": 1}
        assert await chat.turn(say("a"), total=3) == {"update": 1, "activity": 2}  # one lists the tools
        assert await chat.turn(say("a"), total=2) == {"update": 1, "activity": 1}
        for name, activities in (("plain", 2), ("look_up", 3), ("hosted", 3)):
            seen = await chat.turn(use_tool(name, {"text": "x"}), say("a"), total=1 + activities)
            assert seen == {"update": 1, "activity": activities}
        both = use_tools([("look_up", {"text": "x"}, "1"), ("hosted", {"text": "x"}, "2")])
        assert await chat.turn(both, say("a"), total=5) == {"update": 1, "activity": 4}
        broken = fail(ConnectionError("cut"))
        assert await chat.turn(broken, say("a"), total=3) == {"update": 1, "activity": 1, "retry": 1}
        await env.assert_replays(chat.handle)
        assert await meter.new(0) == {}
    async with chat.worker(queue):  # without the conversation
        assert await chat.turn(say("a"), total=3) == {"update": 1, "activity": 1, "query": 1}
        await chat.handle.signal("close")
        assert await meter.new(1) == {"signal": 1}
        await chat.handle.result()


async def test_a_short_call_sends_no_heartbeat_and_a_long_one_does(meter: Meter) -> None:
    """A heartbeat is an action. This chat's heartbeat timeout is 1.5 seconds."""
    chat = Chat(meter)
    enough = asyncio.Event()

    async def long(call: ScriptedCall) -> Any:
        await enough.wait()
        return say("a")

    async with chat.worker(f"costs-{uuid.uuid4()}") as env:
        chat.handle = await env.start(CostWorkflow.run)
        seen = Counter(await chat.turn(say("a"), total=4))
        assert seen["heartbeat"] == 0
        chat.steps = [long]
        asked = asyncio.create_task(chat.handle.execute_update("ask", "Go on"))
        seen = Counter()
        while not seen["heartbeat"]:
            seen.update(await meter.new(1))
        enough.set()
        await asyncio.wait_for(asked, 60)
        await chat.handle.signal("close")
        await chat.handle.result()
        await meter.new(1)


async def test_an_agent_that_begins_with_messages(meter: Meter) -> None:
    model = ScriptedModel(lambda call: say("fine"), config={"context_window_limit": 9000})
    async with agent_environment(
        meter.address, workflows=[BegunWorkflow], models={"m": lambda: model}
    ) as env:
        await env.run(BegunWorkflow.run)
    asked = {"activity": 1, "marker": 1, "search attribute": 1}
    assert Counter(await meter.new(6)) == Counter(asked) + Counter({"start": 1, "activity": 2})


async def test_budgets(meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = module_of("costs.md", "frugal", tmp_path, monkeypatch)
    model = ScriptedModel(say("short"), *[use_tool("nothing", {})] * 10)
    async with agent_environment(
        meter.address, workflows=[page.FrugalWorkflow], models={"claude": lambda: model}
    ) as env:
        handle = await env.start(page.FrugalWorkflow.run)
        assert await handle.execute_update("ask", "Go on") == "short"
        assert await handle.execute_update("ask", "Go on") == "stopped: limit_turns"
        assert len(model.calls) == 11
        await handle.signal("close")
        await handle.result()
        await env.assert_replays(handle)


async def test_a_spent_budget_refuses_the_update_for_one_action(
    meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("costs.md", "frugal", tmp_path, monkeypatch)
    model = ScriptedModel(say("long", usage=(199_000, 2_000)))
    async with agent_environment(
        meter.address, workflows=[page.FrugalWorkflow], models={"claude": lambda: model}
    ) as env:
        handle = await env.start(page.FrugalWorkflow.run)
        await handle.execute_update("ask", "Go on")
        await meter.new(3)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("ask", "Go on")
        assert "201,000 tokens are spent" in str(refused.value.cause)
        assert await meter.new(1) == {"refused update": 1}
        await handle.signal("close")
        await handle.result()


def test_the_page_names_the_counted_numbers() -> None:
    page = (ROOT / "docs/costs.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+?) \| (\d)", page, re.MULTILINE))
    counted = [
        ("a chat starts", 1),
        ("a turn: an update, and an answer of the model", 2),
        ("with a tool in the workflow", 3),
        ("with an activity tool or a worker tool", 4),
        ("with two of them in one message", 5),
        ("an attempt that fails and is retried", 1),
        (
            "an agent begins with messages, and [must know its "
            "model](context.md#what-must-be-known-before-the-first-call)",
            3,
        ),
        ("a worker that does not have the conversation", 1),
        ("an update that its validator refuses", 1),
    ]
    assert [(name, int(rows[name])) for name, _ in counted] == counted
