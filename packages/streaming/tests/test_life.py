"""The whole life of an agent as events, in the order of the run."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import read_all, without_times
from pydantic import BaseModel
from strands import Agent, tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    CallStarted,
    End,
    ModelCallStarted,
    QuestionAsked,
    QuestionDecided,
    Snapshot,
    StreamHooks,
    TextDelta,
    TurnEnd,
)
from strands_temporal_streaming._types import LifeEvent

pytestmark = pytest.mark.server

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2)


class Answer(BaseModel):
    """An answer."""

    city: str


@tool
async def search(word: str) -> AsyncIterator[Any]:
    """Search for a word."""
    yield {"found": 1}
    yield f"about {word}"


class Policy(HookProvider):
    """Asks before each search, and has the first one done again."""

    def __init__(self) -> None:
        self.retried = False

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.before)
        registry.add_callback(AfterToolCallEvent, self.after)

    def before(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "search":
            event.interrupt("approval", reason={"why": "it costs"})

    def after(self, event: AfterToolCallEvent) -> None:
        if event.tool_use["name"] == "search" and not self.retried:
            self.retried = event.retry = True


@workflow.defn
class RichWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()
        helper = Agent(
            TemporalModel("helper", streaming_topic="events"),
            name="helper",
            description="Helps.",
            callback_handler=None,
        )
        self.agent = TemporalAgent(
            "main",
            name="boss",
            tools=[search, helper.as_tool()],
            streaming_topic="events",
            hooks=[StreamHooks(self.stream), Policy()],
            retry_policy=QUICK,
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        result = await self.agent.invoke_async(prompt)
        answers: Any = [
            {"interruptResponse": {"interruptId": one.id, "response": "yes"}}
            for one in result.interrupts or ()
        ]
        result = await self.agent.invoke_async(answers)
        result = await self.agent.invoke_async("And as data?", structured_output_model=Answer)
        assert isinstance(result.structured_output, Answer)
        return result.structured_output.city


def boss(call: ScriptedCall) -> Reply:
    if call.prompt == "And as data?":
        return use_tool("Answer", {"city": "Bern"}, tool_use_id="a1")
    if not call.tool_results:
        return use_tool("search", {"word": "tea"}, text="Let me see.", tool_use_id="s1")
    if "helped" not in call.text:
        return use_tool("helper", {"input": "help"}, tool_use_id="h1")
    return say("Done.")


SHOWN = ["name", "tool_use_id", "outcome", "stop_reason", "text", "prompt", "data", "result", "status"]


def shape(event: AgentEvent) -> str:
    """Return an event as one line, without what differs from run to run."""
    place = "/".join(event.path)
    what = " ".join(str(getattr(event, name)) for name in SHOWN if getattr(event, name, None))
    return " ".join(filter(None, [str(event.turn), place, type(event).__name__, what]))


SEARCH = [
    "1 ToolStarted search s1",
    "1 ToolProgress search s1 {'found': 1}",
    "1 ToolProgress search s1 about tea",
]
LIFE = [
    "1 TurnStarted Tea?",
    "1 ModelCallStarted",
    "1 CallStarted",
    "1 AttemptFailed",
    "1 AttemptRestarted",
    "1 TextDelta Let me see.",
    "1 ToolCallDelta search s1",
    '1 ToolCallDelta search s1 {"word": "tea"}',
    "1 MessageEnd tool_use",
    "1 ModelCallEnded tool_use",
    "1 ToolCall search s1",
    "1 Decision approval s1 interrupted",
    "1 TurnEnd interrupt",
    "1 QuestionAsked approval s1",
    "1 QuestionDecided approval answered",
    "1 TurnStarted",
    "1 Decision approval s1 allowed",
    *SEARCH,
    "1 Decision AfterToolCallEvent s1 retried",
    *SEARCH,
    "1 ToolResult search s1 about tea success",
    "1 ModelCallStarted",
    "1 CallStarted",
    "1 ToolCallDelta helper h1",
    '1 ToolCallDelta helper h1 {"input": "help"}',
    "1 MessageEnd tool_use",
    "1 ModelCallEnded tool_use",
    "1 ToolCall helper h1",
    "1 ToolStarted helper h1",
    "1 helper AgentStarted h1",
    "1 helper ModelCallStarted",
    "1 helper CallStarted",
    "1 helper TextDelta helped",
    "1 helper MessageEnd end_turn",
    "1 helper ModelCallEnded end_turn",
    "1 helper AgentEnded h1 end_turn",
    "1 ToolResult helper h1 helped\n success",
    "1 ModelCallStarted",
    "1 CallStarted",
    "1 TextDelta Done.",
    "1 MessageEnd end_turn",
    "1 ModelCallEnded end_turn",
    "1 TurnEnd end_turn Done.",
    "2 TurnStarted And as data?",
    "2 ModelCallStarted",
    "2 CallStarted",
    "2 ToolCallDelta Answer a1",
    '2 ToolCallDelta Answer a1 {"city": "Bern"}',
    "2 MessageEnd tool_use",
    "2 ModelCallEnded tool_use",
    "2 ToolCall Answer a1",
    "2 ToolStarted Answer a1",
    "2 ToolResult Answer a1 Successfully validated Answer structured output success",
    "2 TurnEnd tool_use",
    "0 End COMPLETED",
]


async def test_the_whole_life_of_an_agent_in_the_order_of_the_run(agents: Agents) -> None:
    main = ScriptedModel(fail(ConnectionError("cut")), *[boss] * 4)
    models = {"main": lambda: main, "helper": lambda: ScriptedModel(say("helped"))}
    async with agents(workflows=[RichWorkflow], models=models) as env:
        handle = await env.start(RichWorkflow.run, "Tea?")
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "Bern"
        await env.assert_replays(handle)
        assert [shape(event) for event in events] == LIFE
        # A reader that comes late begins with the present state. Nothing follows it but the end.
        snapshot, end = await read_all(AgentStream(env.client, handle.id, snapshot=True))
        # One that resumes in the middle of a call knows whose call it is.
        text = next(event for event in events if isinstance(event, TextDelta) and event.path)
        resumed = await read_all(AgentStream(env.client, handle.id, from_offset=text.offset))
    assert without_times(resumed) == without_times(events[events.index(text) :])
    # A query that runs the workflow ahead of its history sees an earlier time, but the same calls.
    started = {event.call for event in events if isinstance(event, ModelCallStarted)}
    assert len({call.split("-")[0] for call in started}) == 1
    assert {event.call for event in events if isinstance(event, CallStarted)} == started
    assert all(event.time for event in events if isinstance(event, LifeEvent) and event.time != "")
    turns = [event for event in events if isinstance(event, TurnEnd)]
    assert [turn.usage["totalTokens"] for turn in turns] == [30, 90, 30]
    assert turns[-1].structured_output == {"city": "Bern"}
    (question,) = (event for event in events if isinstance(event, QuestionAsked))
    (decided,) = (event for event in events if isinstance(event, QuestionDecided))
    assert (question.reason, decided.id, decided.answer) == ({"why": "it costs"}, question.id, "yes")
    assert isinstance(snapshot, Snapshot)
    assert isinstance(end, End)
    assert (snapshot.status, snapshot.turn, snapshot.usage["totalTokens"]) == ("idle", 2, 120)
    assert (len(snapshot.messages), snapshot.questions, snapshot.calls) == (9, (), ())
