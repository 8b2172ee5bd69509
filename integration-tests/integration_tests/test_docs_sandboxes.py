"""The code of docs/sandboxes.md: an agent works in a directory of its own, which ends with its workflow."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Agents

from integration_tests.docs_code import module_of
from strands_temporal import SandboxFactory, StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool


def boxes(folder: Path) -> list[Path]:
    """Return the directories of sandboxes that there are."""
    return list(folder.glob("box-*"))


@pytest.mark.server
async def test_the_agent_of_the_page_works_in_its_directory(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("sandboxes.md", "coding", tmp_path, monkeypatch)
    monkeypatch.setattr("strands_temporal._worker.sandbox_pool.LOOK_AFTER", 0.2)
    monkeypatch.setattr(page.tempfile, "tempdir", str(tmp_path))
    model = ScriptedModel(
        use_tool("shell", {"command": "echo tea > a; echo $GITHUB_TOKEN > b; pwd; cat a b"}),
        lambda call: say(call.text),
    )
    plugin = StrandsPlugin(
        models={"claude": lambda: model},
        sandboxes={"box": SandboxFactory(page.directory_for, idle_timeout=timedelta(hours=1))},
        sandbox_secrets={"github": lambda: "ghp_4711"},
    )
    async with agents(workflows=[page.CodingWorkflow], plugins=[plugin]) as env:
        handle = await env.start(page.CodingWorkflow.run, "write two files")
        said = await handle.result()
        await env.assert_replays(handle)
        for _ in range(200):
            if not boxes(tmp_path):
                break
            await asyncio.sleep(0.05)
    assert said.endswith("Files: 2")
    assert f"{tmp_path}/box-" in said
    assert "tea" in said
    assert "***" in said
    assert "ghp" not in (await handle.fetch_history()).to_json()
    assert boxes(tmp_path) == []
