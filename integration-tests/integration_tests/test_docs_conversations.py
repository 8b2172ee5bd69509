"""The programs of docs/conversations.md work: an agent by name, its client, and a workflow of one's own."""

import importlib
import uuid
from pathlib import Path

import pytest
from conftest import Agents

from integration_tests.docs_code import module_of
from integration_tests.pages import DOCS, blocks
from strands_temporal import ConversationClient, ConversationStart, StrandsPlugin
from strands_temporal.testing import ScriptedModel, say

pytestmark = pytest.mark.server


async def test_the_pages_agent_and_workflow_answer(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support = module_of("conversations.md", "support", tmp_path, monkeypatch)
    (own,) = [source for source in blocks(DOCS / "conversations.md", "python") if "class Support" in source]
    (tmp_path / "own_support.py").write_text(own)
    workflow_class = importlib.import_module("own_support").Support
    model = ScriptedModel(lambda call: say(f"{call.text} {call.system_prompt}"))
    plugin = StrandsPlugin(models={"claude": lambda: model}, agents={"support": support.make_support})
    async with agents(workflows=[workflow_class], plugins=[plugin]) as env:
        chat = await ConversationClient.start(
            env.client,
            "support",
            id=f"chat-{uuid.uuid4()}",
            task_queue=env.task_queue,
            arguments={"tone": "brief"},
        )
        assert (await chat.send("Hello")).text == "Hello You help customers. Be brief."
        await chat.close()
        handle = await env.start(workflow_class.run, ConversationStart())
        own_chat = ConversationClient(env.client, handle.id)
        assert (await own_chat.send("Hello")).text == "Hello Be brief."
        await own_chat.close()
        assert (await handle.result()).reason == "closed"
        await env.assert_replays(chat.handle)
        await env.assert_replays(handle)
