"""The same scripted agents with ag-ui-strands, an installed black box: the same AG-UI events.

Up to ids, to how text is cut into pieces, and to what docs/front-ends.md lists in its table.
"""

import asyncio
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from integration_tests import real_parts
from packages.streaming.tests.web_agents import thought
from packages.streaming.tests.web_support import run_input, web

from strands_temporal.testing import Reply, ScriptedModel, say, use_tool, use_tools

pytestmark = [pytest.mark.server, pytest.mark.slow]

BLACK_BOX = Path(__file__).with_name("agui_black_box.py")
Runs = list[list[dict[str, Any]]]

TITLE = {"name": "set_title", "description": "", "parameters": {"type": "object"}}
ANSWER = {"id": "result", "role": "tool", "toolCallId": "set_title-1", "content": "it is x"}
CALL = {"id": "set_title-1", "type": "function", "function": {"name": "set_title", "arguments": "{}"}}

SCENARIOS: dict[str, tuple[str, list[Reply], list[dict[str, Any]]]] = {
    "text": ("plain", [say("Hello there, you.", chunk=6)], [{}]),
    "reasoning": ("plain", [thought("Hello there.")], [{}]),
    "a tool": ("plain", [use_tool("look_up", {"word": "tea"}, text="Let me see."), say("done")], [{}]),
    "two tools": (
        "plain",
        [use_tools([("look_up", {"word": w}, w) for w in ("tea", "rum")], text="Both."), say("done")],
        [{}],
    ),
    "a tool that fails": ("plain", [use_tool("broken", {"word": "tea"}), say("done")], [{}]),
    "a model that fails": ("plain", [Reply(error=ValueError("no model"))], [{}]),
    "a question": (
        "asker",
        [use_tool("ask", {"q": "go?"}), say("done")],
        [{}, {"resume": {"payload": "yes"}}],
    ),
    "a front-end tool": (
        "painter",
        [use_tool("set_title", {"title": "x"}), say("done")],
        [{"tools": [TITLE]}, {"tools": [TITLE], "messages": [ANSWER]}],
    ),
}


async def theirs(replies: Sequence[Reply], runs: Sequence[dict[str, Any]]) -> Runs:
    """Return the events of ag-ui-strands."""
    python = await asyncio.to_thread(real_parts.python_environment, "ag-ui-strands==1.0.2")
    script: list[list[Any]] = [
        [*reply.events, *([{"raise": str(reply.error)}] if reply.error else [])] for reply in replies
    ]
    given: list[Any] = []
    for run in runs:
        messages = [{"id": "u", "role": "user", "content": "go"}]
        if "messages" in run:
            messages += [{"id": "a", "role": "assistant", "toolCalls": [CALL]}, *run["messages"]]
        given.append({**run_input(None, thread="t"), **run, "messages": messages})
    process = await asyncio.create_subprocess_exec(
        python, str(BLACK_BOX), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        text = json.dumps({"script": script, "runs": given}).encode()
        out, _ = await asyncio.wait_for(process.communicate(text), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return json.loads(out)


async def ours(agents: Agents, agent: str, replies: Sequence[Reply], runs: Sequence[dict[str, Any]]) -> Runs:
    """Return the events of the web app."""
    found: Runs = []
    thread = f"thread-{uuid.uuid4()}"
    async with web(agents, lambda: ScriptedModel(*replies)) as app:
        for run in runs:
            given = dict(run)
            if "resume" in given:
                asked = found[-1][-1]["outcome"]["interrupts"][0]["id"]
                given["resume"] = [{"interruptId": asked, "status": "resolved", **given["resume"]}]
            words = None if "resume" in given or "messages" in given else "go"
            found.append(await app.run(agent, words, thread=thread, **given))
        await app.replays()
    return found


def common(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events without what differs by the table in docs/front-ends.md."""
    shown: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    for event in events:
        kind = event["type"]
        if kind in ("RAW", "CUSTOM", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT"):
            continue  # each has them at places of its own
        left_out = {"timestamp", "metadata", "rawEvent", "parentMessageId", "code", "threadId", "runId"}
        plain = {name: value for name, value in event.items() if name not in left_out}
        if "messageId" in plain:
            plain["messageId"] = ids.setdefault(plain["messageId"], f"message {len(ids) + 1}")
        if kind == "TOOL_CALL_RESULT" and plain["content"].startswith('"'):
            plain["content"] = json.loads(plain["content"])  # theirs is JSON text
        if kind == "TOOL_CALL_RESULT":
            plain["content"] = plain["content"].replace("{'response': 'yes'}", "yes")  # theirs is wrapped
        if kind == "RUN_FINISHED":
            plain["outcome"].pop("pendingToolCallIds", None)
            for one in plain.get("usage", ()):
                one.pop("model", None)
            if "interrupts" in plain["outcome"]:
                plain["outcome"]["interrupts"] = [
                    (one["id"], one["reason"], one["metadata"]["reason"])
                    for one in plain["outcome"]["interrupts"]
                ]
        if kind == "RUN_ERROR":
            plain.pop("usage", None)
        if shown and "delta" in plain and shown[-1]["type"] == kind:
            shown[-1]["delta"] += plain["delta"]
        else:
            shown.append(plain)
    return shown


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_same_events(agents: Agents, name: str) -> None:
    agent, replies, runs = SCENARIOS[name]
    expected, found = await asyncio.gather(theirs(replies, runs), ours(agents, agent, replies, runs))
    for their_run, our_run in zip(expected, found, strict=True):
        assert common(our_run) == common(their_run)
        assert [e["snapshot"] for e in our_run if e["type"] == "STATE_SNAPSHOT"][:1] == [{}]
