"""AWS's harness agent does in a workflow what it does in a plain program, and refuses what it cannot do."""

import contextlib
import http.server
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.harness_scenes import (
    CODES,
    BoxSandbox,
    CreateHarnessWorkflow,
    HarnessWorkflow,
    RefusedWorkflow,
    bare,
    child_steps,
    fill,
    plain_session,
    script,
    session_steps,
)
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say

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


async def test_a_session_is_that_of_a_plain_harness_agent(agents: Agents, tmp_path: Path) -> None:
    box = tmp_path / "box"
    with web_page() as url:
        reply = script(session_steps(box, url), child_steps(box))
        fill(box)
        model = scripted(reply)
        plain = bare(await plain_session(model, box, ["Go", "And?"]), box)
        plain_calls = [bare(call.messages, box) for call in model.calls]
        fill(box)
        model = scripted(reply)
        plugin = StrandsPlugin(models={"m": lambda: model}, sandboxes={"box": lambda: BoxSandbox(box)})
        async with agents(workflows=[HarnessWorkflow], plugins=[plugin]) as env:
            durable = bare(await env.run(HarnessWorkflow.run, ["Go", "And?"], {}), box)
    seen = results_of(durable)
    for number, (here, there) in enumerate(zip(seen, results_of(plain), strict=True)):
        assert here == there, f"result {number}"
    assert without_ids(durable) == without_ids(plain)
    assert len(model.calls) == len(plain_calls)
    # What the code of each piece shows:
    code = dict(zip(CODES, seen[10:], strict=False))
    assert "print(6 * 7)" in code["one call"]
    assert code["gather"] == "[(3, '0'), (4, '1'), (5, '2')]"
    assert code["caught"].startswith("caught Tool 'read' error")
    assert code["uncaught"].startswith("first\n\nExecution error:\nTraceback")
    assert code["nothing"] == "(no output)"


def without_ids(messages: list[Any]) -> list[Any]:
    """Return messages without the ids of background tasks, which are random."""
    import json
    import re

    return json.loads(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}", "ID", json.dumps(messages)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
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
    ],
)
async def test_what_cannot_work_ends_the_run_with_what_to_write(
    agents: Agents, options: dict[str, Any], says: str
) -> None:
    plugin = StrandsPlugin(models={"m": lambda: scripted(say("no"))})
    async with agents(workflows=[CreateHarnessWorkflow], plugins=[plugin]) as env:
        with pytest.raises(WorkflowFailureError) as raised:
            await env.run(CreateHarnessWorkflow.run, options)
    assert isinstance(raised.value.cause, ApplicationError)
    assert says in raised.value.cause.message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sandbocks": "box"}, "unknown option 'sandbocks'. Did you mean 'sandbox'?"),
        ({"effort": "high", "sandbox": "box"}, "effort='high' cannot change a model that the worker makes"),
        ({"session": True}, "needs a storage: write storage='name'"),
        ({"memory": True}, "needs a storage"),
        ({"sandbox": "box", "builtin_plugins": ["x"]}, "Unknown built-in plugin 'x'"),
        ({"sandbox": "box", "heartbeat_timeout": "x"}, "heartbeat_timeout"),
    ],
)
async def test_options_of_the_durable_one_are_refused(
    agents: Agents, options: dict[str, Any], says: str
) -> None:
    plugin = StrandsPlugin(models={"m": lambda: scripted(say("no"))})
    async with agents(workflows=[RefusedWorkflow], plugins=[plugin]) as env:
        with pytest.raises(WorkflowFailureError) as raised:
            await env.run(RefusedWorkflow.run, options)
    assert isinstance(raised.value.cause, ApplicationError)
    assert says in raised.value.cause.message
