"""The primers: what they show of a history is what a run of their code leaves."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from strands import tool  # pyright: ignore[reportUnknownVariableType]  # a bare dict in `tool`

from integration_tests.pages import DOCS, blocks, listing, until_asked, write_files
from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_hitl import ApprovalsClient, HITLPlugin

pytestmark = pytest.mark.server


def load(page: Path, containing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the block of a page that contains a text."""
    [source] = [block for block in blocks(page, "python") if containing in block]
    name = page.stem.replace("-", "_")
    write_files([(f"{name}.py", source)], tmp_path, monkeypatch)
    return importlib.import_module(name)


async def test_the_history_for_strands_users(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = DOCS / "temporal-for-strands-users.md"
    code = load(page, "class CountWorkflow", tmp_path, monkeypatch)
    model = ScriptedModel(
        use_tool("letter_counter", {"word": "strawberry", "letter": "r"}), lambda call: say(f"{call.text}.")
    )
    async with agents(workflows=[code.CountWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(code.CountWorkflow.run, "How many r's?") == "3.\n"
        [shown] = blocks(page, "text")
        assert listing((await env.handles[0].fetch_history()).events) == shown


@tool
def price(symbol: str) -> str:
    """Look up a price."""
    return "101.5"


async def test_the_history_for_temporal_users(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = DOCS / "strands-for-temporal-users.md"
    code = load(page, "class PaymentWorkflow", tmp_path, monkeypatch)
    model = ScriptedModel(
        use_tool("add", {"a": 1, "b": 2}),
        use_tool("price", {"symbol": "X"}),
        use_tool("sleep", {"duration": 1}),
        use_tool("pay", {"amount": 3}),
        say("Paid."),
        use_tool("Receipt", {"paid": 3}),
    )
    plugins = [StrandsPlugin(models={"claude": lambda: model}, tools={"price": price}), HITLPlugin()]
    workflows, activities = [code.PaymentWorkflow], [code.pay, code.note]
    async with agents(workflows=workflows, activities=activities, plugins=plugins) as env:
        handle = await env.start(code.PaymentWorkflow.run, "Pay 3.")
        await until_asked(env.client, handle.id)
        [pending] = await ApprovalsClient(env.client).pending(handle.id)
        await ApprovalsClient(env.client).approve(handle.id, pending, by="ana")
        assert await handle.result() == code.Receipt(paid=3)
        await env.assert_replays(handle)
        [shown] = blocks(page, "text")
        assert listing((await handle.fetch_history()).events) == re.sub(r" +#.*", "", shown)
