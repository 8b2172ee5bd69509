"""`Conversation`: turns, runs, requests that are sent again, messages during a turn, and typed ends."""

import asyncio
import uuid
from typing import Any, cast

import pytest
from conftest import Agents
from packages.core.tests.workflow.conversation_scenes import (
    BusyChat,
    Chat,
    ChatStart,
    Held,
    answer,
    is_taken,
    replay_all,
    runs_of,
    start_chat,
    texts,
    until,
)
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import (
    AgentTypeError,
    AgentValueError,
    ConversationBusyError,
    ConversationClient,
    ConversationClosedError,
    TokenBudgetExceededError,
    TurnHandedOverError,
    TurnLimitReachedError,
    TurnResult,
)
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool

pytestmark = pytest.mark.server


def broken() -> Reply:
    """Fail as a model whose error no retry mends."""
    return fail(ApplicationError("the model broke", type="Broken", non_retryable=True))


async def test_a_chat_goes_from_run_to_run_and_answers_each_request_once(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(workflows=[Chat], models={"m": lambda: model}) as env:
        chat = await start_chat(env, "hands over")
        first = await chat.send("one", id="request-1")
        assert (first.turn, first.text, first.stop_reason) == (1, "one of 1", "end_turn")
        assert (first.usage["input_tokens"], first.usage["model_calls"]) == (10, 1)
        # The history is longer than the limit before this turn has had its tool calls.
        long = await chat.send("tools 6", id="request-2")
        assert long.text == "tools 6 of 15"
        assert long.usage["model_calls"] == 7
        run_id = (await chat.state()).run_id
        calls = len(model.calls)
        assert await chat.send("one", id="request-1") == first
        assert await chat.send("tools 6", id="request-2") == long
        assert len(model.calls) == calls
        third = await chat.send("three")
        assert (third.turn, third.text) == (3, "three of 17")
        state = await chat.state()
        assert (state.status, state.turn, state.queued, state.usage["model_calls"]) == ("idle", 3, 0, 9)
        messages = await chat.messages()
        assert len(messages) == 18
        assert texts(messages)[:2] == ["one", "one of 1"]
        assert await chat.messages(-2) == messages[-2:]
        assert (await chat.close()).reason == "closed"
        end = await chat.handle.result()
        assert (end["reason"], end["turns"], end["usage"]["input_tokens"]) == ("closed", 3, 150)
        with pytest.raises(ConversationClosedError):
            await chat.send("four")
        assert run_id != (await runs_of(env.client, chat.workflow_id))[0].run_id
        assert await replay_all(env, chat.workflow_id) > 2


async def test_messages_during_a_turn_wait_or_are_refused_or_steer_it(agents: Agents) -> None:
    held: dict[str, Held] = {}

    def reply(call: ScriptedCall) -> Reply:
        if call.prompt.startswith("hold"):
            if not call.tool_results:
                return use_tool("look_up", {"number": 1}, text="wait").when(held[call.prompt].wait)
            return say(f"last: {call.text}")
        return answer(call)

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        for mode in ("plain", "reject", "steer"):
            prompt = f"hold {mode}"
            held[prompt] = Held()
            chat = await start_chat(env, mode)
            other = ConversationClient(env.client, chat.workflow_id)
            first = asyncio.create_task(chat.send(prompt))
            await asyncio.wait_for(held[prompt].asked.wait(), 10)
            assert (await other.state()).status == "thinking"
            if mode == "reject":
                with pytest.raises(ConversationBusyError, match="busy with turn 1"):
                    await other.send("meanwhile")
                held[prompt].let_go.set()
                assert (await first).text == "last: looked up 1"
            else:
                second = asyncio.create_task(other.send("meanwhile"))
                await until(lambda other=other: _queued(other))
                held[prompt].let_go.set()
                answers = await first, await second
                if mode == "steer":
                    # The model reads it beside the tool's result, and the turn's result answers both.
                    assert [a.text for a in answers] == ["last: looked up 1\nmeanwhile"] * 2
                    assert [(a.turn, a.steered) for a in answers] == [(1, False), (1, True)]
                else:
                    assert [a.text for a in answers] == ["last: looked up 1", "meanwhile of 5"]
            await chat.close()
            await chat.handle.result()
            await replay_all(env, chat.workflow_id)


async def _queued(chat: ConversationClient) -> bool:
    return (await chat.state()).queued == 1


async def test_a_turn_is_cancelled_and_a_failed_turn_leaves_the_chat_alive(agents: Agents) -> None:
    held = Held()

    def reply(call: ScriptedCall) -> Reply:
        if call.prompt == "hold":
            return say("never").when(held.wait)
        return broken() if call.prompt == "fail" else answer(call)

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env)
        assert await chat.cancel_turn() is False
        first = asyncio.create_task(chat.send("hold"))
        await asyncio.wait_for(held.asked.wait(), 10)
        assert await chat.cancel_turn() is True
        held.let_go.set()
        assert (await first).stop_reason == "cancelled"
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await chat.send("fail", id="it fails")
        assert isinstance(failed.value.cause, ApplicationError)
        assert (failed.value.cause.type, failed.value.cause.message) == ("Broken", "the model broke")
        assert (await chat.send("go on")).stop_reason == "end_turn"
        await chat.close()
        assert (await chat.handle.result())["turns"] == 3
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_failed_request_gets_its_first_answer_in_the_next_run(agents: Agents) -> None:
    def reply(call: ScriptedCall) -> Reply:
        return broken() if call.prompt == "fail" else answer(call)

    model = ScriptedModel(reply)
    async with agents(workflows=[Chat], models={"m": lambda: model}) as env:
        chat = await start_chat(env, "always hands over")
        for _ in range(2):
            with pytest.raises(WorkflowUpdateFailedError) as failed:
                await chat.send("fail", id="the request")
            assert isinstance(failed.value.cause, ApplicationError)
            assert (failed.value.cause.type, failed.value.cause.message) == ("Broken", "the model broke")
        assert len(model.calls) == 1
        assert (await chat.send("tools 3")).text == "tools 3 of 8"
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        assert await replay_all(env, chat.workflow_id) > 3


async def test_a_conversation_ends_by_its_limits(agents: Agents) -> None:
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}) as env:
        limited = await start_chat(env, "two turns")
        await limited.send("one")
        late = [asyncio.create_task(limited.send("two"))]
        assert (await late[0]).turn == 2
        assert (await limited.handle.result())["reason"] == "turn_limit"
        with pytest.raises(ConversationClosedError):
            await limited.send("three")

        poor = await start_chat(env, "small budget")  # of 40 tokens; an answer takes 15, a call of a tool 30
        assert (await poor.send("one")).stop_reason == "end_turn"
        with pytest.raises(TokenBudgetExceededError, match=r"45 tokens.*max_tokens=40"):
            await poor.send("tools 5")
        end = await poor.handle.result()
        assert (end["reason"], end["turns"], end["usage"]["model_calls"]) == ("token_budget", 2, 2)

        one_step = await start_chat(env, "one step")
        assert (await one_step.send("tools 5")).stop_reason == "limit_turns"
        await one_step.close()
        for chat in (limited, poor, one_step):
            await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_any_client_follows_a_turn_with_the_updates_id(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(workflows=[Chat], models={"m": lambda: model}) as env:
        chat = await start_chat(env, "hands over")
        failures: list[BaseException | None] = []
        answered = None
        while answered is None:
            try:
                answered = await chat.handle.execute_update("send", "tools 6", id="u", result_type=TurnResult)
            except WorkflowUpdateFailedError as error:  # noqa: PERF203  # one of each run
                failures.append(error.cause)
        assert len(failures) > 2
        assert {cast("ApplicationError", each).type for each in failures} == {
            TurnHandedOverError.failure_type
        }
        assert "with the same update id" in str(failures[0])
        assert (answered.turn, answered.text, len(model.calls)) == (1, "tools 6 of 13", 7)
        assert answered.usage["model_calls"] == 7
        await chat.close()
        await chat.handle.result()


@pytest.mark.slow
async def test_structured_output_is_in_the_result(agents: Agents) -> None:
    def reply(call: ScriptedCall) -> Reply:
        return use_tool("Order", {"product": call.prompt}, tool_use_id=f"o{len(call.messages)}")

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env, maker="structured")
        assert (await chat.send("tea")).structured_output == {"product": "tea", "count": 1}
        await chat.close()
        await chat.handle.result()
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_slow_handler_of_the_users_delays_the_next_run_and_loses_nothing(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(workflows=[BusyChat], models={"m": lambda: model}) as env:
        handle = await env.start(BusyChat.run, ChatStart(options="always hands over"))
        chat = ConversationClient(env.client, handle.id)
        slow = asyncio.create_task(chat.handle.execute_update(BusyChat.slow))
        await until(lambda: is_taken(chat, "slow"))
        assert (await chat.send("one")).text == "one of 1"
        second = asyncio.create_task(chat.send("two"))
        await until(lambda: _queued(chat))
        await chat.handle.signal(BusyChat.end_slow)
        assert await slow == "slow"
        assert (await second).text == "two of 3"
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        assert await replay_all(env, chat.workflow_id) > 1


@pytest.mark.slow
async def test_messages_beyond_the_turn_limit_are_refused_while_a_turn_runs(agents: Agents) -> None:
    held = Held()
    model = ScriptedModel(lambda call: say("ok").when(held.wait))
    async with agents(workflows=[Chat], models={"m": lambda: model}) as env:
        chat = await start_chat(env, "two turns")
        first = asyncio.create_task(chat.send("one"))
        await asyncio.wait_for(held.asked.wait(), 10)
        second = asyncio.create_task(chat.send("two"))
        await until(lambda: _queued(chat))
        with pytest.raises(TurnLimitReachedError, match="max_turns=2"):
            await chat.send("three")
        held.let_go.set()
        assert [(await each).turn for each in (first, second)] == [1, 2]
        assert (await chat.handle.result())["reason"] == "turn_limit"
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_the_budget_counts_sub_agents_and_ends_the_turn(agents: Agents) -> None:
    def reply(call: ScriptedCall) -> Reply:
        if "research" in call.tool_names:
            return use_tool("research", {"input": "tools 1"}, tool_use_id=f"r{len(call.messages)}")
        return say("found")

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env, "small budget", maker="caller")
        with pytest.raises(TokenBudgetExceededError):
            await chat.send("go")
        end = await chat.handle.result()
        assert (end["reason"], end["usage"]["model_calls"]) == ("token_budget", 2)
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_chat_that_is_left_alone_ends_and_a_late_message_keeps_it(agents: Agents) -> None:
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}) as env:
        chat = await start_chat(env, "soon idle")
        await chat.send("one")
        await chat.send("two")
        assert (await chat.handle.result())["reason"] == "idle"
        with pytest.raises(ConversationClosedError, match="completed"):
            await chat.send("three")
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_cancelling_the_workflow_answers_who_waits(agents: Agents) -> None:
    held = Held()
    model = ScriptedModel(lambda call: say("never").when(held.wait))
    async with agents(workflows=[Chat], models={"m": lambda: model}) as env:
        chat = await start_chat(env)
        waiting = [asyncio.create_task(chat.send(text)) for text in ("one", "two")]
        await asyncio.wait_for(held.asked.wait(), 10)
        await until(lambda: _queued(chat))
        await chat.handle.cancel()
        for each in waiting:
            with pytest.raises(ConversationClosedError, match="cancelled"):
                await each
        with pytest.raises(WorkflowFailureError):
            await chat.handle.result()
        await replay_all(env, chat.workflow_id)


async def test_what_a_message_may_be(agents: Agents) -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\xff"}}}
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}) as env:
        chat = await start_chat(env, "typed")
        assert (await chat.send([{"text": "look"}, image])).text == "look of 1"
        assert (await chat.messages())[0]["content"] == [{"text": "look"}, image]
        assert (await chat.send({"product": "tea"})).text == '{"product":"tea","count":1} of 3'
        for message, error, text in (
            ({"product": 1}, AgentValueError, "does not fit Order"),
            ("  ", AgentValueError, "is empty"),
            ([], AgentValueError, "is empty"),
            ([{"txt": "x"}], AgentTypeError, "not a content block"),
            (3, AgentTypeError, "typed data"),
        ):
            with pytest.raises(error, match=text):
                await chat.send(message)
        await chat.close()
        plain = await start_chat(env)
        with pytest.raises(AgentTypeError, match="has no input_model"):
            await plain.send({"product": "tea"})
        # By signal the same message is dropped, and one with a known id is the same message.
        await plain.send_later({"product": "tea"})
        await plain.send_later("one", id="request-1")
        assert (await plain.send("one", id="request-1")).turn == 1
        await plain.close()
        assert (await plain.handle.result())["turns"] == 1
        for each in (chat, plain):
            await replay_all(env, each.workflow_id)


BAD_STARTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "arguments": ({"color": "red"}, "AgentTypeError", "does not take the arguments of the start"),
    "a maker that raises": ({"name": "broken"}, "KeyError", "no such thing"),
}


@pytest.mark.parametrize("case", BAD_STARTS)
@pytest.mark.sample(1)
async def test_an_agent_that_cannot_be_made_ends_the_workflow(agents: Agents, case: str) -> None:
    arguments, type_, text = BAD_STARTS[case]
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(Chat.run, ChatStart(arguments=arguments), id=f"bad-{uuid.uuid4()}")
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == type_
        assert text in failed.value.cause.message
