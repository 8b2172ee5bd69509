"""A `Conversation` whose run has no room for another update: signals, client tools, what the state tells."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.client_scenes import serving
from packages.core.tests.workflow.conversation_scenes import (
    BusyChat,
    Chat,
    ChatStart,
    Held,
    answer,
    is_handing_over,
    is_taken,
    read_file,
    replay_all,
    start_chat,
    until,
)
from temporalio.client import Client, RetryConfig, WorkflowUpdateStage

from strands_temporal import ConversationClient, ConversationClosedError, TurnResult
from strands_temporal.testing import AgentEnvironment, Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server

FULL = 10  # the server's limit of updates in progress in one run


async def hasty_client(env: AgentEnvironment) -> Client:
    """Return a client that does not retry a refusal of the server."""
    config = env.client.config(active_config=True)
    return await Client.connect(
        env.client.service_client.config.target_host,
        namespace=config["namespace"],
        data_converter=config["data_converter"],
        retry_config=RetryConfig(max_retries=1),
    )


async def fill(chat: ConversationClient) -> "list[asyncio.Task[TurnResult]]":
    """Send ten messages that wait for their answers."""
    sent = [
        await chat.handle.start_update(
            "send", f"message {n}", result_type=TurnResult, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        for n in range(FULL)
    ]
    return [asyncio.create_task(each.result()) for each in sent]


async def outcomes(chat: ConversationClient) -> list[tuple[str, str]]:
    return [(each["signal"], each["outcome"]) for each in (await chat.state()).signals]


async def test_ten_waiting_messages_do_not_keep_a_chat_from_being_cancelled_and_closed(
    agents: Agents,
) -> None:
    held = Held()

    def reply(call: ScriptedCall) -> Reply:
        return say("never").when(held.wait) if call.prompt == "message 0" else answer(call)

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env)
        answers = await fill(chat)
        await asyncio.wait_for(held.asked.wait(), 10)
        hasty = ConversationClient(await hasty_client(env), chat.workflow_id)
        assert await hasty.cancel_turn() is True
        assert (await answers[0]).stop_reason == "cancelled"
        held.let_go.set()
        assert [each.turn for each in await asyncio.gather(*answers)] == list(range(1, FULL + 1))
        assert await outcomes(chat) == [("cancel_turn", "cancelled")]
        await chat.handle.signal("cancel_turn")
        await chat.handle.signal("close")
        assert (await chat.handle.result())["reason"] == "closed"
        assert (await outcomes(chat))[1:] == [("cancel_turn", "idle"), ("close", "closing")]
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_full_chat_is_closed_by_any_client(agents: Agents) -> None:
    held = Held()

    def reply(call: ScriptedCall) -> Reply:
        return say("first").when(held.wait) if call.prompt == "message 0" else answer(call)

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env)
        answers = await fill(chat)
        await asyncio.wait_for(held.asked.wait(), 10)
        state = await asyncio.wait_for(chat.close(), 30)  # with Temporal's own retries of the refusal
        assert (state.status, state.reason, state.queued) == ("closing", "closed", FULL - 1)
        held.let_go.set()
        assert [each.turn for each in await asyncio.gather(*answers)] == list(range(1, FULL + 1))
        assert (await chat.handle.result())["turns"] == FULL
        with pytest.raises(ConversationClosedError):
            await chat.close()
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_signal_stops_a_turn_also_from_the_run_before(agents: Agents) -> None:
    steps = [Held(), Held()]

    def reply(call: ScriptedCall) -> Reply:
        done = call.answers
        if done < len(steps):
            return use_tool("look_up", {"number": done}, tool_use_id=f"t{done}").when(steps[done].wait)
        return say("to the end")

    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        chat = await start_chat(env, "always hands over")
        first = asyncio.create_task(chat.send("go"))
        await asyncio.wait_for(steps[0].asked.wait(), 10)
        run_id = (await chat.state()).run_id
        steps[0].let_go.set()
        await asyncio.wait_for(steps[1].asked.wait(), 10)
        assert (await chat.state()).run_id != run_id
        for id_ in ("a", "a", "b"):
            await chat.handle.signal("cancel_turn", {"id": id_})
        assert (await first).stop_reason == "cancelled"
        steps[1].let_go.set()
        assert await outcomes(chat) == [("cancel_turn", "cancelled")] * 2
        assert (await chat.send("again")).text == "to the end"
        bad: list[list[Any]] = [[], ["id", "more"], [{"id": 3}], [None], [{"id": "x" * 5_000}]]
        for arguments in bad:
            await chat.handle.signal("cancel_turn", args=arguments)
        assert await outcomes(chat) == [*[("cancel_turn", "cancelled")] * 2, *[("cancel_turn", "idle")] * 5]
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_signal_stops_a_turn_that_is_on_its_way_to_the_next_run(agents: Agents) -> None:
    async with agents(workflows=[BusyChat], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(BusyChat.run, ChatStart(options="always hands over"))
        chat = ConversationClient(env.client, handle.id)
        slow = asyncio.create_task(chat.handle.execute_update(BusyChat.slow))
        await until(lambda: is_taken(chat, "slow"))
        first = asyncio.create_task(chat.send("tools 5"))
        await until(lambda: is_handing_over(chat))
        await chat.handle.signal("cancel_turn", {"id": "a"})
        await chat.handle.signal(BusyChat.end_slow)
        assert await slow == "slow"
        assert (await first).stop_reason == "cancelled"
        assert await outcomes(chat) == [("cancel_turn", "cancelled")]
        assert (await chat.send("go on")).stop_reason == "end_turn"
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_client_runs_its_tool_beside_ten_waiting_messages(agents: Agents) -> None:
    def reply(call: ScriptedCall) -> Reply:
        if not call.tool_results:
            return use_tool("read_file", {"path": call.prompt}, tool_use_id=f"r{len(call.messages)}")
        return say(call.text)

    model = ScriptedModel(reply)
    # With the cache: without it, ten turns of queries for calls, answers and states take a minute.
    async with agents(workflows=[Chat], models={"m": lambda: model}, max_cached_workflows=1000) as env:
        chat = await start_chat(env, maker="reader")
        answers = await fill(chat)

        async def waits() -> bool:
            return (await chat.state()).status == "waiting_for_client"

        await until(waits)
        async with serving(await hasty_client(env), chat.handle, {"read_file": read_file}):
            said = await asyncio.wait_for(asyncio.gather(*answers), 60)
        assert [each.text for each in said] == [f"content of message {n}" for n in range(FULL)]
        await chat.close()
        await chat.handle.result()
        await replay_all(env, chat.workflow_id)


@pytest.mark.slow
async def test_a_close_reaches_the_run_that_a_slow_client_finds(agents: Agents) -> None:
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}) as env:
        chat = await start_chat(env, "always hands over")
        assert (await chat.send("one")).turn == 1
        await chat.handle.signal("close", "by hand", rpc_timeout=timedelta(seconds=10))
        assert (await chat.handle.result())["reason"] == "closed"
        state = await chat.state()
        assert state.status == "ended"
        assert [(each["signal"], each["id"]) for each in state.signals] == [("close", "by hand")]
        await replay_all(env, chat.workflow_id)
