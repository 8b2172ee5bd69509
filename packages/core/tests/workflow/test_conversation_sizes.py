"""What waits, what a turn keeps and what the start has: a `Conversation` can always go on in its next run."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.conversation_scenes import (
    BusyChat,
    Chat,
    ChatStart,
    Held,
    answer,
    is_handing_over,
    is_taken,
    noise,
    replay_all,
    runs_of,
    start_chat,
    until,
)

from strands_temporal import CarryTooLargeError, ConversationClient, ConversationFullError
from strands_temporal._workflow import conversation_next_run, conversation_turns, turn_cut
from strands_temporal._workflow.carry import pack
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = [pytest.mark.server, pytest.mark.slow]


def holding(held: Held) -> ScriptedModel:
    """Return a model that holds its first answer, and names each prompt by its first ten characters."""

    def reply(call: ScriptedCall) -> Reply:
        said = say(f"{call.prompt[:10]} of {len(call.messages)}")
        return said.when(held.wait) if call.prompt == "hold" else said

    return ScriptedModel(reply)


async def queued(chat: ConversationClient, count: int) -> None:
    async def are() -> bool:
        return (await chat.state()).queued == count

    await until(are)


async def test_messages_that_wait_always_fit_into_the_next_run(agents: Agents) -> None:
    held = Held()
    # With the cache: the sizes are Temporal's own, and each workflow task would replay them.
    async with agents(
        workflows=[Chat], models={"m": lambda: holding(held)}, max_cached_workflows=1000
    ) as env:
        chat = await start_chat(env, "always hands over")
        first = asyncio.create_task(chat.send("hold"))
        await asyncio.wait_for(held.asked.wait(), 10)
        for n in range(12):
            await chat.send_later(f"signal {n:02}: {noise(200_000, n)}", id=f"signal {n}")
        await queued(chat, 2)
        state = await chat.state()
        assert 400_000 < state.queued_bytes <= conversation_turns.WAITING_BYTES
        assert state.dropped == 10
        assert [each["id"] for each in state.signals] == [f"signal {n}" for n in range(2, 12)]
        assert {each["outcome"] for each in state.signals} == {"dropped"}
        assert state.signals[0]["reason"].startswith("ConversationFullError: 2 messages wait")
        with pytest.raises(ConversationFullError, match=r"one of 200,0.. bytes cannot"):
            await chat.send(noise(200_000))
        small = asyncio.create_task(chat.send("small"))  # what fits is taken
        await queued(chat, 3)
        held.let_go.set()
        assert (await first).text == "hold of 1"
        assert ((await small).turn, (await small).text) == (4, "small of 7")
        assert (await chat.send(noise(600_000), id="large")).turn == 5  # nothing waits: it begins at once
        await chat.close()
        assert (await chat.handle.result())["turns"] == 5
        assert await replay_all(env, chat.workflow_id) > 3


async def test_so_many_messages_may_wait(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_turns, "WAITING_MESSAGES", 2)
    held = Held()
    async with agents(workflows=[Chat], models={"m": lambda: holding(held)}) as env:
        chat = await start_chat(env, "steer")
        first = asyncio.create_task(chat.send("hold"))
        await asyncio.wait_for(held.asked.wait(), 10)
        for n in range(3):
            await chat.send_later(f"signal {n}", id="x" * 2_000 if n == 0 else None)
        await queued(chat, 2)
        with pytest.raises(ConversationFullError, match="2 messages wait"):
            await chat.send("one more")
        state = await chat.state()
        assert state.dropped == 1
        assert "the id has 2,000 characters" in state.signals[0]["reason"]
        held.let_go.set()
        await first
        await chat.close()
        assert (await chat.handle.result())["turns"] == 3
        await replay_all(env, chat.workflow_id)


def large_turns(call: ScriptedCall) -> Reply:
    """Keep something large in the turn's state, then look things up; small turns by another prompt."""
    if not call.prompt.startswith("hoard"):
        return answer(call) if call.prompt.startswith("tools") else say("done")
    done = sum("toolUse" in block for m in call.messages for block in m["content"])
    if done == 0:
        return use_tool("hoard", {"size": 130_000}, tool_use_id="h")
    if done < 4:
        return use_tool("look_up", {"number": done}, tool_use_id=f"t{done}")
    return say("hoarded")


SMALL_PAYLOAD = 209_000
"""A tenth of what Temporal takes, so that tests without the workflow cache do not replay megabytes."""

CASES: dict[str, tuple[dict[str, str], str]] = {
    "the start": ({"ballast": noise(130_000)}, noise(90_000)),
    "the turn's state": ({"maker": "hoarder"}, f"hoard {noise(90_000)}"),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_does_not_fit_goes_on_in_its_run(
    agents: Agents, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(conversation_next_run, "LARGEST_PAYLOAD", SMALL_PAYLOAD)
    start, message = CASES[case]
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(large_turns)}) as env:
        chat = await start_chat(env, "always hands over", **start)
        assert (await chat.send(message)).stop_reason == "end_turn"
        assert (await chat.send("tools 2")).stop_reason == "end_turn"
        assert "goes on in this one: The next run's input has 2" in caplog.text
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        runs = await replay_all(env, chat.workflow_id)
    assert (runs == 1) is (case == "the start")  # a turn's state ends with the turn


async def test_what_comes_meanwhile_fits_or_waits_for_the_next_run(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_next_run, "LARGEST_PAYLOAD", 40_000)
    async with agents(workflows=[BusyChat], models={"m": lambda: ScriptedModel(large_turns)}) as env:
        handle = await env.start(BusyChat.run, ChatStart(options="always hands over"))
        chat = ConversationClient(env.client, handle.id)
        slow = asyncio.create_task(chat.handle.execute_update(BusyChat.slow))
        await until(lambda: is_taken(chat, "slow"))
        first = asyncio.create_task(chat.send("tools 1"))
        await until(lambda: is_handing_over(chat))
        await chat.send_later(f"fits {noise(20_000)}", id="fits")
        await queued(chat, 1)
        await chat.send_later(f"does not fit {noise(20_000)}", id="does not fit")
        late = asyncio.create_task(chat.send(f"late {noise(20_000)}"))

        async def is_dropped() -> bool:
            return (await chat.state()).dropped == 1

        await until(is_dropped)
        (outcome,) = (await chat.state()).signals
        assert (outcome["id"], outcome["reason"].partition(":")[0]) == ("does not fit", "TurnHandedOverError")
        await chat.handle.signal(BusyChat.end_slow)
        assert await slow == "slow"
        assert (await first).turn == 1
        assert (await late).turn == 3
        await chat.close()
        assert (await chat.handle.result())["turns"] == 3
        assert await replay_all(env, chat.workflow_id) > 1


async def test_without_room_in_any_run_it_ends_with_a_typed_error(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation_next_run, "LARGEST_PAYLOAD", SMALL_PAYLOAD)
    model = ScriptedModel(large_turns)
    async with agents(workflows=[Chat], models={"m": lambda: model}, max_cached_workflows=1000) as env:
        chat = await start_chat(env, "plain", ballast=noise(130_000))
        await chat.send(noise(90_000))
        monkeypatch.setattr(turn_cut, "MOST_EVENTS", 1)  # from now on, which no replay may see
        with pytest.raises(CarryTooLargeError, match=r"has 2.* Trim the conversation"):
            await asyncio.wait_for(chat.send("tools 3"), 20)
        with pytest.raises(CarryTooLargeError):
            await chat.send("late")


@pytest.mark.parametrize("prompt", ["tools 4", "one"])
async def test_it_is_packed_twice_at_most(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    packs: list[Any] = []

    def counted(agent: Any) -> Any:
        packs.append(agent)
        return pack(agent)

    monkeypatch.setattr("strands_temporal._workflow.conversations.pack", counted)
    async with agents(
        workflows=[Chat], models={"m": lambda: ScriptedModel(answer)}, max_cached_workflows=1000
    ) as env:
        chat = await start_chat(env, "always hands over")
        await chat.send(prompt)
        await chat.send("last")
        await chat.close()
        await chat.handle.result()
        hand_overs = len(await runs_of(env.client, chat.workflow_id)) - 1
        assert hand_overs > 1
        assert len(packs) == 2 * hand_overs
