"""The outputs in docs/operations.md are those of a run of its code."""

import asyncio
import importlib
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents, at_rest
from packages.core.tests.commands.commanding import command
from packages.core.tests.workflow.operator_scenes import metadata, summaries
from pytest_examples import find_examples
from temporalio.client import WorkflowHandle

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_hitl import ApprovalsClient, HITLPlugin

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
COMMANDS = PAGE.with_name("command-line.md")
VARYING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(\+00:00| UTC)?", "TIME"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"(seconds[=<\": ]+)\d+\.\d+", r"\1S"),
)


def normal(text: str) -> str:
    """Return a text without what differs from run to run."""
    for pattern, stand_in in VARYING:
        text = re.sub(pattern, stand_in, text)
    return text.strip()


def steps_of(told: str) -> list[str]:
    """Return the words of what `strands-temporal history` says, without what differs from run to run."""
    told = re.sub(r"\d\d:\d\d:\d\d|\d+(\.\d+)? (s|KiB)\b", "N", normal(told))
    return [" ".join(line.split()).rstrip("…")[:90] for line in told.splitlines()]


def shown(kind: str) -> list[str]:
    """Return the page's outputs of a kind."""
    return [normal(block) for block in re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)]


def table(activities: list[tuple[str, str]]) -> str:
    return "\n".join(f"{name:<15} {summary}" for name, summary in activities)


async def waiting(handle: "WorkflowHandle[Any, Any]", caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the desk waits for a person and nothing else runs.

    A query during the turn could write a line twice (docs/operations.md).
    """
    for _ in range(600):
        if "a question waits for a person" in caplog.text:
            return await at_rest(handle)
        await asyncio.sleep(0.05)
    raise AssertionError("nobody was asked")


@pytest.mark.server
async def test_the_outputs_of_the_page_are_real(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strands_temporal.agents")
    examples = {
        name: e.source for e in find_examples(PAGE) for name in ("Desk", "JSONLines") if name in e.source
    }
    (tmp_path / "operations_desk.py").write_text(examples["Desk"])
    monkeypatch.syspath_prepend(str(tmp_path))
    desk: Any = importlib.import_module("operations_desk")
    number = {"number": "A-7"}
    model = ScriptedModel(
        use_tool("find_order", number),
        use_tool("refund", number),
        say("Order A-7 is refunded.", usage=(310, 12)),
    )
    plugins = [StrandsPlugin(models={"claude": lambda: model}), HITLPlugin()]
    async with agents(
        workflows=[desk.DeskWorkflow], activities=[desk.find_order, desk.refund], plugins=plugins
    ) as env:
        handle = await env.start(desk.DeskWorkflow.run, "My lamp of order A-7 is broken.")
        await waiting(handle, caplog)
        details = (await metadata(handle)).current_details
        approver = ApprovalsClient(env.client)
        await approver.approve(handle.id, (await approver.pending(handle.id))[0], by="ana@example.org")
        await handle.result()
        await env.assert_replays(handle)
        history = await summaries(await handle.fetch_history())
        conversation, usage = await handle.query("conversation"), await handle.query("usage")
    told = (await command(env.client, "history", handle.id, COLUMNS="118")).out
    told = told.replace(handle.id, "desk-1").replace(env.task_queue, "desk")
    (page,) = re.findall(r"```text\n(desk-1 .*?)```", COMMANDS.read_text(), re.DOTALL)
    assert steps_of(told) == steps_of(page), told
    lines = [record for record in caplog.records if record.name == "strands_temporal.agents"]
    code: dict[str, Any] = {}
    exec(examples["JSONLines"], code)  # noqa: S102  # the page's own code
    log = "\n".join(line.getMessage() for line in lines).replace(handle.id, "desk-1")
    assert shown("text") == [normal(text) for text in (table(history), details, conversation, log)]
    as_json = code["JSONLines"]().format(lines[0])
    as_json = as_json.replace(handle.id, "desk-1").replace(env.task_queue, "desk")
    assert shown("json") == [normal(as_json), normal(json.dumps(usage, indent=2))]


def test_the_page_lists_the_metrics_that_the_code_has() -> None:
    from strands_temporal._workflow import usage

    in_code = set(re.findall(r'_counter\("(\w+)"', Path(usage.__file__).read_text()))
    assert set(re.findall(r"`strands_temporal_(\w+)`", PAGE.read_text())) == in_code
