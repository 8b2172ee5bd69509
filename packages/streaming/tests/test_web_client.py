"""The official client of AG-UI, from Node, drives the app."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from integration_tests import real_parts
from packages.streaming.tests.web_support import Web, web

pytestmark = [pytest.mark.server, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("agui_client.mjs")


async def play(app: Web, scenario: str) -> Any:
    """Play a scenario of the script, and return what it prints."""
    node, _ = real_parts.node_command()
    modules = await asyncio.to_thread(real_parts.npm_packages, {"@ag-ui/client": "1.0.0"})
    process = await asyncio.create_subprocess_exec(
        node,
        str(SCRIPT),
        str(modules),
        app.url,
        scenario,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    assert "[ag-ui]" not in errors.decode()  # how the client warns
    return json.loads(out)


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["role"], message.get("content") or "") for message in messages]


async def test_a_chat_with_reasoning_tools_and_state(agents: Agents) -> None:
    async with web(agents) as app:
        found = await play(app, "chat")
    assert said(found["messages"]) == [
        ("user", "think so"),
        ("reasoning", "hmm"),
        ("assistant", "so"),
        ("user", 'tool look_up {"word": "tea"}'),
        ("assistant", "Let me see."),
        ("tool", "about tea"),
        ("assistant", "done: about tea"),
        ("user", 'tool note {"key": "seen"}'),
        ("assistant", "Let me see."),
        ("tool", "noted"),
        ("assistant", "done: noted"),
    ]
    assert found["state"] == {"seen": True}
    (call,) = found["messages"][4]["toolCalls"]
    assert call["function"] == {"name": "look_up", "arguments": '{"word": "tea"}'}
    assert found["messages"][5]["toolCallId"] == call["id"]
    assert found["types"].count("RUN_FINISHED") == 3


async def test_questions(agents: Agents) -> None:
    async with web(agents) as app:
        found = await play(app, "questions")
    assert found["asked"][0]["metadata"]["strands_temporal"]["tool"] == "look_up"
    assert found["pending"] == []
    assert said(found["messages"])[-2:] == [("tool", "about tea"), ("assistant", "done: about tea")]


async def test_tools_of_the_front_end(agents: Agents) -> None:
    async with web(agents) as app:
        found = await play(app, "frontend")
    assert found["toolCallId"] == "set_title-1"
    assert found["open"] == []
    assert said(found["messages"])[-2:] == [("tool", "it is x"), ("assistant", "done: it is x")]


async def test_a_lost_connection(agents: Agents) -> None:
    async with web(agents) as app:
        found = await play(app, "reconnect")
    events = found["events"]
    text = "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")
    assert text == "You said hello"
    assert [event["type"] for event in events].count("RUN_STARTED") == 1
    assert len({event["id"] for event in events}) == len(events)
    assert said(found["messages"]) == [("user", "hello"), ("assistant", "You said hello")]


async def test_a_refusal_is_the_clients_error(agents: Agents) -> None:
    async with web(agents) as app:
        found = await play(app, "refused")
    assert "no front-end tool 'unknown'" in found["error"]
