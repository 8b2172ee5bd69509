"""A run of AWS's harness agent ends: with room left in history, and without a sandbox that cannot work."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.harness_end_scenes import (
    ClassifiedWorkflow,
    EndingWorkflow,
    RefusingWorkflow,
    SessionsWorkflow,
    SharedHandleWorkflow,
)
from packages.core.tests.workflow.harness_scenes import BoxSandbox, HarnessWorkflow, fill
from packages.core.tests.workflow.test_harness import results_of, scripted, web_page
from strands.storage import LocalFileStorage
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin
from strands_temporal._workflow import harness_code
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool

pytestmark = pytest.mark.server

KEEPS = (
    "x, kept = 1, []\n"
    "for i in range(8_000):\n"
    "    x = (x * 1103515245 + 12345) % 2147483648\n"
    "    kept.append(x)\n"
    "print((await facts())['size'])"
)
"""Keeps some 40 KB that cannot be compressed while it waits."""


async def test_code_leaves_room_in_history_and_says_what_is_too_large(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "box")
    monkeypatch.setattr(harness_code, "FULLEST_HISTORY", 180_000)
    large = "await write(path='x', content=''.join(['y' * 500_000] * 5))"
    steps = [use_tool("programmatic_tool_caller", {"code": code}) for code in (large, KEEPS, KEEPS)]
    plugin = StrandsPlugin(
        models={"m": lambda: scripted(*steps, say("done"))},
        sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")},
    )
    async with agents(workflows=[HarnessWorkflow], plugins=[plugin]) as env:
        seen = results_of(await env.run(HarnessWorkflow.run, ["Go"], {"builtin_plugins": []}))
        history = await env.handles[-1].fetch_history()
    assert "in a call of write(). With the code's state they have more than" in seen[0]
    assert seen[1] == "3"
    assert "the history of this workflow is too full" in seen[2]
    assert len(history.to_json()) < 400_000
    retried = [
        event
        for event in history.events
        if event.HasField("activity_task_started_event_attributes")
        and event.activity_task_started_event_attributes.attempt > 1
    ]
    assert retried == []


CATCHES = "try:\n    await {}\nexcept RuntimeError as e:\n    print(e)"

FETCH: dict[str, Any] = {"builtin_tools": ["web_fetch"], "builtin_plugins": []}

ENDING: list[tuple[str, dict[str, Any], str]] = [
    ("bxo", {"builtin_tools": [], "builtin_plugins": ["environment"]}, "ST105"),
    ("bxo", FETCH, "ST105"),
    ("bxo", {**FETCH, "builtin_tools": ["web_fetch", "programmatic_tool_caller"]}, "ST105"),
    ("bxo", {**FETCH, "builtin_tools": ["shell", "programmatic_tool_caller"]}, "ST105"),
    ("lost", {"builtin_tools": [], "builtin_plugins": ["environment"]}, "The sandbox is gone"),
    ("lost", FETCH, "The sandbox is gone"),
    ("lost", {**FETCH, "builtin_tools": ["web_fetch", "programmatic_tool_caller"]}, "The sandbox is gone"),
    ("lost", {"builtin_tools": [], "builtin_plugins": [], "skills": ["./s"]}, "The sandbox is gone"),
]
"""Sandboxes that cannot work, what an agent uses of them, and the error."""


async def test_a_sandbox_that_cannot_work_ends_the_run(agents: Agents) -> None:
    def reply(call: ScriptedCall) -> Reply:
        if call.answers or not call.tool_names:
            return say(call.text)
        if "programmatic_tool_caller" in call.tool_names:
            fetches = "web_fetch" in call.tool_names
            what = "web_fetch(url='http://127.0.0.1:1/')" if fetches else "shell(command='ls')"
            return use_tool("programmatic_tool_caller", {"code": CATCHES.format(what)})
        return use_tool("web_fetch", {"url": "http://127.0.0.1:1/"})

    plugin = StrandsPlugin(
        models={"m": lambda: scripted(reply)}, sandboxes={"box": lambda: BoxSandbox(Path())}
    )
    async with agents(workflows=[EndingWorkflow], plugins=[plugin]) as env:
        for sandbox, options, says in ENDING:
            with pytest.raises(WorkflowFailureError) as raised:
                await env.run(EndingWorkflow.run, sandbox, options)
            assert isinstance(raised.value.cause, ApplicationError), (sandbox, options)
            assert says in raised.value.cause.message


def agent_in(files: Path, name: str) -> str:
    """Return what the session in a directory keeps of an agent."""
    found = files.glob(f"session/*/scopes/agent/{name}/**/*.json")
    return "".join(path.read_text() for path in found)


async def test_each_agent_has_its_session(agents: Agents, tmp_path: Path) -> None:
    plugin = StrandsPlugin(
        models={"m": lambda: scripted(say("yes"), say("yes"))},
        storages={"files": lambda: LocalFileStorage(str(tmp_path))},
    )
    async with agents(workflows=[SessionsWorkflow], plugins=[plugin]) as env:
        said, *counts = await env.run(SessionsWorkflow.run)
    assert "Give each its own agent_id=" in said
    assert counts == ["2", "2"]
    kept = {name: agent_in(tmp_path, name) for name in ("default", "critic")}
    assert "I am first" in kept["default"]
    assert "I am second" in kept["critic"]
    assert "I am second" not in kept["default"]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["smart", "Facts about people are risky"])
async def test_a_model_decides_what_a_person_must_approve(agents: Agents, policy: str) -> None:
    asked: list[str] = []

    def reply(call: ScriptedCall) -> Reply:
        if "facts" in call.tool_names:
            return say("done") if call.answers else use_tool("facts", {"about": "Ada"})
        asked.append(call.system_prompt or "")
        decision = {"requires_approval": True, "reason": "it is about a person"}
        return use_tool(call.tool_names[0], decision)

    plugin = StrandsPlugin(models={"m": lambda: scripted(reply)})
    async with agents(workflows=[ClassifiedWorkflow], plugins=[plugin]) as env:
        questions, said, messages = await env.run(ClassifiedWorkflow.run, policy)
    assert len(questions) == 1
    assert said == "done"
    assert results_of(messages) == [str({"json": {"about": "Ada", "size": 3}})]
    assert (policy in asked[0]) == (policy != "smart")


@pytest.mark.slow
async def test_a_handle_of_many_runs_asks_for_its_shell_in_each(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    with web_page() as url:

        def reply(call: ScriptedCall) -> Reply:
            return say("done") if call.answers else use_tool("web_fetch", {"url": url})

        plugin = StrandsPlugin(
            models={"m": lambda: scripted(reply)}, sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")}
        )
        async with agents(workflows=[SharedHandleWorkflow], plugins=[plugin]) as env:
            for _ in range(2):
                (page,) = results_of(await env.run(SharedHandleWorkflow.run))
                assert "Grüezi" in page
                history = (await env.handles[-1].fetch_history()).to_json()
                assert len(re.findall("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED", history)) == 5
                await env.assert_replays(env.handles[-1])


@pytest.mark.slow
async def test_what_a_hook_raises_at_construction_ends_the_run(agents: Agents) -> None:
    async with agents(workflows=[RefusingWorkflow], models={"m": lambda: scripted(say("no"))}) as env:
        handle = await env.start(RefusingWorkflow.run)
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), 10)
        assert "helper is refused" in str(failed.value.cause)
