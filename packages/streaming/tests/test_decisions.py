"""Who decided: hooks, intervention handlers, steering plugins and approvals are told apart, with reasons."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, longer_than, of, read_all
from strands import Agent, tool
from strands.hooks import (
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
)
from strands.interventions import Confirm, Deny, Guide, InterventionHandler, OnError, Proceed, Transform
from strands.vended_interventions.hitl import HumanInTheLoop
from strands.vended_plugins.steering import Guide as Steer
from strands.vended_plugins.steering import Interrupt as Stop
from strands.vended_plugins.steering import Proceed as GoOn
from strands.vended_plugins.steering import SteeringHandler
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import (
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    TemporalAgent,
    TemporalModel,
)
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import Conversation
from strands_temporal_hitl import ApprovalRefusedError, ApprovalsClient
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    Decision,
    HandedOver,
    QuestionDecided,
    RequestEnded,
    Snapshot,
    StreamHooks,
    ToolResult,
    ToolStarted,
    TurnEnd,
    _conversation,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]


@tool
def note(word: str) -> str:
    """Note a word."""
    return f"noted {word}"


class Handler(InterventionHandler):
    """A handler with a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name


class Guard(Handler):
    """Decides by the word of a call."""

    def before_tool_call(self, event: BeforeToolCallEvent, **kwargs: Any) -> Any:
        word = event.tool_use["input"]["word"]
        if word == "secret":
            return Deny(reason="secrets stay")
        if word in ("vague", "old"):
            return Guide(feedback="say more")
        return Proceed(reason="it is on the list") if word == "listed" else Proceed()

    async def before_invocation(self, event: BeforeInvocationEvent, **kwargs: Any) -> Any:
        return Deny(reason="closed") if "late" in str(event.messages) else Proceed()


class Editor(Handler):
    """Changes what passes."""

    def before_tool_call(self, event: BeforeToolCallEvent, **kwargs: Any) -> Any:
        if event.tool_use["input"]["word"] == "old":
            return Deny(reason="too old")  # ends it: what the guard advised does not count
        if event.tool_use["input"]["word"] == "typo":
            return Transform(
                apply=lambda e: e.tool_use["input"].update(word="word"),  # type: ignore[union-attr]
                reason="a typo",
            )
        return Proceed()

    def after_tool_call(self, event: AfterToolCallEvent, **kwargs: Any) -> Any:
        if event.tool_use["input"]["word"] == "listed":
            return Transform(apply=lambda e: None, reason="masked")
        return Proceed()

    def before_model_call(self, event: BeforeModelCallEvent, **kwargs: Any) -> Any:
        return Guide(feedback="be kind") if len(event.agent.messages) == 1 else Proceed()

    def after_model_call(self, event: AfterModelCallEvent, **kwargs: Any) -> Any:
        said = str(event.stop_response.message) if event.stop_response else ""
        return Guide(feedback="once more") if "rude" in said else Proceed()


class Broken(Handler):
    """Fails, which counts as a no; or asks by itself; or is asked inline."""

    @property
    def on_error(self) -> OnError:
        return "deny"

    def before_tool_call(self, event: BeforeToolCallEvent, **kwargs: Any) -> Any:
        word = event.tool_use["input"]["word"]
        if word == "crash":
            raise ValueError("no policy")
        if word == "inline":
            return Confirm(prompt="now?", response="yes")
        if word == "doubt" and not event.interrupt("its own", reason={"why": "doubt"}):
            return Deny(reason="doubtful")
        return Proceed()


class Steering(SteeringHandler):
    """Steers by the word of a call, and by the answer."""

    name = "helm"

    async def steer_before_tool(self, *, agent: Any, tool_use: Any, **kwargs: Any) -> Any:
        word = tool_use["input"]["word"]
        if word == "left":
            return Steer(reason="turn right")
        return Stop(reason="which way?") if word == "cross" else GoOn(reason="ahead")

    async def steer_after_model(self, *, agent: Any, message: Any, stop_reason: Any, **kwargs: Any) -> Any:
        return Steer(reason="no slang") if "yo" in str(message["content"]).split("'") else GoOn(reason="ok")


def edit(event: BeforeToolCallEvent) -> None:
    """Change one call, and cancel another."""
    word = event.tool_use["input"].get("word")
    if word == "hooked":
        event.tool_use["input"]["word"] = "changed"
    elif word == "never":
        event.cancel_tool = "not now"
    elif word == "asked" and event.interrupt("a hook asks", reason="sure?") != "yes":
        event.cancel_tool = "they said no"


WORDS = ["secret", "vague", "listed", "old", "typo", "crash", "inline", "left", "hooked", "never", "plain"]
ASKING = ["doubt", "cross", "asked"]


def script(call: ScriptedCall) -> Reply:
    """Say rude things and slang first, then call the tool with all words."""
    prompt = call.prompt
    if call.tool_results:
        return say("done")
    words = WORDS if "be kind" in prompt else ASKING if prompt == "ask" else prompt.split()
    return use_tools([("note", {"word": word}, f"{word}-{call.system_prompt}") for word in words])


@workflow.defn
class Decided:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    def agent(self, system_prompt: str, **options: Any) -> TemporalAgent:
        return TemporalAgent(
            "m",
            name=system_prompt,
            system_prompt=system_prompt,
            tools=[note],
            hooks=[edit, StreamHooks(self.stream)],
            streaming_topic="events",
            callback_handler=None,
            **options,
        )

    @workflow.run
    async def run(self) -> None:
        handlers: list[InterventionHandler] = [Guard("guard"), Editor("editor"), Broken("broken")]
        agent = self.agent("main", interventions=handlers, plugins=[Steering()])
        await agent.invoke_async("go")
        result = await agent.invoke_async("ask")
        answers: Any = [
            {"interruptResponse": {"interruptId": one.id, "response": "" if one.name == "its own" else "yes"}}
            for one in result.interrupts or ()
        ]
        await agent.invoke_async(answers)
        await agent.invoke_async("late")
        talker = self.agent("talker", interventions=[Editor("editor")], plugins=[Steering()])
        talker.model = TemporalModel("talker", streaming_topic="events")
        await talker.invoke_async("hi")
        # A plain agent as a tool: nobody tells of its handlers.
        helper = Agent(
            TemporalModel("m", streaming_topic="events"),
            name="helper",
            description="Helps.",
            system_prompt="helper",
            tools=[note],
            interventions=[Guard("only")],
            callback_handler=None,
        )
        boss = TemporalAgent(
            "boss",
            name="boss",
            tools=[helper.as_tool()],
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        await boss.invoke_async("help")


def decisions(events: Sequence[AgentEvent], agent: str) -> set[tuple[str, str, str | None, str, str]]:
    """Return the decisions about an agent, each one once."""
    found = [event for event in events if isinstance(event, Decision) and event.agent == agent]
    told = [(one.kind, one.name, one.tool_use_id, one.outcome, one.reason) for one in found]
    assert len(told) == len(set(told))
    return {(kind, name, (use or "-").rpartition("-")[0] or None, *rest) for kind, name, use, *rest in told}  # type: ignore[misc]


async def test_who_decides_what_and_why(agents: Agents) -> None:
    models = {
        "m": lambda: ScriptedModel(script),
        "talker": lambda: ScriptedModel("rude", "yo", "fine"),
        "boss": lambda: ScriptedModel(
            use_tools([("helper", {"input": "secret vague"}, "h1")]), say("helped")
        ),
    }
    async with agents(workflows=[Decided], models=models) as env:
        handle = await env.start(Decided.run)
        events = await read_all(AgentStream(env.client, handle.id))
        await handle.result()
        await env.assert_replays(handle)
    assert decisions(events, "main") == {
        ("intervention", "editor", None, "changed", "be kind"),
        ("intervention", "guard", "secret", "cancelled", "secrets stay"),
        ("intervention", "guard", "vague", "cancelled", "say more"),
        ("intervention", "guard", "listed", "allowed", "it is on the list"),
        ("intervention", "editor", "listed", "changed", "masked"),
        ("intervention", "editor", "old", "cancelled", "too old"),
        ("intervention", "editor", "typo", "changed", "a typo"),
        ("intervention", "broken", "crash", "cancelled", "Handler threw: no policy"),
        ("intervention", "broken", "inline", "allowed", "now?"),
        ("intervention", "helm", "left", "cancelled", "turn right"),
        ("hook", "BeforeToolCallEvent", "hooked", "changed", ""),
        ("hook", "BeforeToolCallEvent", "never", "cancelled", "not now"),
        ("intervention", "broken", "doubt", "interrupted", '{"why": "doubt"}'),
        ("intervention", "broken", "doubt", "cancelled", "doubtful"),
        ("intervention", "helm", "cross", "interrupted", "which way?"),
        ("intervention", "helm", "cross", "allowed", ""),
        ("hook", "a hook asks", "asked", "interrupted", "sure?"),
        ("hook", "a hook asks", "asked", "allowed", ""),
        ("intervention", "guard", None, "cancelled", "closed"),
    }
    assert decisions(events, "talker") == {
        ("intervention", "editor", None, "changed", "be kind"),
        ("intervention", "editor", None, "retried", "once more"),
        ("intervention", "helm", None, "retried", "no slang"),
    }
    assert decisions(events, "helper") == {
        ("intervention", "only", "secret", "cancelled", "secrets stay"),
        ("intervention", "only", "vague", "cancelled", "[only] say more"),
    }
    (of_helper,) = {event.path for event in events if isinstance(event, Decision) and event.agent == "helper"}
    assert of_helper == ("helper",)
    # An allowed call starts after the decision; a cancelled one does not start.
    started = [event.tool_use_id for event in events if isinstance(event, ToolStarted)]
    assert [one for one in started if one.endswith("-main")] == [
        f"{word}-main" for word in ("listed", "typo", "inline", "hooked", "plain", "cross", "asked")
    ]


def swap(event: BeforeToolCallEvent) -> None:
    """Change a call after people have allowed it."""
    is_known = event.agent.state.get("asked") == event.tool_use["toolUseId"]
    if event.tool_use["input"]["word"] == "swap" and is_known:
        event.tool_use["input"]["word"] = "swapped"
    event.agent.state.set("asked", event.tool_use["toolUseId"])


def keeper() -> TemporalAgent:
    """Make an agent whose calls people decide."""
    interventions: list[InterventionHandler] = [HumanInTheLoop()]
    return TemporalAgent(
        "m", name="keeper", tools=[note], hooks=[swap], interventions=interventions, callback_handler=None
    )


@workflow.defn
class Kept:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, keeper, hand_over_when=longer_than(8))

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


async def test_peoples_decisions_over_the_runs_of_a_conversation(agents: Agents) -> None:
    async with agents(workflows=[Kept], models={"m": lambda: ScriptedModel(script)}) as env:
        handle = await env.start(Kept.run, ConversationStart())
        chat, people = ConversationClient(env.client, handle.id), ApprovalsClient(env.client)
        reading = asyncio.create_task(read_all(AgentStream(env.client, handle.id)))
        for words, answers in (("tea", [True]), ("rum", [False]), ("swap", [True, False])):
            sending = asyncio.create_task(chat.send(words))
            for yes in answers:
                (pending,) = await asked(people, handle.id)
                await decide(people, handle.id, pending, yes)
            await asyncio.wait_for(sending, WAIT)
        await chat.close()
        await asyncio.wait_for(chat.handle.result(), WAIT)
        events = await reading
        await env.assert_replays(chat.handle)
    found = [event for event in events if isinstance(event, Decision)]
    who = "strands:human-in-the-loop"
    assert [(one.kind, one.name, one.tool_use_id, one.outcome) for one in found] == [
        ("intervention", who, "tea-None", "interrupted"),
        ("intervention", who, "tea-None", "allowed"),
        ("intervention", who, "rum-None", "interrupted"),
        ("intervention", who, "rum-None", "cancelled"),
        ("intervention", who, "swap-None", "interrupted"),
        ("hook", "BeforeToolCallEvent", "swap-None", "changed"),
        ("intervention", "approvals", "swap-None", "interrupted"),
        ("intervention", "approvals", "swap-None", "cancelled"),
    ]
    assert all("Approve" in one.reason for one in found if one.name == who and one.outcome != "allowed")
    assert of(ToolResult, events)[0].text == "noted tea"
    decided = [(one.outcome, one.by) for one in of(QuestionDecided, events)]
    assert decided == [("approved", "ana"), ("rejected", "ana"), ("approved", "ana"), ("rejected", "ana")]
    turns = of(TurnEnd, events)
    assert [one.stop_reason for one in turns].count("end_turn") == 3
    # A turn counts its tokens over the runs.
    totals = [one.usage["totalTokens"] for one in turns if one.stop_reason == "end_turn"]
    assert totals == [one.usage["total_tokens"] for one in of(RequestEnded, events)]
    handed = of(HandedOver, events)
    assert len(handed) >= 3
    assert [one.run_id for one in handed[1:]] == [one.new_run_id for one in handed[:-1]]
    assert handed[0].run_id == handle.first_execution_run_id


async def test_a_run_knows_what_waits_even_if_the_stream_before_is_not_carried(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_conversation, "KEPT_BYTES", 0)
    async with agents(workflows=[Kept], models={"m": lambda: ScriptedModel(script)}) as env:
        handle = await env.start(Kept.run, ConversationStart())
        chat, people = ConversationClient(env.client, handle.id), ApprovalsClient(env.client)
        sending = asyncio.create_task(chat.send("tea"))
        (pending,) = await asked(people, handle.id)
        while (await chat.handle.describe()).run_id == handle.first_execution_run_id:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        waiting = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        await decide(people, handle.id, pending, True)
        await asyncio.wait_for(sending, WAIT)
        await chat.close()
        await asyncio.wait_for(chat.handle.result(), WAIT)
        events = await read_all(AgentStream(env.client, handle.id))
        await env.assert_replays(chat.handle)
    assert isinstance(waiting, Snapshot)
    assert (waiting.status, waiting.turn) == ("waiting", 1)
    assert [one.name for one in waiting.tool_calls] == ["note"]
    assert [one.name for one in waiting.questions] == ["strands:human-in-the-loop"]
    (handed,) = of(HandedOver, events)[-1:]
    assert handed.new_run_id == (await chat.handle.describe()).run_id
    state = of(Snapshot, events)[-1]
    assert (state.status, state.turn, state.usage["totalTokens"]) == ("idle", 1, 45)
    assert state.tool_calls == state.questions == ()


async def decide(people: ApprovalsClient, workflow_id: str, pending: Any, yes: bool) -> None:
    """Decide a question. A query may see it before the workflow task that asks it has ended."""
    for _ in range(100):
        try:
            await (people.approve if yes else people.reject)(workflow_id, pending, by="ana")
        except ApprovalRefusedError:  # noqa: PERF203
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError(pending)


async def asked(people: ApprovalsClient, workflow_id: str) -> list[Any]:
    """Wait for a question."""
    for _ in range(200):
        if pending := await people.pending(workflow_id):
            return list(pending)
        await asyncio.sleep(0.05)
    raise AssertionError("nobody asks")
