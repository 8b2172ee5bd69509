"""Messages that no client should send: each is refused or dropped, and the workflow goes on."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.client_scenes import (
    ClientTask,
    ClientWorkflow,
    echo,
    ended,
    open_calls,
    serving,
    work,
)
from packages.core.tests.workflow.conversation_scenes import (
    Chat,
    Held,
    answer,
    make_agent,
    replay_all,
    start_chat,
    texts,
    until,
)
from temporalio import workflow
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import (
    AgentValueError,
    CarryTooLargeError,
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    PayloadTooLargeError,
    TemporalAgent,
)
from strands_temporal._workflow.conversation_input import PromptReader
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import ClientCalls, Conversation, client_tool

pytestmark = pytest.mark.server

DAMAGED = [{"image": {"format": "png", "source": {"bytes": {"$b64": "x"}}}}]


async def _refused(handle: Any, update: str, message: Any) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(update, message)
    assert isinstance(caught.value.cause, ApplicationError)
    assert len(caught.value.cause.message) < 5000
    return caught.value.cause


async def test_no_message_stops_a_chat(agents: Agents) -> None:
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}) as env:
        chat = await start_chat(env, "typed")
        bad: list[list[Any]] = [[], ["one", "two"], [DAMAGED], [{"product": 1}], [None]]
        for arguments in bad:
            await chat.handle.signal("send", args=arguments)
        for text in ("one", "two"):  # without an id, each is a message of its own
            await chat.handle.signal("send", {"id": None, "message": text})
        await chat.handle.execute_update("cancel_turn", {})
        cause = await _refused(chat.handle, "send", DAMAGED)
        assert "'$b64' in a value are damaged: Invalid base64" in cause.message
        with pytest.raises(PayloadTooLargeError, match="large data by reference"):
            await chat.send("x" * 3_000_000)
        assert (await chat.send("three")).turn == 3
        assert texts(await chat.messages())[::2] == ["one", "two", "three"]
        await chat.handle.execute_update("close", None)
        assert (await chat.handle.result())["turns"] == 3
        await replay_all(env, chat.workflow_id)


def test_a_refusal_does_not_repeat_a_large_message() -> None:
    schema = {"properties": {"product": {"type": "integer"}}}
    with pytest.raises(AgentValueError, match=r"does not fit the input_model: \$\.product: 'yyy") as refused:
        PromptReader(schema).prompt_of({"product": "y" * 1_000_000})
    assert len(refused.value.message) < 5000


@pytest.mark.slow
async def test_an_answer_to_a_question_does_not_steer(agents: Agents) -> None:
    held = Held()

    def reply(call: ScriptedCall) -> Reply:
        if call.tool_results:
            return say(call.text)
        return use_tool("look_up", {"number": 1}).when(held.wait)

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env, "steer")
        first = asyncio.create_task(chat.send("go"))
        await asyncio.wait_for(held.asked.wait(), 10)
        late = [{"interruptResponse": {"interruptId": "x", "response": True}}]
        second = asyncio.create_task(chat.send(late))

        async def queued() -> bool:
            return (await chat.state()).queued == 1

        await until(queued)
        held.let_go.set()
        assert (await first).text == "looked up 1"
        with pytest.raises(WorkflowUpdateFailedError):  # Strands' own: the agent does not wait
            await second
        assert len(await chat.messages()) == 4
        await chat.close()
        await chat.handle.result()
        await replay_all(env, chat.workflow_id)


def not_approvals(carry: Any) -> Any:
    raise KeyError("no approvals")


@workflow.defn
class WrongChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, lambda: TemporalAgent("m"), approvals=not_approvals)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


@pytest.mark.slow
async def test_approvals_that_cannot_be_made_end_the_workflow(agents: Agents) -> None:
    async with agents(workflows=[WrongChat], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(WrongChat.run, ConversationStart())
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), 10)
        assert "no approvals" in str(failed.value.cause)


@workflow.defn
class SmallChat:
    """A chat that can go on in the next run in the midst of its first turn only."""

    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent, hand_over_when=self.in_the_first_turn)

    def in_the_first_turn(self) -> bool:
        return len(self.chat.agent.messages) == 2

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


@pytest.mark.slow
async def test_a_turn_that_cannot_go_on_does_not_take_the_next_message(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strands_temporal._workflow.conversation_next_run.LARGEST_PAYLOAD", 10)
    monkeypatch.setattr("strands_temporal._workflow.hand_over_room.history_is_nearly_full", lambda: True)
    async with agents(workflows=[SmallChat], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(SmallChat.run, ConversationStart())
        chat = ConversationClient(env.client, handle.id)
        with pytest.raises(CarryTooLargeError):
            await chat.send("tools 3")
        assert (await chat.send("again")).text == "again of 4"
        await chat.close()
        assert (await handle.result()).turns == 2


# --- Client tools


async def test_no_message_of_a_client_stops_an_agent(agents: Agents) -> None:
    model = ScriptedModel(use_tool("shout", {"text": "hi"}), echo)
    async with agents(workflows=[ClientWorkflow], models={"model": lambda: model}, activities=[work]) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        (call,) = await open_calls(handle)
        id_, large = call["id"], "\n" * 900_000
        for update, message, type_ in (
            ("client_tool_result", {"id": id_, "result": [large]}, "ClientResultDoesNotFit"),
            ("client_tool_result", large, "MalformedClientMessage"),
            ("client_tool_result", {"id": large, "result": 1}, "UnknownClientCall"),
            ("client_tool_claim", {"id": id_, "by": large, "seconds": 1}, "MalformedClientMessage"),
            ("client_tool_claim", {"id": id_, "by": "x", "seconds": large}, "MalformedClientMessage"),
        ):
            assert (await _refused(handle, update, message)).type == type_
        claim: Any = {"id": id_, "by": "x", "seconds": 10**400}
        claimed: Any = await handle.execute_update("client_tool_claim", claim)
        assert claimed["by"] == "x"
        # A message that was refused as a signal is refused as an update too.
        wrong = {"id": id_, "result": 7}
        again = {"update": "client_tool_result", "value": wrong, "request": "request-1"}
        await handle.signal("client_tool_by_signal", again)
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("client_tool_result", wrong, id="request-1")
        await handle.execute_update("client_tool_result", {"id": id_, "result": {"shouted": 1}})
        assert (await ended(env, handle))["text"] == '{"shouted": 1}'


FETCH = client_tool("fetch", "Fetch a page.", {"type": "object"})


@workflow.defn
class FetchWorkflow:
    def __init__(self) -> None:
        self.calls = ClientCalls()

    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("m", tools=[FETCH], callback_handler=None)
        await self.calls.run(agent, "go")
        results = [
            block["toolResult"] for m in agent.messages for block in m["content"] if "toolResult" in block
        ]
        return [f"{each['status']}: {each['content'][0].get('text', '')[:60]}" for each in results]


def fetch(page: str) -> Any:
    pages: dict[str, Any] = {
        "http": {"status": 200, "content": "<p>hi</p>"},
        "result": {"status": "success", "content": [{"text": "hi"}]},
        "large": "x" * 3_000_000,
    }
    if page == "error":
        raise ValueError("x" * 3_000_000)
    return pages[page]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "seen"),
    [
        ("http", 'success: {"status": 200, "content": "<p>hi</p>"}'),
        ("result", "success: hi"),
        ("large", "error: Error: 3,000,"),
        ("error", "error: Error: xxxx"),
    ],
)
async def test_what_a_function_returns_reaches_the_model(agents: Agents, page: str, seen: str) -> None:
    model = ScriptedModel(use_tool("fetch", {"page": page}), say("done"))
    async with agents(workflows=[FetchWorkflow], models={"m": lambda: model}) as env:
        handle = await env.start(FetchWorkflow.run)
        async with serving(env.client, handle, {"fetch": fetch}):
            assert (await asyncio.wait_for(handle.result(), 10))[0].startswith(seen)
        await env.assert_replays(handle)
