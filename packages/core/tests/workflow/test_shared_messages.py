"""A model in a workflow gets what a plain one gets, although unchanged messages are not copied."""

import copy
import uuid
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager, SlidingWindowConversationManager
from strands.hooks import (
    AfterModelCallEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.middleware import InvokeModelContext, InvokeModelStage
from temporalio import workflow
from temporalio.client import Client
from typing_extensions import override

from strands_temporal import TemporalAgent
from strands_temporal._upstream import cost
from strands_temporal.testing import (
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
)

server = pytest.mark.server

TURNS = [f"turn {number}" for number in range(8)]


@tool
def weigh(kilos: float, *, exact: bool) -> str:
    """Weigh something."""
    return f"{kilos} kg, {exact}"


def script(call: ScriptedCall) -> Reply:
    """Use the tool in the third turn, else say how much of the conversation there is."""
    if "'turn 2'" in str(call.messages[-1]):
        return use_tool("weigh", {"kilos": 1, "exact": True})
    return say(f"{len(call.messages)} messages")


def text(agent: Agent) -> None:
    agent.messages[3]["content"][0]["text"] = "edited in place"


def blank(agent: Agent) -> None:
    agent.messages[1]["content"][0]["text"] = "  "


def number(agent: Agent) -> None:
    use: Any = agent.messages[5]["content"][0]
    use["toolUse"]["input"]["kilos"] = True  # `True == 1`


def role(agent: Agent) -> None:
    agent.messages[0]["role"] = "assistant"


def content(agent: Agent) -> None:
    agent.messages[2]["content"] = [{"text": "another list"}]


def added(agent: Agent) -> None:
    agent.messages[2]["content"].append({"text": "one block more"})


def inserted(agent: Agent) -> None:
    agent.messages.insert(1, {"role": "user", "content": [{"text": "between"}]})


def removed(agent: Agent) -> None:
    del agent.messages[2:4]


def replaced(agent: Agent) -> None:
    agent.messages = [*agent.messages[:4], *agent.messages[6:]]


def repeated(agent: Agent) -> None:
    agent.messages[1:1] = [agent.messages[0], agent.messages[0]]


def many(agent: Agent) -> None:
    for message in agent.messages:
        message["content"].insert(0, {"text": "in front"})


def reversed_(agent: Agent) -> None:
    agent.messages.reverse()


def emptied(agent: Agent) -> None:
    agent.messages[3]["content"].clear()


EDITS = [
    text,
    blank,
    number,
    role,
    content,
    added,
    inserted,
    removed,
    replaced,
    repeated,
    many,
    reversed_,
    emptied,
]


class Edits(HookProvider):
    """Changes earlier messages in every second turn, and puts equal ones back in the next."""

    def __init__(self, event: Any) -> None:
        self.event = event
        self.turns = 0
        self.before: list[Any] | None = None

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeInvocationEvent, self.begins)
        registry.add_callback(self.event, self.happens)

    def begins(self, event: BeforeInvocationEvent) -> None:
        self.turns += 1
        if self.before is not None:
            event.agent.messages = self.before
            self.before = None

    def happens(self, event: Any) -> None:
        number, odd = divmod(self.turns - FIRST, 2)
        if number >= 0 and not odd and self.before is None:
            self.before = copy.deepcopy(event.agent.messages)
            EDITS[number](event.agent)


FIRST = 5


@server
@pytest.mark.parametrize("event", [BeforeModelCallEvent, AfterModelCallEvent])
async def test_any_change_of_earlier_messages_reaches_the_model(client: Client, event: Any) -> None:
    turns = [f"turn {number}" for number in range(FIRST - 1 + 2 * len(EDITS))]
    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(script, repeat=True),
            build=lambda make: make(
                tools=[weigh], hooks=[Edits(event)], conversation_manager=NullConversationManager()
            ),
            drive=prompts(*turns),
        ),
    )
    parity.assert_equal()
    if event is not BeforeModelCallEvent:
        return
    given = [each["messages"] for each in parity.durable.given[FIRST:]]  # with the tool's call before
    for number, edit in enumerate(EDITS):
        at_the_edit, after = given[2 * number], given[2 * number + 1]
        assert repr(at_the_edit) != repr(after[: len(at_the_edit)]), edit


class Middleware:
    """Changes what it gets, and keeps it."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def __call__(self, context: InvokeModelContext) -> InvokeModelContext:
        for earlier in self.kept:
            earlier[0]["content"][0]["text"] = "changed in an earlier call's messages"
        context.messages[0]["content"].append({"text": f"call {len(self.kept)}"})
        self.kept.append(context.messages)
        return context


@server
@pytest.mark.parametrize("from_turn", [0, 4])
async def test_middleware_has_messages_of_its_own(client: Client, from_turn: int) -> None:
    async def drive(agent: Agent) -> Any:
        result = None
        for number, prompt in enumerate(TURNS):
            if number == from_turn:
                agent.add_middleware(InvokeModelStage.Input, Middleware())
            result = await agent.invoke_async(prompt)
        return result

    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(script, repeat=True),
            build=lambda make: make(tools=[weigh]),
            drive=drive,
        ),
    )
    parity.assert_equal()
    assert str(parity.durable.given[-1]).count("'call ") == 1
    assert "changed in" not in str(parity.durable.messages)


@server
async def test_a_window_and_blank_answers_are_as_in_a_plain_agent(client: Client) -> None:
    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(
                lambda call: say(" " if len(call.messages) % 3 else "Yes."), repeat=True
            ),
            build=lambda make: make(conversation_manager=SlidingWindowConversationManager(window_size=6)),
            drive=prompts(*TURNS),
        ),
    )
    parity.assert_equal()
    assert "[blank text]" in str(parity.durable.given[-1])
    assert "[blank text]" not in str(parity.durable.messages)


@workflow.defn
class Turns:
    """A conversation of some turns."""

    @workflow.run
    async def run(self) -> None:
        agent = TemporalAgent("claude", callback_handler=None)
        for prompt in TURNS:
            await agent.invoke_async(prompt)


class Copies:
    """Counts the messages that are copied for model calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages = 0
        self._copy = cost.fast_deepcopy
        monkeypatch.setattr(cost, "fast_deepcopy", self)

    def __call__(self, value: Any, memo: dict[int, Any]) -> Any:
        self.messages += isinstance(value, dict) and "role" in value
        return self._copy(value, memo)


@server
async def test_a_message_is_copied_for_its_first_call_only(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = Copies(monkeypatch)
    async with agents(
        workflows=[Turns],
        models={"claude": lambda: ScriptedModel(lambda call: say("Yes."), repeat=True)},
        task_queue=f"shared-{uuid.uuid4()}",
        max_cached_workflows=10,
    ) as env:
        await env.run(Turns.run)
    first = 2  # when nothing is known of the model yet
    assert copies.messages == 2 * (first + 2 * len(TURNS[1:])), "in the run and in its replay"
