"""Commands of the pages that are run as they stand, on a real server."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import approver_for, paused
from packages.hitl.tests.command_support import command
from pytest_examples import find_examples
from temporalio.client import Client

from integration_tests.doc_blocks import BLOCKS, ROOT, Block
from integration_tests.terminals import terminal
from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel, say, use_tool
from strands_temporal_hitl import HITLPlugin

pytestmark = pytest.mark.server

VERDICTS = {"approve": "approved", "reject": "rejected", "edit": "edited", "respond": "responded"}


def decisions_of(block: Block) -> list[list[str]]:
    """Return the arguments of each command of a block that is the command line for approvals."""
    prefixes = (["python", "-m", "strands_temporal_hitl"], ["strands-temporal-hitl"])
    return [
        words[len(prefix) :]
        for words in block.commands
        for prefix in prefixes
        if words[: len(prefix)] == prefix
    ]


DECIDING = [
    block
    for block in BLOCKS
    if block.page.name != "tutorial.md"  # test_tutorial.py runs its commands, on its own workflow
    and any(words[0] in VERDICTS for words in decisions_of(block))
]


@pytest.mark.parametrize("block", DECIDING, ids=str)
async def test_people_decide_by_these_commands(
    block: Block, agents: Agents, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "human-in-the-loop.md"
    (source,) = [e.source for e in find_examples(page) if "class CleanUpWorkflow" in e.source]
    (tmp_path / "clean_up.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("clean_up", None)
    workflow_class: Any = importlib.import_module("clean_up").CleanUpWorkflow

    commands = decisions_of(block)
    expected = [VERDICTS[words[0]] for words in commands if words[0] in VERDICTS]
    script = [use_tool("delete_file", {"path": f"/{number}"}) for number in range(len(expected))]
    model = ScriptedModel(*script, say("done"))
    plugins = [StrandsPlugin(models={"claude": lambda: model}), HITLPlugin()]
    approver = approver_for(client)
    async with agents(workflows=[workflow_class], plugins=plugins) as env:
        handle = await env.start(workflow_class.run, "clean up")
        for words in commands:
            await paused(approver, handle, 1)
            given = [handle.id if word == "WORKFLOW_ID" else word for word in words]
            code, _, err = await command(client, *given, typed="y\n")
            assert code == 0, err
        records = await handle.result()
    by_people = [record.outcome for record in records if record.by]
    assert by_people == expected


@pytest.mark.slow
async def test_one_measure_is_started_by_hand(server: DevServer) -> None:
    (block,) = [block for block in BLOCKS if "benchmarks.child" in block.text]
    (words,) = block.commands
    *start, module, subject, measure, address, arguments = words
    assert start == ["uv", "run", "python", "-m"]
    assert address == "127.0.0.1:7233"
    few = json.dumps({"load": {**json.loads(arguments)["load"], "turns": 2}})
    async with terminal({}, module, subject, measure, server.address, few) as measuring:
        seen = await measuring.rest()
        assert await measuring.exit_code() == 0, seen
    assert json.loads(seen.splitlines()[-1])
