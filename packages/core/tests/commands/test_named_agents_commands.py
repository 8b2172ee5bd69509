"""Conversations with agents by name, as `history` shows them and `replay` replays them."""

import json
import uuid
from pathlib import Path

import pytest
from conftest import Agents
from packages.core.tests.commands import shop
from packages.core.tests.commands.commanding import command, script
from temporalio.client import Client

from strands_temporal import AgentDefinition, ConversationClient, StrandsPlugin
from strands_temporal.testing import ScriptedModel

pytestmark = [pytest.mark.server, pytest.mark.slow]


def write_shop(file: Path, tool: str) -> None:
    """Write the user's module with another name of the function behind the tool."""
    source = Path(shop.__file__).read_text().replace("async def find_lamp(", f"async def {tool}(")
    tool_of_agent = f'activity_as_tool({tool}, name="find_lamp")'
    file.write_text(source.replace("activity_as_tool(find_lamp)", tool_of_agent))


async def test_a_conversation_has_a_history_and_replays(
    agents: Agents, client: Client, tmp_path: Path
) -> None:
    plugins = [
        StrandsPlugin(models={"m": lambda: ScriptedModel(shop.answer)}, agents={"support": shop.support})
    ]
    async with agents(workflows=[], activities=[shop.find_lamp], plugins=plugins) as env:
        chat = await ConversationClient.start(
            env.client, "support", id=f"chat-{uuid.uuid4()}", task_queue=env.task_queue
        )
        assert (await chat.send("red")).text.strip() == "got a red lamp"
        assert (await chat.send("blue")).text.strip() == "got a blue lamp"
        shown = json.loads((await command(client, "history", chat.workflow_id, "--json")).out)
        assert shown["workflow_type"] == "StrandsAgentWorkflow"
        assert shown["unreadable"] == []
        steps = shown["runs"][0]["steps"]
        assert [step["prompt"] for step in steps if step["kind"] == "turn"] == ["red", "blue"]
        assert [step["name"] for step in steps if step["kind"] == "update"] == ["send", "send"]
        query = f"WorkflowId = '{chat.workflow_id}'"
        for name, tool, code in (("same_shop", "find_lamp", 0), ("other_shop", "seek_lamp", 1)):
            write_shop(tmp_path / f"{name}.py", tool)
            done = await command(client, "replay", str(tmp_path / f"{name}.py"), "--query", query)
            assert (done.code, done.err) == (code, ""), done.out
        assert "the history has activity find_lamp" in done.out
        await chat.close()


async def test_a_turn_that_is_handed_over_counts_once(agents: Agents, client: Client) -> None:
    definition = AgentDefinition(shop.support, hand_over_when=shop.is_long)
    plugins = [
        StrandsPlugin(models={"m": lambda: ScriptedModel(shop.answer)}, agents={"support": definition})
    ]
    async with agents(workflows=[], activities=[shop.find_lamp], plugins=plugins) as env:
        chat = await ConversationClient.start(
            env.client, "support", id=f"chat-{uuid.uuid4()}", task_queue=env.task_queue
        )
        assert (await chat.send("red blue green white")).text.strip() == "got a white lamp"
        assert (await chat.send("black")).text.strip() == "got a black lamp"
        shown = json.loads((await command(client, "history", chat.workflow_id, "--json")).out)
        told = (await command(client, "history", chat.workflow_id)).out
        await chat.close()
    assert shown["totals"]["runs"] > 1
    assert (shown["totals"]["turns"], shown["totals"]["tool_calls"]) == (2, 5)
    assert "  turn 1 of support: red blue green white\n" in told
    assert "  turn 1 of support goes on\n" in told
    assert "  turn 2 of support: black\n" in told


async def test_the_installed_script_prints_json_and_nothing_else(agents: Agents, client: Client) -> None:
    """The other tests run the commands in their own process."""
    models = {"m": lambda: ScriptedModel(shop.answer)}
    plugins = [StrandsPlugin(models=models, agents={"support": shop.support})]
    async with agents(workflows=[], activities=[shop.find_lamp], plugins=plugins) as env:
        chat = await ConversationClient.start(
            env.client, "support", id=f"chat-{uuid.uuid4()}", task_queue=env.task_queue
        )
        await chat.send("red")
        query = f"WorkflowId = '{chat.workflow_id}'"
        for arguments in (
            ("history", chat.workflow_id),
            ("doctor", "--task-queue", env.task_queue),
            ("replay", str(shop.__file__), "--query", query),
        ):
            done = await script(client, *arguments, "--json")
            assert (done.code, done.err) == (0, ""), done.out
            assert isinstance(json.loads(done.out), dict)
        await chat.close()
