"""docs/storage-and-sessions.md and docs/memory.md: their workflows keep what they say."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from strands.storage import LocalFileStorage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from integration_tests.docs_code import module_of
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say

pytestmark = pytest.mark.server


def count(call: ScriptedCall) -> Reply:
    return say(f"{len(call.messages)} messages")


async def test_a_customers_session_goes_on_in_the_next_run(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support: Any = module_of("storage-and-sessions.md", "support", tmp_path, monkeypatch)
    folder = str(tmp_path / "agents")
    async with agents(
        workflows=[support.SupportWorkflow],
        models={"claude": lambda: ScriptedModel(count)},
        storages={"sessions": lambda: LocalFileStorage(folder)},
    ) as env:
        run = support.SupportWorkflow.run
        assert await env.run(run, "ada", "hello") == "1 messages\n"
        assert await env.run(run, "ada", "again") == "3 messages\n"
        assert await env.run(run, "bob", "hello") == "1 messages\n"
    assert (await LocalFileStorage(folder).list("session/ada")) == [
        "session/ada/scopes/agent/support/snapshots/snapshot_latest.json"
    ]


def learn(call: ScriptedCall) -> Reply:
    """Extract a fact when asked to, else repeat what was injected."""
    if not call.tool_names:
        return say('[{"content": "# Drinks\\nAda prefers tea"}]')
    return say(" ".join(block.get("text", "") for block in call.messages[-1]["content"]))


async def test_a_fact_of_one_run_is_known_in_the_next(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembering: Any = module_of("memory.md", "remembering", tmp_path, monkeypatch)
    storage = LocalFileStorage(str(tmp_path / "agents"))
    async with agents(
        workflows=[remembering.RememberingWorkflow],
        models={"claude": lambda: ScriptedModel(learn)},
        memory_stores={"notes": lambda: FileMemoryStore(name="notes", storage=storage)},
    ) as env:
        run = remembering.RememberingWorkflow.run
        assert "<memory>" not in await env.run(run, "I am Ada and prefer tea")
        assert "Ada prefers tea</entry>" in await env.run(run, "what does Ada prefer?")
