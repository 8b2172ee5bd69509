"""Questions that nothing in the workflow answers are in the state, for a client that lost a turn's result."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.conversation_scenes import Chat, read_file, replay_all, start_chat, until

from strands_temporal import ClientTools, ConversationClient
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools

pytestmark = [pytest.mark.server, pytest.mark.slow]

LARGE = "x" * 20_000
MANY = 12


def reply(call: ScriptedCall) -> Reply:
    """Ask what the prompt names, and tell the answers."""
    if call.tool_results:
        return say(call.text)
    if call.prompt == "many":
        return use_tools([("confirm", {"text": "y" * 7_000}, f"t{number}") for number in range(MANY)])
    asked: list[Any] = [("confirm", {"text": "small"}, "t1"), ("confirm", {"text": LARGE}, "t2")]
    return use_tools([*asked, ("read_file", {"path": "notes"}, "t3")])


def answers_to(questions: list[dict[str, Any]], answer: str) -> list[Any]:
    return [{"interruptResponse": {"interruptId": one["id"], "response": answer}} for one in questions]


async def test_a_client_that_restarts_answers_them_in_the_next_run(agents: Agents) -> None:
    async with agents(workflows=[Chat], models={"m": lambda: ScriptedModel(reply)}) as env:
        first = await start_chat(env, "nobody answers", "asker")
        before = await first.state()
        assert before.questions == []
        result = await first.send("go")
        assert [each["reason"] for each in result.interrupts] == [{"text": "small"}, {"text": LARGE}]
        chat = ConversationClient(env.client, first.workflow_id)

        async def in_the_next_run() -> Any:
            state = await chat.state()
            return state if state.run_id != before.run_id else None

        state = await until(in_the_next_run)
        small, large = state.questions
        assert (state.status, small) == ("idle", result.interrupts[0])
        assert large == {
            **result.interrupts[1],
            "reason": f"(a reason of {len(LARGE) + 12:,} bytes, too large to show)",
            "cut": True,
        }
        serving = asyncio.create_task(
            ClientTools(env.client, chat.workflow_id, {"read_file": read_file}).serve()
        )
        answered = await asyncio.wait_for(chat.send(answers_to([small, large], "yes")), 30)
        assert answered.text == "the person said yes\nthe person said yes\ncontent of notes"
        assert (await chat.state()).questions == []
        await chat.send("many")
        shown = (await chat.state()).questions
        assert [each.get("cut", False) for each in shown] == [False] * 9 + [True] * (MANY - 9)
        await chat.close()
        await asyncio.wait_for(serving, 30)
        await chat.handle.result()
        assert (await chat.state()).questions == []
        await replay_all(env, chat.workflow_id)
