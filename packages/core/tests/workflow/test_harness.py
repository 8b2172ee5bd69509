"""AWS's harness agent does in a workflow what it does in a plain program, and refuses what it cannot do."""

import contextlib
import http.server
import json
import re
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.harness_scenes import (
    CODES,
    AskingWorkflow,
    BoxSandbox,
    CancelledWorkflow,
    CreateHarnessWorkflow,
    HarnessWorkflow,
    KeptWorkflow,
    RefusedWorkflow,
    bare,
    child_steps,
    fill,
    plain_session,
    script,
    session_steps,
)
from strands.storage import LocalFileStorage
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin
from strands_temporal.activity import encode
from strands_temporal.testing import AgentEnvironment, Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server


def scripted(*script: Any) -> ScriptedModel:
    """Return a model that knows its limit, as a provider's class does."""
    return ScriptedModel(*script, config={"context_window_limit": 200_000})


@contextlib.contextmanager
def web_page() -> Generator[str]:
    """Serve a page, and yield its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write("<h1>Grüezi</h1><script>no</script>".encode())

        def log_message(self, format: str, *args: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def results_of(messages: list[Any]) -> list[str]:
    """Return the tools' results in a conversation, as texts."""
    return [
        "".join(str(part.get("text", part)) for part in block["toolResult"]["content"])
        for message in messages
        for block in message["content"]
        if "toolResult" in block
    ]


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param(("gather", "caught", "runtime"), id="each tool"),
        pytest.param(tuple(CODES), id="all code", marks=pytest.mark.slow),
    ],
)
async def test_a_session_is_that_of_a_plain_harness_agent(
    agents: Agents, tmp_path: Path, codes: tuple[str, ...]
) -> None:
    box = tmp_path / "box"
    with web_page() as url:
        reply = script(session_steps(box, url, codes), child_steps(box))
        fill(box)
        model = scripted(reply)
        plain = without_ids(bare(await plain_session(model, box, ["Go", "And?"]), box))
        plain_calls = given(model, box)
        fill(box)
        model = scripted(reply)
        plugin = StrandsPlugin(models={"m": lambda: model}, sandboxes={"box": lambda: BoxSandbox(box)})
        async with agents(workflows=[HarnessWorkflow], plugins=[plugin]) as env:
            durable = without_ids(bare(await env.run(HarnessWorkflow.run, ["Go", "And?"], {}), box))
    seen = results_of(durable)
    for number, (here, there) in enumerate(zip(seen, results_of(plain), strict=True)):
        assert here == there, f"result {number}"
    assert durable == plain
    # The environment, the todos and the tools that each call shows to the model:
    assert given(model, box) == plain_calls
    code = dict(zip(codes, seen[10:], strict=False))
    assert code["gather"] == "[(3, '0'), (4, '1'), (5, '2')]"
    assert code["caught"].startswith("caught Tool 'read' error")
    assert code["runtime"].startswith("before\n\nExecution error:\nTraceback")


def given(model: ScriptedModel, directory: Path) -> list[str]:
    """Return what a model was given, sorted: a sub-agent works beside its owner."""
    return sorted(
        json.dumps(
            without_ids([bare(encode(call.messages), directory), call.tool_names, call.system_prompt]),
        )
        for call in model.calls
    )


def without_ids(messages: list[Any]) -> list[Any]:
    """Return messages without the ids and times of background tasks."""
    differs = r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[\d:.]+Z"
    return json.loads(re.sub(differs, "DIFFERS", json.dumps(messages)))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "the built-in tools shell work on the agent's sandbox, and it has none. Give the agent"),
    ({"builtin_tools": ["read"]}, "sandbox=TemporalSandbox('name')"),
    ({"model": None}, "Write model=TemporalModel('name')"),
    ({"model": "anthropic/claude"}, "would make a real model inside the workflow"),
    ({"session": True}, "session=SnapshotSessionManager('id', storage=TemporalStorage('name'))"),
    ({"memory": True}, "memory={'stores': [TemporalMemoryStore('name')]}"),
    ({"skills": ["./s"]}, "are read from the agent's sandbox"),
    ({"skills": "https://x.y/SKILL.md"}, "Skill.from_url"),
    ({"mcp_servers": {"a": {"command": "x"}}}, "tools=[TemporalMCPClient('name')]"),
    ({"builtin_tools": {"web_fetch": {"transport": "direct"}}}, "TemporalTools('web_fetch')"),
    ({"builtin_tools": {"web_fetch": {"model": "openai/x"}}}, "Write TemporalModel('name') there"),
    ({"builtin_tools": {"web_search": "exa"}}, "TemporalTools('web_search')"),
    ({"interventions": "policy.cedar"}, "CedarAuthorization(policies=TEXT)"),
    ({"builtin_tools": ["shel"]}, "Unknown built-in tool 'shel'"),
    ({"builtin_tools": ["web_search"]}, "has no built-in web search"),
]
"""Options of `create_harness`, and what the error says."""


async def test_what_cannot_work_ends_the_run_with_what_to_write(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    plugin = StrandsPlugin(
        models={"m": lambda: scripted(say("yes"))},
        sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")},
    )
    async with agents(workflows=[CreateHarnessWorkflow], plugins=[plugin]) as env:
        for options, says in REFUSED:
            assert says in await refused(env, CreateHarnessWorkflow.run, options)
        assert await env.run(CreateHarnessWorkflow.run, {"sandbox": "box"}) == "yes"


async def refused(env: AgentEnvironment, run: Any, options: dict[str, Any]) -> str:
    """Run a workflow that fails, and return the failure's text."""
    with pytest.raises(WorkflowFailureError) as raised:
        await env.run(run, options)
    assert isinstance(raised.value.cause, ApplicationError)
    return raised.value.cause.message


REFUSED_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"sandbocks": "box"}, "unknown option 'sandbocks'. Did you mean 'sandbox'?"),
    ({"effort": "high", "sandbox": "box"}, "effort='high' cannot change a model that the worker makes"),
    ({"session": True}, "needs a storage: write storage='name'"),
    ({"memory": True}, "needs a storage"),
    ({"sandbox": "box", "builtin_plugins": ["x"]}, "Unknown built-in plugin 'x'"),
    ({"sandbox": "box", "heartbeat_timeout": "x"}, "heartbeat_timeout"),
]


async def test_options_of_the_durable_one_are_refused(agents: Agents) -> None:
    plugin = StrandsPlugin(models={"m": lambda: scripted(say("no"))})
    async with agents(workflows=[RefusedWorkflow], plugins=[plugin]) as env:
        for options, says in REFUSED_OPTIONS:
            assert says in await refused(env, RefusedWorkflow.run, options)


async def test_a_person_is_asked_also_for_a_sub_agent(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    code = "try:\n    await facts()\nexcept RuntimeError as e:\n    print(e)"
    parent = [
        use_tool("programmatic_tool_caller", {"code": code}),
        use_tool("subagent", {"task": "Do two"}),
        say("done"),
    ]
    child = [use_tool("shell", {"command": "echo two"}), say("it was two")]
    model = scripted(script(parent, child))
    plugin = StrandsPlugin(
        models={"m": lambda: model}, sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")}
    )
    # In the background, where a sub-agent works by default, Strands has its question fail the task.
    options: dict[str, Any] = {"builtin_plugins": [], "background_tasks": False}
    async with agents(workflows=[AskingWorkflow], plugins=[plugin]) as env:
        handle = await env.start(AskingWorkflow.run, "Go", options)
        for _ in range(3):
            await handle.signal(AskingWorkflow.answer, "y")
        questions, carried, messages = await handle.result()
        await env.assert_replays(handle)
    asked = [re.findall('Approve "(\\w+)"', question)[0] for question in questions]
    assert asked == ["programmatic_tool_caller", "subagent", "shell"]
    seen = results_of(messages)
    assert "needs approval, which programmatic_tool_caller cannot prompt for" in seen[0]
    assert seen[1] == "it was two\n"
    assert "cannot be carried into another run while an agent of its tool 'subagent' waits" in carried


@pytest.mark.slow
async def test_sub_agents_are_those_of_a_plain_harness_agent(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    parent = [
        use_tool("subagent", {"task": "All", "context": "all"}, tool_use_id="1"),
        use_tool("subagent", {"task": "Text", "context": "no_tools", "tools": ["read"]}, tool_use_id="2"),
        say("done"),
    ]
    child = [use_tool("subagent", {"task": "Deeper"}, tool_use_id="3"), say("no deeper")]
    options: dict[str, Any] = {
        "builtin_tools": {"subagent": {"max_depth": 1}},
        "background_tasks": False,
        "builtin_plugins": [],
    }

    def reply(call: ScriptedCall) -> Reply:
        if "general-purpose subagent" not in (call.system_prompt or ""):
            return parent[call.answers]
        return child[1] if "toolResult" in call.messages[-1]["content"][0] else child[0]

    model = scripted(reply)
    plain = await plain_session(model, tmp_path / "box", ["Go"], **options)
    plain_calls = given(model, tmp_path / "box")
    model = scripted(reply)
    plugin = StrandsPlugin(
        models={"m": lambda: model}, sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")}
    )
    async with agents(workflows=[HarnessWorkflow], plugins=[plugin]) as env:
        assert await env.run(HarnessWorkflow.run, ["Go"], options) == plain
    assert given(model, tmp_path / "box") == plain_calls
    assert any("Delegation depth limit reached (1 levels)" in call for call in plain_calls)


@pytest.mark.slow
async def test_session_memory_and_skills_are_on_the_worker(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    files = tmp_path / "files"

    def reply(call: ScriptedCall) -> Reply:
        if not call.tool_names:  # the extractor's call
            return say(json.dumps([{"content": "Ada likes tea"}]))
        if call.prompt == "skill" and not call.text.startswith("Say ahoy"):
            return use_tool("skills", {"skill_name": "greet"}, tool_use_id=f"s{call.answers}")
        return say(f"{len(call.messages)} messages, {str(call.messages).count('Ada likes tea')} memories")

    plugin = StrandsPlugin(
        models={"m": lambda: scripted(reply)},
        sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")},
        storages={"files": lambda: LocalFileStorage(str(files))},
    )
    options: dict[str, Any] = {"storage": "files", "session": True, "memory": True, "skills": True}
    async with agents(workflows=[KeptWorkflow], plugins=[plugin]) as env:
        first = await env.run(KeptWorkflow.run, "I am Ada", options, id="chat/1")
        second = await env.run(KeptWorkflow.run, "Is tea good?", options, id="chat/1")
        third = await env.run(KeptWorkflow.run, "skill", options)
    assert [first, second] == ["1 messages, 0 memories", "3 messages, 1 memories"]
    assert third == "3 messages, 0 memories"
    kept = sorted(str(path.relative_to(files)) for path in files.rglob("*") if path.is_file())
    assert any(name.startswith("memory/") for name in kept), kept
    assert any("session/" in name and "chat-1" in name for name in kept), kept
    assert not (Path.cwd() / ".agent").exists()


@pytest.mark.parametrize(
    ("code", "options", "expected"),
    [
        ("await wait(seconds=30)", {"timeout": 0.5}, "Execution error: timed out after 0.5 seconds."),
        (
            "print('a')\nfor i in range(9):\n    await facts()",
            {},
            "RuntimeError: suspension limit 8 exceeded",
        ),
        pytest.param("print('x' * 300_000)", {}, "[output truncated at 200000 characters]"),
        ("x = [0] * 10**9", {}, "MemoryError: memory limit exceeded"),
    ],
)
@pytest.mark.slow
async def test_the_limits_of_code_are_those_of_the_plain_tool(
    agents: Agents,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    options: dict[str, Any],
    expected: str,
) -> None:
    from strands_harness.tools import programmatic_tool_caller as module_or_tool

    module = sys.modules["strands_harness.tools.programmatic_tool_caller"]
    assert module is not module_or_tool
    monkeypatch.setitem(module._LIMITS, "max_suspensions", 8)  # type: ignore[attr-defined]
    fill(tmp_path / "box")
    steps = [use_tool("programmatic_tool_caller", {"code": code}), say("done")]
    given_options: dict[str, Any] = {
        "builtin_tools": {"programmatic_tool_caller": options},
        "builtin_plugins": [],
        "context_manager": False,
    }
    plain = await plain_session(scripted(*steps), tmp_path / "box", ["Go"], **given_options)
    plugin = StrandsPlugin(
        models={"m": lambda: scripted(*steps)}, sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")}
    )
    async with agents(workflows=[HarnessWorkflow], plugins=[plugin]) as env:
        durable = await env.run(HarnessWorkflow.run, ["Go"], given_options)
    assert expected in results_of(durable)[0]
    assert durable == plain


@pytest.mark.slow
async def test_code_that_holds_too_much_is_told_so(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    code = (
        "x, kept = 1, []\n"
        "for i in range(600_000):\n"
        "    x = (x * 1103515245 + 12345) % 2147483648\n"
        "    kept.append(x)\n"
        "print('kept')\nawait facts()\nprint('not reached')"
    )
    model = scripted(use_tool("programmatic_tool_caller", {"code": code}), say("done"))
    plugin = StrandsPlugin(
        models={"m": lambda: model}, sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")}
    )
    async with agents(workflows=[HarnessWorkflow], plugins=[plugin]) as env:
        (result,) = results_of(await env.run(HarnessWorkflow.run, ["Go"], {"builtin_plugins": []}))
        history = await env.handles[-1].fetch_history()
    assert result.startswith(
        "kept\n\nExecution error: the code holds too much data while it waits for a tool"
    )
    assert len(history.to_json()) < 200_000


async def test_cancelled_code_ends_with_its_calls(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    code = "import asyncio\nawait asyncio.gather(shell(command='sleep 60'), wait(seconds=60))"
    model = scripted(use_tool("programmatic_tool_caller", {"code": code}), say("not reached"))
    plugin = StrandsPlugin(
        models={"m": lambda: model}, sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")}
    )
    async with agents(workflows=[CancelledWorkflow], plugins=[plugin]) as env:
        stop_reason, messages = await env.run(CancelledWorkflow.run)
        history = await env.handles[-1].fetch_history()
    assert stop_reason == "cancelled"
    assert results_of(messages) in (["Execution cancelled."], ["Tool execution cancelled"])
    # The code's timeout, its `wait`, the workflow's second; nothing polls.
    assert sum(event.HasField("timer_started_event_attributes") for event in history.events) <= 4
