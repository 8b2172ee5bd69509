"""One log line for each turn, model call and tool call, with its values; none in a replay."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.operator_scenes import add, answer, weather
from strands import Agent, ToolContext, tool
from strands.hooks import BeforeToolCallEvent
from temporalio import activity, workflow
from temporalio.client import WorkflowHistory
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool
from strands_temporal.workflow import activity_as_tool, end_waiting

pytestmark = pytest.mark.server

LOGGER = "strands_temporal.agents"
TASK_STARTED = "workflow_task_started_event_attributes"


@activity.defn
async def second_time() -> str:
    """Fail once."""
    if activity.info().attempt == 1:
        raise ApplicationError("not yet")
    return "done"


@activity.defn
async def never() -> str:
    """Fail."""
    raise ApplicationError("broken", non_retryable=True)


@tool(context=True)
def ask_first(tool_context: ToolContext) -> str:
    """Ask a person."""
    return str(tool_context.interrupt("approval", reason="a secret reason"))


@workflow.defn
class Logged:
    @workflow.run
    async def run(self) -> None:
        agent = TemporalAgent(
            "m",
            name="clerk",
            tools=[
                add,
                activity_as_tool(weather),
                activity_as_tool(second_time, retry_policy=RetryPolicy(initial_interval=timedelta(0, 0, 1))),
                activity_as_tool(never),
                ask_first,
            ],
            retry_policy=RetryPolicy(initial_interval=timedelta(microseconds=1), maximum_attempts=2),
            callback_handler=None,
        )
        agent.add_hook(self.refuse_add, BeforeToolCallEvent)
        for prompt in ["weather Bern", "second_time", "never", "add", "ask_first", "no_such_tool"]:
            if prompt == "no_such_tool":
                agent = TemporalAgent("m", name="other", callback_handler=None)
            await agent.invoke_async(prompt)
        plain = Agent(TemporalModel("m", retry_policy=RetryPolicy(maximum_attempts=1)), callback_handler=None)
        try:
            await plain.invoke_async("fail")
        except ApplicationError:
            await TemporalAgent("m", name="last", callback_handler=None).invoke_async("hello")

    def refuse_add(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "add":
            event.cancel_tool = "not today"


def script() -> ScriptedModel:
    failed: list[str] = []

    def reply(call: ScriptedCall) -> Reply:
        if call.text == "fail":
            return fail(RuntimeError("the provider's secret"))
        if call.text == "hello" and not failed:
            failed.append("once")
            return fail(RuntimeError("once"))
        if call.text in ("second_time", "never", "ask_first", "no_such_tool"):
            return use_tool(call.text, {})
        return answer(call)

    return ScriptedModel(reply)


LINES = [
    "agent=<clerk>, turn=<1>, model=<m>, attempt=<1>, seconds=<S>, input_tokens=<20>, output_tokens=<10>"
    " | the model answered",
    "agent=<clerk>, turn=<1>, tool=<weather>, status=<success>, attempt=<1>, seconds=<S>"
    " | the tool call ended",
    "agent=<clerk>, turn=<1>, model=<m>, attempt=<1>, seconds=<S>, input_tokens=<100>, output_tokens=<10>"
    " | the model answered",
    "agent=<clerk>, turn=<1>, stop_reason=<end_turn>, seconds=<S>, input_tokens=<120>, output_tokens=<20>"
    " | the turn ended",
    "agent=<clerk>, turn=<2>, tool=<second_time>, status=<success>, attempt=<2>, seconds=<S>"
    " | the tool call ended",
    "agent=<clerk>, turn=<3>, tool=<never>, status=<error>, seconds=<S> | the tool call ended",
    "agent=<clerk>, turn=<4>, tool=<add>, status=<error> | the tool call was refused",
    "agent=<clerk>, turn=<5>, stop_reason=<interrupt>, questions=<1>, seconds=<S>, input_tokens=<20>, "
    "output_tokens=<10> | the agent waits for answers",
    "agent=<other>, turn=<1>, tool=<no_such_tool>, status=<error>, seconds=<S> | the tool call ended",
    "agent=<Strands Agents>, turn=<1>, model=<m>, seconds=<S>, error=<ApplicationError>"
    " | the model call failed",
    "agent=<Strands Agents>, turn=<1>, stop_reason=<none>, seconds=<S>, input_tokens=<0>, output_tokens=<0>"
    " | the turn ended without a result",
    "agent=<last>, turn=<1>, model=<m>, attempt=<2>, seconds=<S>, input_tokens=<100>, output_tokens=<10>"
    " | the model answered",
]


def lines_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


async def test_each_step_has_one_line_and_no_content(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    model = script()
    async with agents(
        workflows=[Logged], models={"m": lambda: model}, activities=[weather, second_time, never]
    ) as env:
        handle = await env.start(Logged.run)
        await handle.result()
        records = lines_of(caplog)
        await env.assert_replays(handle)
    assert lines_of(caplog) == records  # silent during the replay
    assert all(record.levelno == logging.INFO for record in records)
    start = f"workflow_id=<{handle.id}>, "
    assert all(record.getMessage().startswith(start) for record in records)
    said = [
        re.sub(r"seconds=<\d+\.\d+>", "seconds=<S>", record.getMessage().removeprefix(start))
        for record in records
    ]
    assert [line for line in said if line in LINES] == LINES  # in this order, each once
    assert [line for line in said if "| the turn ended" in line][-1].startswith("agent=<last>")
    assert "secret" not in "".join(said)
    assert len(said) == 12 + 5 + 8 + 1  # answers, tools, turns, and the failed call


async def test_a_record_has_each_value(agents: Agents, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with agents(workflows=[OneTurn], models={"m": lambda: ScriptedModel(say("hi"))}) as env:
        handle = await env.start(OneTurn.run)
        await handle.result()
    answered: Any = lines_of(caplog)[0]
    assert (answered.workflow_id, answered.agent, answered.turn) == (handle.id, "clerk", 1)
    assert (answered.model, answered.attempt, answered.input_tokens) == ("m", 1, 10)
    assert answered.temporal_workflow["run_id"] == handle.first_execution_run_id
    assert answered.temporal_workflow["workflow_type"] == "OneTurn"


@workflow.defn
class OneTurn:
    @workflow.run
    async def run(self) -> None:
        await TemporalAgent("m", name="clerk", callback_handler=None).invoke_async("hello")


async def test_a_look_at_a_task_that_is_still_open_logs_nothing(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    """A query on a worker without the cache runs the open task's code too, which is no replay to the SDK."""
    caplog.set_level(logging.INFO, LOGGER)
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(say("hi"))})
    async with agents(workflows=[OneTurn], plugins=[plugin]) as env:
        handle = await env.start(OneTurn.run)
        await handle.result()
        history = await handle.fetch_history()
    logged = len(lines_of(caplog))
    assert logged == 2  # the model answered, the turn ended
    begun = [n for n, event in enumerate(history.events) if event.HasField(TASK_STARTED)]
    before_its_last_task = WorkflowHistory(history.workflow_id, history.events[: begun[-1]])
    await Replayer(workflows=[OneTurn], plugins=[plugin]).replay_workflow(before_its_last_task)
    assert len(lines_of(caplog)) == logged


async def test_nothing_is_logged_above_the_level(agents: Agents, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, LOGGER)
    async with agents(workflows=[OneTurn], models={"m": lambda: ScriptedModel(say("hi"))}) as env:
        await env.run(OneTurn.run)
    assert lines_of(caplog) == []


@workflow.defn
class Paused:
    """A turn that pauses and goes on in the next run, after one that was given up."""

    @workflow.run
    async def run(self, carry: AgentCarry | None = None, ids: list[str] | None = None) -> int:
        agent = TemporalAgent("m", name="clerk", tools=[ask_first], carry=carry, callback_handler=None)
        if carry is None:
            await agent.invoke_async("ask_first")
            end_waiting(agent)
            result = await agent.invoke_async("ask_first")
            workflow.continue_as_new(args=[agent.carry(), [each.id for each in result.interrupts or ()]])
        answers: Any = [{"interruptResponse": {"interruptId": each, "response": "yes"}} for each in ids or ()]
        await agent.invoke_async(answers)
        await agent.invoke_async("hello")
        return len(agent.messages)


async def test_a_turn_that_pauses_keeps_its_number(agents: Agents, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    model = script()
    async with agents(workflows=[Paused], models={"m": lambda: model}) as env:
        await env.run(Paused.run)
    turns: Any = [record for record in lines_of(caplog) if hasattr(record, "stop_reason")]
    assert [(record.turn, record.stop_reason) for record in turns] == [
        (1, "interrupt"),
        (2, "interrupt"),
        (2, "end_turn"),
        (3, "end_turn"),
    ]
