"""Events of graphs, states, sub-agents in child workflows and arguments, over a real server and SSE."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import LiveModel, bounded
from packages.streaming.tests.web_support import assert_conforms, kinds, run_input, sse, text_of, web
from strands.types.streaming import StreamEvent

from strands_temporal.testing import say

pytestmark = [pytest.mark.server, pytest.mark.slow]


def of(kind: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


async def test_changes_of_the_state_come_as_they_happen(agents: Agents) -> None:
    async with web(agents) as app:
        thread = f"thread-{uuid.uuid4()}"
        noted = await app.run("noter", 'tool note {"key": "a/b~"}', thread=thread)
        (delta,) = of("STATE_DELTA", noted)
        assert delta["delta"] == [{"op": "add", "path": "/a~1b~0", "value": True}]
        # When the tool has ended, before the model goes on.
        after = [event["type"] for event in noted[noted.index(delta) :]]
        assert after[:2] == ["STATE_DELTA", "TEXT_MESSAGE_START"]
        assert noted.index(delta) > noted.index(of("TOOL_CALL_END", noted)[0])
        gone = await app.run("noter", 'tool forget {"key": "a/b~"}', thread=thread)
        assert of("STATE_SNAPSHOT", gone)[0]["snapshot"] == {"a/b~": True}
        assert of("STATE_DELTA", gone)[0]["delta"] == [{"op": "remove", "path": "/a~1b~0"}]
        assert of("STATE_SNAPSHOT", gone)[-1]["snapshot"] == {}
        for events in app.streams:
            assert_conforms(events)
        await app.replays()


async def test_nodes_of_a_graph_are_steps(agents: Agents) -> None:
    async with web(agents) as app:
        events = await app.run("crew", 'tool ask_crew {"task": "tea"}')
        steps = [event for event in events if event["type"].startswith("STEP")]
        assert [(one["type"], one["stepName"]) for one in steps] == [
            ("STEP_STARTED", "node:find"),
            ("STEP_FINISHED", "node:find"),
            ("STEP_STARTED", "node:write"),
            ("STEP_FINISHED", "node:write"),
        ]
        begun, ended = events.index(steps[0]), events.index(steps[1])
        assert text_of(events[begun:ended]) == "You said tea"
        (result,) = of("TOOL_CALL_RESULT", events)
        assert events.index(result) > events.index(steps[-1])
        assert_conforms(events)
        await app.replays()


async def test_arguments_come_while_the_model_writes_them(agents: Agents) -> None:
    pieces = ['{"wo', 'rd": "t', 'ea"}']
    read = asyncio.Event()

    async def writes() -> AsyncIterator[StreamEvent]:
        yield {"messageStart": {"role": "assistant"}}
        use: Any = {"toolUse": {"name": "look_up", "toolUseId": "t1"}}
        yield {"contentBlockStart": {"start": use}}
        for number, piece in enumerate(pieces):
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": piece}}}}
            if number == 0:
                await bounded(read)  # the reader has the first piece
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use"}}

    async def ends() -> AsyncIterator[StreamEvent]:
        for event in say("done").events:
            yield event

    events: list[dict[str, Any]] = []
    async with web(agents, lambda: LiveModel(writes, ends)) as app:
        body = run_input("look tea up")
        async with app.http.stream("POST", "/agents/plain", json=body) as answer:
            async for _, event in sse(answer):
                events.append(event)
                if event["type"] == "TOOL_CALL_ARGS":
                    read.set()
        app.streams.append(events)
        assert kinds(events)[3:7] == [
            "TOOL_CALL_START",
            "TOOL_CALL_ARGS",
            "TOOL_CALL_END",
            "TOOL_CALL_RESULT",
        ]
        arguments = [event["delta"] for event in of("TOOL_CALL_ARGS", events)]
        assert arguments[0] == pieces[0]
        assert json.loads("".join(arguments)) == {"word": "tea"}
        assert of("TOOL_CALL_RESULT", events)[0]["content"] == "about tea"
        assert_conforms(events)
        await app.replays()


async def test_sub_agents_in_child_workflows_are_sub_agents(agents: Agents) -> None:
    async with web(agents) as app:
        events = await app.run("host", 'tools clerk {"input": "hello"}')
        begun, ended = of("SUBAGENT_STARTED", events), of("SUBAGENT_FINISHED", events)
        assert {one["parentToolCallId"] for one in begun} == {"clerk-0", "clerk-1"}
        assert {one["name"] for one in begun} == {"clerk"}
        ids = {one["subagentRunId"] for one in begun}
        assert len(ids) == 2
        assert ids == {one["subagentRunId"] for one in ended}
        children = {one["metadata"]["strands_temporal"]["workflowId"] for one in begun}
        for child in children:
            handle = app.env.client.get_workflow_handle(child)
            assert (await handle.result())["stop_reason"] == "end_turn"
            await app.env.assert_replays(handle)
        assert len(children) == 2
        assert_conforms(events)
        await app.replays()
