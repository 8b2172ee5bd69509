"""`AgentStream`: typed events of whole conversations, over retries, pauses and new runs."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import (
    WAIT,
    LiveModel,
    bounded,
    plain_text,
    play,
    read_all,
    read_plain,
)
from strands import tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.types.content import Messages
from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamState

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool, use_tools
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    End,
    MessageEnd,
    PendingInterrupt,
    StreamHooks,
    TextDelta,
    ToolCall,
    ToolResult,
    TurnEnd,
)
from strands_temporal_streaming._types import LifeEvent, PlacedWithAgent

pytestmark = [
    pytest.mark.server,
    # temporalio warns if a workflow ends while a reader polls. The reader reads the rest by query.
    pytest.mark.filterwarnings("ignore:.TMPRL1102:RuntimeWarning"),
]

QUICK = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2)


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter in a word."""
    return word.count(letter)


@tool
def encyclopedia() -> str:
    """Return a lot of text."""
    return "x" * 2001


class Gate(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self._ask)

    def _ask(self, event: BeforeToolCallEvent) -> None:
        event.interrupt("approval", reason={"tool": event.tool_use["name"]})


@workflow.defn
class AgentWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, prompt: str, gated: bool = False) -> str:
        agent = TemporalAgent(
            "live",
            name="helper",
            tools=[letter_counter, encyclopedia],
            streaming_topic="events",
            hooks=[StreamHooks(self.stream), *([Gate()] if gated else [])],
            retry_policy=QUICK,
            callback_handler=None,
        )
        result = await agent.invoke_async(prompt)
        return result.stop_reason if gated else str(result)


@workflow.defn
class TwoAgentsWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> list[str]:
        agents = [
            TemporalAgent(name, streaming_topic="events", callback_handler=None) for name in ("left", "right")
        ]
        results = await asyncio.gather(*(agent.invoke_async("go") for agent in agents))
        return [str(result) for result in results]


@workflow.defn
class PlainWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@dataclass
class ChatInput:
    messages: Messages = field(default_factory=Messages)
    stream: WorkflowStreamState | None = None
    turns: int = 0


@workflow.defn
class ChatWorkflow:
    """Three runs of one turn each. The stream carries over with the conversation."""

    @workflow.init
    def __init__(self, chat: ChatInput) -> None:
        self.stream = WorkflowStream(prior_state=chat.stream)
        self.agent = TemporalAgent(
            "live",
            messages=chat.messages,
            streaming_topic="events",
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )

    @workflow.run
    async def run(self, chat: ChatInput) -> str:
        result = await self.agent.invoke_async(f"turn {chat.turns}")
        if chat.turns < 2:
            await self.stream.continue_as_new(
                lambda state: [ChatInput(self.agent.messages, state, chat.turns + 1)]
            )
        return str(result)


UNSEEN: dict[str, Any] = {
    "call": "",
    "activity_id": "",
    "started_at": "",
    "path": (),
    "turn": 0,
    "result": "",
    "usage": {},
    "size": 0,
    "error": "",
}


def bare(events: list[AgentEvent]) -> list[AgentEvent]:
    """Return the output of models and tools, without what differs from run to run (see also `test_life`)."""
    told: list[AgentEvent] = []
    for event in events:
        if isinstance(event, LifeEvent):
            continue
        unseen = {name: value for name, value in UNSEEN.items() if hasattr(event, name)}
        if isinstance(event, AttemptFailed):
            del unseen["error"]
        if isinstance(event, PlacedWithAgent):
            unseen["agent"] = ""
        told.append(replace(event, offset=0, **unseen))
    return told


def told(events: list[AgentEvent]) -> dict[str, str]:
    """Return each call's text, as kept by a reader that drops failed attempts."""
    texts: dict[str, str] = {}
    for event in events:
        if isinstance(event, TextDelta):
            texts[event.call] = texts.get(event.call, "") + event.text
        elif isinstance(event, (AttemptFailed, AttemptRestarted)):
            texts.pop(event.call, None)
    return texts


async def test_a_turn_with_a_tool(agents: Agents) -> None:
    model = ScriptedModel(
        use_tool("letter_counter", {"word": "strawberry", "letter": "r"}, text="Let me count."),
        lambda call: say(f"There are {call.text}.", chunk=6),
    )
    async with agents(workflows=[AgentWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(AgentWorkflow.run, "How many?")
        assert await handle.result() == "There are 3.\n"
        events = await read_all(AgentStream(env.client, handle.id))
        await env.assert_replays(handle)
    assert bare(events) == [
        CallStarted(model="live", offset=0),
        TextDelta("Let me count.", offset=0),
        MessageEnd("tool_use", offset=0),
        ToolCall("letter_counter", "letter_counter-1", {"word": "strawberry", "letter": "r"}, "helper", 0),
        ToolResult("letter_counter", "letter_counter-1", "success", "3", agent="helper", offset=0),
        CallStarted(model="live", offset=0),
        TextDelta("There are 3.", offset=0),
        MessageEnd("end_turn", offset=0),
        TurnEnd("end_turn", agent="helper", offset=0, error=""),
        End("COMPLETED", offset=0),
    ]
    offsets = [event.offset for event in events]
    assert offsets == sorted(set(offsets))  # all distinct, so a reader can resume at any of them


async def test_two_calls_of_one_id_are_two_on_the_stream_as_in_the_agent(agents: Agents) -> None:
    calls = [("letter_counter", {"word": word, "letter": "r"}, "call_0") for word in ("berry", "straw")]
    model = ScriptedModel(use_tools(calls), lambda call: say(call.text))
    async with agents(workflows=[AgentWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(AgentWorkflow.run, "How many?")
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "2\n1\n"
        await env.assert_replays(handle)
        plain: list[Any] = list(await read_plain(env.client, handle.id))
    asked = {e.tool_use_id: e.input["word"] for e in events if isinstance(e, ToolCall)}
    ended = {e.tool_use_id: e.text for e in events if isinstance(e, ToolResult)}
    assert asked == {"call_0": "berry", "call_0_2": "straw"}
    assert ended == {"call_0": "2", "call_0_2": "1"}
    starts = [event["contentBlockStart"]["start"] for event in plain if "contentBlockStart" in event]
    streamed = [start["toolUse"]["toolUseId"] for start in starts if "toolUse" in start]
    assert streamed == ["call_0", "call_0_2"]


async def test_a_failed_attempt_is_marked_and_the_rest_equals_the_answer(agents: Agents) -> None:
    model = LiveModel(play("Once ", "upon ", "a ", ConnectionError("cut")), play("The ", "end", "."))
    async with agents(workflows=[AgentWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(AgentWorkflow.run, "Tell me.")
        assert await handle.result() == "The end.\n"
        events = await read_all(AgentStream(env.client, handle.id))
        await env.assert_replays(handle)
        assert bare(events) == [
            CallStarted(model="live", offset=0),
            TextDelta("Once upon a ", offset=0),
            AttemptFailed(attempt=1, error="ConnectionError", offset=0),
            AttemptRestarted(attempt=2, model="live", offset=0),
            TextDelta("The end.", offset=0),
            MessageEnd("end_turn", offset=0),
            TurnEnd("end_turn", agent="helper", offset=0, error=""),
            End("COMPLETED", offset=0),
        ]
        assert list(told(events).values()) == ["The end."]
        assert len({event.call for event in events if isinstance(event, (TextDelta, AttemptRestarted))}) == 1
        # The guide's topic has only the model's own events, of both attempts.
        plain = await read_plain(env.client, handle.id)
        assert plain_text(plain) == "Once upon a The end."
        assert {key for event in plain for key in event} <= set(StreamEvent.__annotations__)
        # A reader may start at any offset, and gets the same events from there on.
        for offset in range(events[-1].offset):
            rest = await read_all(AgentStream(env.client, handle.id, from_offset=offset))
            assert rest == [event for event in events if event.offset >= offset]


async def test_a_failure_for_good(agents: Agents) -> None:
    model = LiveModel(play("Once ", ValueError("bad")))
    async with agents(workflows=[AgentWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(AgentWorkflow.run, "Tell me.")
        events = await read_all(AgentStream(env.client, handle.id))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await env.assert_replays(handle)
    assert bare(events)[2:] == [
        AttemptFailed(attempt=1, error="ValueError", offset=0),
        TurnEnd(None, agent="helper", offset=0, error=""),
        End("FAILED", offset=0),
    ]
    assert told(events) == {}


async def test_an_interrupt_and_a_long_result(agents: Agents) -> None:
    async def run(prompt: str, gated: bool) -> list[AgentEvent]:
        handle = await env.start(AgentWorkflow.run, prompt, gated)
        events = await read_all(AgentStream(env.client, handle.id))
        await env.assert_replays(handle)
        return events

    def model() -> ScriptedModel:
        return ScriptedModel(
            lambda call: say("ok") if "x" * 100 in call.text else use_tool("encyclopedia", {})
        )

    async with agents(workflows=[AgentWorkflow], models={"live": model}) as env:
        paused = await run("go", True)
        ended = await run("go", False)
    (turn,) = [event for event in paused if isinstance(event, TurnEnd)]
    assert turn.stop_reason == "interrupt"
    (interrupt,) = turn.interrupts
    assert interrupt == PendingInterrupt(interrupt.id, "approval", {"tool": "encyclopedia"})
    assert not [event for event in paused if isinstance(event, ToolResult)]
    (result,) = [event for event in ended if isinstance(event, ToolResult)]
    assert (len(result.text), result.truncated) == (2000, True)


async def test_two_agents_on_one_topic_are_told_apart(agents: Agents) -> None:
    left_spoke, right_spoke = asyncio.Event(), asyncio.Event()

    async def set_and_wait(mine: asyncio.Event, others: asyncio.Event) -> None:
        mine.set()
        await bounded(others)

    left = LiveModel(play("le", lambda: set_and_wait(left_spoke, right_spoke), "ft"))
    right = LiveModel(play("ri", lambda: set_and_wait(right_spoke, left_spoke), "ght"))
    async with agents(
        workflows=[TwoAgentsWorkflow], models={"left": lambda: left, "right": lambda: right}
    ) as env:
        handle = await env.start(TwoAgentsWorkflow.run)
        events = await read_all(AgentStream(env.client, handle.id))
        assert sorted(await handle.result()) == ["left\n", "right\n"]
        await env.assert_replays(handle)
    models = {event.call: event.model for event in events if isinstance(event, CallStarted)}
    assert {models[call]: text for call, text in told(events).items()} == {"left": "left", "right": "right"}


async def test_it_follows_the_conversation_into_new_runs(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say(f"answer to {call.text}", chunk=4))
    async with agents(workflows=[ChatWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(ChatWorkflow.run, ChatInput())
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "answer to turn 2\n"
        await env.assert_replays(handle)
    assert list(told(events).values()) == [f"answer to turn {turn}" for turn in range(3)]
    assert [type(event) for event in events if isinstance(event, (TurnEnd, End))] == [TurnEnd] * 3 + [End]


async def test_it_waits_for_a_worker_and_goes_on_where_it_stopped(agents: Agents) -> None:
    """A reader starts before a worker runs, leaves in the middle, and returns with its offset."""
    left_off = asyncio.Event()
    model = LiveModel(play("one ", lambda: bounded(left_off), "two"))
    queue = f"waits-{id(model)}"
    async with agents(workflows=[AgentWorkflow], models={"live": lambda: model}, task_queue=queue) as env:
        pass  # this worker has ended again
    handle = await env.start(AgentWorkflow.run, "go")
    stream = AgentStream(env.client, handle.id)

    async def until_first_text() -> str:
        async for event in stream:
            if isinstance(event, TextDelta):
                return event.text
        raise AssertionError("no text came")

    reader = asyncio.create_task(until_first_text())
    async with agents(workflows=[AgentWorkflow], models={"live": lambda: model}, task_queue=queue) as env:
        assert await asyncio.wait_for(reader, WAIT) == "one "
        left_off.set()
        rest = await read_all(AgentStream(env.client, handle.id, from_offset=stream.offset))
        assert bare(rest)[0] == TextDelta("two", offset=0)
        assert bare(await read_all(stream))[0] == TextDelta("two", offset=0)  # iterating again also resumes
        await env.assert_replays(handle)


async def test_a_cancelled_call_gives_out_what_it_had_said(agents: Agents) -> None:
    never = asyncio.Event()
    model = LiveModel(play("first ", "second", never.wait))
    async with agents(workflows=[CancelWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(CancelWorkflow.run)
        events: list[AgentEvent] = []
        async for event in AgentStream(env.client, handle.id):
            events.append(event)
            if isinstance(event, TextDelta) and event.text.startswith("first "):
                await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), WAIT)
        await env.assert_replays(handle)
    assert list(told(events).values()) == ["first second"]
    assert events[-1] == End("CANCELED", events[-1].offset)
    assert len(model.calls) == 1


@workflow.defn
class CancelWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "live",
            streaming_topic="events",
            streaming_batch_interval=timedelta(hours=1),  # "second" waits for the end
            heartbeat_timeout=timedelta(seconds=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            callback_handler=None,
        )
        return str(await agent.invoke_async("go"))


async def test_a_workflow_without_a_stream_is_an_error(agents: Agents) -> None:
    async with agents(workflows=[PlainWorkflow], models={"live": lambda: ScriptedModel()}) as env:
        handle = await env.start(PlainWorkflow.run)
        with pytest.raises(ValueError, match=r"has no stream to read .*self\.stream = WorkflowStream\(\)"):
            await read_all(AgentStream(env.client, handle.id))
        await handle.terminate()
