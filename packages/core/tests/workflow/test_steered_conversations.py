"""`while_busy="steer"`: the message is a part of the conversation for everything that keeps it."""

import asyncio
import json
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.client_scenes import serving
from packages.core.tests.workflow.conversation_scenes import (
    ChatStart,
    Held,
    read_file,
    replay_all,
    until,
)
from packages.core.tests.workflow.steered_scenes import SteeredChat, restored
from strands.storage import InMemoryStorage
from typing_extensions import override

from strands_temporal import ConversationClient, TurnResult
from strands_temporal.testing import AgentEnvironment, Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = [pytest.mark.server, pytest.mark.slow]


class KeepingStorage(InMemoryStorage):
    """Keeps what each write wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []

    @override
    async def write(self, key: str, data: bytes) -> None:
        self.written.append(json.loads(data)["data"]["messages"])
        await super().write(key, data)


def environment(agents: Agents, held: Held, tool: str = "look_up", storage: Any = None) -> Any:
    arguments: dict[str, Any] = {"path": "a"} if tool == "read_file" else {"number": 1}

    def reply(call: ScriptedCall) -> Reply:
        if len(call.messages) == 1:
            return use_tool(tool, arguments, tool_use_id="t").when(held.wait)
        return say(f"last: {call.text}")

    return agents(
        workflows=[SteeredChat],
        models={"m": lambda: ScriptedModel(reply)},
        storages={"sessions": lambda: storage},
    )


async def steered(env: AgentEnvironment, held: Held, kind: str) -> tuple[ConversationClient, Any, Any]:
    """Send "meanwhile" during a turn. Return the chat, and the sends."""
    handle = await env.start(SteeredChat.run, ChatStart(maker=kind))
    chat = ConversationClient(env.client, handle.id)
    first = asyncio.create_task(chat.send("go"))
    await asyncio.wait_for(held.asked.wait(), 10)
    second = asyncio.create_task(chat.send("meanwhile"))

    async def waits() -> bool:
        return (await chat.state()).queued == 1

    await until(waits)
    held.let_go.set()
    return chat, first, second


async def finish(env: AgentEnvironment, chat: ConversationClient) -> None:
    await chat.close()
    await chat.handle.result()
    await replay_all(env, chat.workflow_id)


def beside_results(messages: list[Any]) -> list[Any]:
    """Return the blocks of the message with the tools' results."""
    return messages[2]["content"]


async def test_a_restored_session_has_it(agents: Agents) -> None:
    held = Held()
    async with environment(agents, held) as env:
        chat, first, second = await steered(env, held, "repository")
        answers: list[TurnResult] = [await first, await second]
        assert [(each.text, each.steered) for each in answers] == [
            ("last: looked up 1\nmeanwhile", False),
            ("last: looked up 1\nmeanwhile", True),
        ]
        messages = restored(await chat.handle.query(SteeredChat.stored))
        assert beside_results(messages)[1:] == [{"text": "meanwhile"}]
        assert [each["content"] for each in messages] == [each["content"] for each in await chat.messages()]
        await finish(env, chat)


async def test_the_snapshot_of_that_message_has_it(agents: Agents) -> None:
    held, storage = Held(), KeepingStorage()
    async with environment(agents, held, storage=storage) as env:
        chat, first, second = await steered(env, held, "snapshots")
        assert (await first).text == (await second).text
        (added,) = {json.dumps(each) for each in storage.written if len(each) == 3}
        assert beside_results(json.loads(added))[1:] == [{"text": "meanwhile"}]
        await finish(env, chat)


@pytest.mark.parametrize("kind", ["ends", "limits"])
async def test_a_turn_that_ends_with_its_tools_leaves_it_to_the_next_turn(agents: Agents, kind: str) -> None:
    held = Held()
    async with environment(agents, held) as env:
        chat, first, second = await steered(env, held, kind)
        assert (await first).stop_reason == {"ends": "end_turn", "limits": "limit_turns"}[kind]
        answer = await second
        assert (answer.turn, answer.text, answer.steered) == (2, "last: meanwhile", False)
        assert json.dumps(await chat.messages()).count('"meanwhile"') == 1
        await finish(env, chat)


async def test_a_question_in_between_does_not_lose_it(agents: Agents) -> None:
    held = Held()
    async with environment(agents, held, tool="read_file") as env:
        chat, first, second = await steered(env, held, "repository")
        async with serving(env.client, chat.handle, {"read_file": read_file}):
            assert (await first).text == (await second).text == "last: content of a\nmeanwhile"
        assert json.dumps(await chat.messages()).count('"meanwhile"') == 1
        await finish(env, chat)
