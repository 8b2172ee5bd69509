"""`strands-temporal history`, on a real server."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.commands.commanding import command
from packages.core.tests.commands.desk import Desk, activities, answer
from packages.core.tests.commands.secret_codec import CONVERTER, converter
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal._commands._answers import SentMessages
from strands_temporal._commands._chains import Run
from strands_temporal._commands._history_text import history_lines
from strands_temporal._commands._payloads import PayloadReader
from strands_temporal._commands._run_events import RunEvents
from strands_temporal._commands._steps import RunSteps
from strands_temporal._wire.model_call import ModelCall, Transcript
from strands_temporal.testing import ScriptedModel

pytestmark = pytest.mark.server

HISTORIES = Path(__file__).parents[1] / "histories"


def models() -> dict[str, Any]:
    return {"claude": lambda: ScriptedModel(answer)}


async def ended(handle: Any, run_id: str) -> None:
    """Wait until a workflow has another run than this one."""
    for _ in range(400):
        if (await handle.describe()).run_id != run_id:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the workflow did not continue as new")


@pytest.mark.parametrize("full", [False, True])
def test_pieces_of_a_stream_are_shown_only_in_full(full: bool) -> None:
    def signal(name: str) -> dict[str, Any]:
        return {"kind": "signal", "at": "2026-11-30T04:24:12+00:00", "name": name, "arguments": ["x"]}

    run = {"run_id": "r", "started": "2026-11-30T04:24:12+00:00", "seconds": 1, "events": 2, "bytes": 3}
    steps = [signal("__temporal_workflow_stream_publish"), signal("go")]
    counted = ["runs", "events", "bytes", "turns", "tool_calls", "tool_seconds", "failed_attempts"]
    totals = dict.fromkeys([*counted, "model_calls", "model_seconds", "input_tokens", "output_tokens"], 0)
    about = {"workflow_id": "w", "workflow_type": "W", "status": "running", "task_queue": "q"}
    runs = [{**run, "status": "running", "steps": steps}]
    shown = {**about, "totals": totals, "unreadable": [], "runs": runs}
    text = "\n".join(history_lines(shown, full=full))
    assert "signal go" in text
    assert ("stream_publish" in text) is full


async def test_a_damaged_value_does_not_hide_the_rest_of_a_history() -> None:
    history = WorkflowHistory.from_json("w", (HISTORIES / "core-0.1.0-run1.json").read_text())
    answers = [
        event.activity_task_completed_event_attributes.result.payloads[0]
        for event in history.events
        if b'"events"' in event.activity_task_completed_event_attributes.result.SerializeToString()
    ]
    answers[0].data = b'{"events": 5}'
    reader = PayloadReader(pydantic_data_converter)
    events = RunEvents(Run("r", history.events), reader, pydantic_data_converter)
    await events.read()
    models = [step for step in RunSteps(events, {}).steps() if step["kind"] == "model"]
    assert len(models) == len(answers) > 1
    assert models[0]["unreadable"].startswith("(cannot be read: A model's answer cannot be read")
    assert not any("unreadable" in step for step in models[1:])


async def test_a_person_reads_what_an_agent_did_over_all_runs(agents: Agents, client: Client) -> None:
    async with agents(workflows=[Desk], activities=activities, models=models()) as env:
        handle = client.get_workflow_handle((await env.start(Desk.run)).id)  # whichever run is the last
        assert await handle.execute_update("ask", "find A-7") == "got order A-7: one lamp"
        assert await handle.execute_update("ask", "refund A-7") == "asks"
        assert await handle.execute_update("answer", "yes") == "got refunded order A-7"
        first_run = (await handle.describe()).run_id
        await handle.signal("go", "continue")
        await ended(handle, first_run)  # an update that arrives with the signal is worked on before it
        assert await handle.execute_update("ask", "both B-2") == "got 3\norder B-2: one lamp"
        assert await handle.execute_update("ask", "break C-3")
        assert await handle.execute_update("ask", "x" * 70_000)
        waiting = await command(client, "history", handle.id)
        await handle.signal("go", "end")
        assert await handle.result() == "closed"

    assert "  running\n" in waiting.out
    done = await command(client, "history", handle.id, "--json")
    assert (done.code, done.err) == (0, "")
    shown = json.loads(done.out)
    assert (shown["workflow_type"], shown["status"], shown["unreadable"]) == ("Desk", "completed", [])
    assert [run["status"] for run in shown["runs"]] == ["continued as new", "completed"]
    totals = shown["totals"]
    counted = ("runs", "turns", "model_calls", "tool_calls", "questions", "failed_attempts")
    assert {name: totals[name] for name in counted} == {
        "runs": 2,
        "turns": 5,
        "model_calls": 9,
        "tool_calls": 6,  # the refund is called again with its answer
        "questions": 1,
        "failed_attempts": 4,
    }
    assert totals["output_tokens"] == 5 * 7 + 4 * 10
    first, second = map(kinds, shown["runs"])
    assert first == [
        ("turn", "find A-7"),
        ("model", "find_order"),
        ("tool", "success"),
        ("model", "got order A-7: one lamp"),
        ("turn", "refund A-7"),
        ("model", "refund"),
        ("tool", "question"),
        ("tool", "success"),
        ("model", "got refunded order A-7"),
    ]
    assert " ".join(kind for kind, _ in second) == (
        "turn model tool tool model turn model tool model turn model"
    )
    steps = [step for run in shown["runs"] for step in run["steps"]]
    tools = [step for step in steps if step["kind"] == "tool"]
    assert tools[0]["arguments"] == {"number": "A-7"}
    assert (tools[0]["attempts"], tools[0]["result"]) == (2, [{"text": "order A-7: one lamp"}])
    assert tools[1]["question"] == {"name": "refund", "reason": "refund order A-7?"}
    added = next(step for step in tools if step["tool"] == "add")
    assert (added["where"], added["result"]) == ("workflow", [{"text": "3"}])
    broken = next(step for step in tools if step["tool"] == "break_down")
    assert broken["error"] == {"type": "ValueError", "message": "the printer burns"}
    assert [step for step in steps if step["kind"] == "turn"][-1]["fetched"] is True  # too large for history

    done = await command(client, "history", handle.id)
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0] == f"{handle.id}  Desk  completed"
    assert "5 turns, 9 model calls (" in lines[2]
    assert "  turn 1 of desk: find A-7" in lines
    text = "\n".join(lines)
    assert "tool find_order" in text
    assert '(attempt 2) {"number": "A-7"} -> order A-7: one lamp' in text
    assert "asks refund: refund order A-7?" in text
    assert "-> 3 (in the workflow)" in text
    assert "failed: ValueError: the printer burns" in text
    assert "turn 5 of desk  (the prompt is too large for history" in text


def kinds(run: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a run's steps are, and the word that tells them apart."""

    def word(step: dict[str, Any]) -> str:
        if step["kind"] == "turn":
            return step.get("prompt", "")
        if step["kind"] == "model":
            return step["text"] or ", ".join(call["tool"] for call in step["tool_calls"])
        return step["status"]

    return [(step["kind"], word(step)) for step in run["steps"] if step["kind"] in ("turn", "model", "tool")]


def test_a_repeated_prompt_is_read_from_the_call_that_had_it() -> None:
    sent, hello = SentMessages(), {"role": "user", "content": [{"text": "hello"}]}

    def call(number: int, messages: list[Any] | None) -> ModelCall:
        return ModelCall("m", Transcript(number, "", messages=messages))

    assert sent.new_in(call(1, [{"user": "hello"}])) == [hello]
    assert sent.new_in(call(2, [{"kept": [0, 1]}, {"answer": 1}, {"kept": [0, 1]}])) == [hello]
    assert sent.new_in(call(3, None)) is None  # too large for history
    assert sent.new_in(call(4, [{"kept": [0, 5]}, {"answer": 3}, {"kept": [0, 1]}])) == []  # not known
    assert sent.new_in(call(5, [{"kept": [0, 7]}, {"answer": 4}, {"user": "hello"}])) == [hello]


@pytest.mark.slow
async def test_what_cannot_be_read_is_said(client: Client, worker_options: dict[str, Any]) -> None:
    plugins = [StrandsPlugin(models=models())]
    own = Client(client.service_client, plugins=plugins, data_converter=converter)
    queue = f"secret-{uuid.uuid4()}"
    async with Worker(own, workflows=[Desk], activities=activities, task_queue=queue, **worker_options):
        handle = await own.start_workflow(Desk.run, id=f"secret-{uuid.uuid4()}", task_queue=queue)
        assert await handle.execute_update(Desk.ask, "find A-7") == "got order A-7: one lamp"
        await handle.terminate(reason="enough")

    closed = await command(client, "history", handle.id)
    assert closed.code == 0
    assert "Cannot be read: " in closed.out
    assert "values of encoding 'binary/secret'" in closed.out
    assert "--data-converter" in closed.out
    assert "(cannot be read: binary/secret, " in closed.out
    assert "A-7" not in closed.out
    opened = await command(client, "history", handle.id, "--data-converter", CONVERTER)
    assert "Cannot be read" not in opened.out
    assert "  turn 1 of desk: find A-7" in opened.out
    assert "terminated" in opened.out
    assert "enough" in opened.out


async def test_a_workflow_that_is_not_there(client: Client) -> None:
    done = await command(client, "history", "no-such-workflow")
    assert (done.code, done.out) == (1, "")
    assert "There is no workflow 'no-such-workflow' in the namespace 'default'" in done.err


@pytest.mark.slow
async def test_a_call_that_fails_again_and_again(agents: Agents, client: Client) -> None:
    async with agents(workflows=[Desk], activities=activities, models=models()) as env:
        handle = await env.start(Desk.run)
        asked = asyncio.create_task(handle.execute_update(Desk.ask, "call C-3"))
        tool: dict[str, Any] = {}
        for _ in range(600):
            done = await command(client, "history", handle.id, "--json")
            (*_, tool) = [
                {},
                *(step for step in json.loads(done.out)["runs"][0]["steps"] if step["kind"] == "tool"),
            ]
            if tool.get("attempts", 0) > 1 and "last_failure" in tool:
                break
            await asyncio.sleep(0.05)  # nobody is told of an attempt
        assert tool["last_failure"] == "the line is down"
        assert tool["status"] in ("waits for a retry", "running")
        await handle.terminate()
        await asyncio.wait([asked])
        assert asked.exception() is not None
