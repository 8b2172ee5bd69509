"""The code of docs/client-tools.md: an assistant whose tools run on the user's machine."""

import asyncio
from pathlib import Path

import pytest
from conftest import Agents

from integration_tests.docs_code import module_of
from strands_temporal.testing import ScriptedModel, say, use_tools


@pytest.mark.server
async def test_the_laptop_runs_the_assistants_tools(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("one\ntwo\nthree\n")
    page = module_of("client-tools.md", "assistant", tmp_path, monkeypatch)
    laptop = module_of("client-tools.md", "laptop", tmp_path, monkeypatch)
    calls = [
        ("read_file", {"path": str(tmp_path / "notes.txt"), "lines": 2}, "read-1"),
        ("set_title", {"title": "Notes"}, "title-1"),
    ]
    model = ScriptedModel(use_tools(calls), lambda call: say(call.text))
    async with agents(workflows=[page.AssistantWorkflow], models={"claude": lambda: model}) as env:
        handle = await env.start(page.AssistantWorkflow.run, "read my notes")
        await asyncio.wait_for(laptop.attach(env.client, handle.id), 20)
        assert sorted((await handle.result()).split("\n")) == ["", "null", "one", "two"]
        await env.assert_replays(handle)
    assert "*** Notes ***" in capsys.readouterr().out
