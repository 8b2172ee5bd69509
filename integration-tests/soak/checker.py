"""A checker process: compares a run with a plain agent, and replays its histories."""

import asyncio
import json
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Replayer

from . import effects, journal
from .models import ScriptModel, without_full_disks
from .plan import Run, run_of
from .readers import texts_of
from .sandboxes import DirectorySandbox
from .workers import connected, plugins, runner, sums_client
from .workflows import QUESTION, Soak, box_of, plain_agent

STREAM_SECONDS = 9.5
"""About how long the rest of a stream may take to reach the server."""


@dataclass
class Verdict:
    """What was found of a run.

    Attributes:
        run: Name of the run.
        misses: Kind and text of each miss.
        events: Events of history, of all its runs.
        workflows: How many runs of the workflow it took.
        recorded: For each model call that history has as completed: its end there, in seconds of the epoch.
        given_up: For each model call whose attempt before ended with a heartbeat timeout: the begin of the
            last attempt, in seconds of the epoch.
        cut_short: How many streams lack the end of an answer.
        full_disks: How many commands met a full disk.
        failures: Failed workflow tasks, each with cause and text.
    """

    run: str
    misses: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    events: int = 0
    workflows: int = 0
    full_disks: int = 0
    cut_short: int = 0
    recorded: list[float] = field(default_factory=list[float])
    given_up: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])


async def begin(folder: str, address: str) -> None:
    """Check each run that is handed in, until the process ends."""
    root = Path(folder)
    client = await connected(address, plugins())
    with sums_client() as sums:
        await _check_all(client, root, sums.list_tools_sync())


async def _check_all(client: Client, root: Path, mcp_tools: Sequence[Any]) -> None:
    while True:
        for file in sorted((root / "checking").iterdir()):
            if file.name.startswith("."):
                continue
            try:
                verdict = await _check(client, root, json.loads(file.read_text()), mcp_tools)
            except RPCError:
                continue  # the server restarts
            except Exception:  # noqa: BLE001 - the soak must tell it, with the run
                verdict = Verdict(file.name, [("checker", traceback.format_exc())])
            journal.put(root / "checked" / file.name, asdict(verdict))
            file.unlink()
        await asyncio.sleep(0.2)


async def expected_of(run: Run, order: Sequence[int], mcp_tools: Sequence[Any]) -> dict[str, Any]:
    """Lead the conversation with a plain agent, and return its messages, answers and questions.

    Args:
        run: The plan of the conversation.
        order: The order of its turns.
        mcp_tools: The tools of the MCP server, of Strands' own client.
    """
    with tempfile.TemporaryDirectory() as folder:
        sandbox = DirectorySandbox(Path(folder), Path(folder) / "never")
        agent = plain_agent(ScriptModel(), sandbox, mcp_tools)
        answers = [""] * len(run.turns)
        questions: list[str] = []
        for number in order:
            turn = run.turns[number]
            result = await agent.invoke_async(turn.prompt)
            while result.interrupts:
                responses: list[Any] = []
                for asked in result.interrupts:
                    word = str(asked.reason).removeprefix(QUESTION)
                    approved = next(call.approved for call in run.calls if call.word == word)
                    questions.append(f"{asked.reason}: {'approved' if approved else 'rejected'}")
                    responses.append({"interruptResponse": {"interruptId": asked.id, "response": approved}})
                result = await agent.invoke_async(responses)
            answers[number] = str(result).strip()
    messages = without_full_disks(agent.messages)
    return {"messages": messages, "answers": answers, "questions": questions}


def order_of(run: Run, seen: dict[str, Any]) -> list[int]:
    """Return the order of the turns: where all messages are sent at once, a fault may change it."""
    order = list(range(len(run.turns)))
    if run.at_once and seen["messages"] is not None:
        texts = [message["content"][0].get("text") for message in seen["messages"]]
        order.sort(key=lambda number: texts.index(run.turns[number].prompt))
    return order


async def _check(client: Client, root: Path, seen: dict[str, Any], mcp_tools: Sequence[Any]) -> Verdict:
    run = run_of(seen["run"])
    verdict = Verdict(run.name)
    expected = await expected_of(run, order_of(run, seen), mcp_tools)
    if seen["state"] == "ended":  # what did not end is one miss already
        compare(verdict, expected, seen)
        _check_effects(verdict, root, run)
    await _look_at_histories(verdict, client, root, run, seen)
    return verdict


def compare(verdict: Verdict, expected: dict[str, Any], seen: dict[str, Any]) -> None:
    """Compare what clients saw of a run with what a plain agent gives, and note each difference."""
    messages = without_full_disks(seen["messages"])
    verdict.full_disks = (len(seen["messages"]) - len(messages)) // 2
    if messages != expected["messages"]:
        verdict.misses.append(("transcript", _difference(expected["messages"], messages)))
    if seen["answers"] != expected["answers"]:
        verdict.misses.append(("answers", f"expected {expected['answers']}, got {seen['answers']}"))
    told = sorted(f"{record['question']}: {record['outcome']}" for record in seen["records"])
    if told != sorted(expected["questions"]):
        verdict.misses.append(("decisions", f"expected {sorted(expected['questions'])}, recorded {told}"))
    for question, deciders in seen["accepted"].items():
        if len(deciders) > 1:
            verdict.misses.append(("decisions", f"{question} was accepted from each of {deciders}"))
        if [record["by"] for record in seen["records"] if record["id"] == question] != deciders:
            verdict.misses.append(
                ("decisions", f"{question} was accepted from {deciders}, and is not on record")
            )


def _difference(expected: list[Any], seen: list[Any]) -> str:
    for number, (one, other) in enumerate(zip(expected, seen, strict=False)):
        if one != other:
            return f"message {number}: expected {json.dumps(one)}, got {json.dumps(other)}"
    return f"expected {len(expected)} messages, got {len(seen)}"


def _check_effects(verdict: Verdict, root: Path, run: Run) -> None:
    keys = effects.keys_of_run(root / "effects.db", run.name)
    wanted = {
        call.word for call in run.calls if call.tool == "note" or (call.tool == "pay" and call.approved)
    }
    for word in wanted - set(keys):
        verdict.misses.append(("effect lost", word))
    for word in set(keys) - wanted:
        verdict.misses.append(("effect unwanted", word))
    for word, found in keys.items():
        if len(found) > 1:
            verdict.misses.append(("effect twice", f"{word} under {sorted(found)}"))
    shared = [key for found in keys.values() for key in found]
    if len(shared) != len(set(shared)):
        verdict.misses.append(("effect twice", f"two calls share a key: {keys}"))
    box = box_of(root, run.name)
    for call in run.calls:
        if call.tool == "shell":
            file = box / f"{call.word}.txt"
            if not file.exists() or file.read_text() != f"{call.word}\n":
                verdict.misses.append(("sandbox", f"{file.name} is wrong"))


def _check_reader(verdict: Verdict, root: Path, run: Run, seen: dict[str, Any]) -> None:
    lines = journal.lines(root / "read" / run.name)
    for line in lines:
        if line["what"] in ("error", "lost"):
            verdict.misses.append(("reader", str(line)))
    if not any(line["what"] == "end" for line in lines):
        verdict.misses.append(("reader", "it did not come to the end of the stream"))
    wanted = [
        block["text"]
        for message in seen["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
        if "text" in block
    ]
    got = texts_of(lines)
    own = [text for text in got if not text.startswith("help ")]
    helped = sum(2 for call in run.calls if call.tool == "helper")
    if own != sorted(wanted) and _cut_short(root, verdict, sorted(wanted), own):
        verdict.cut_short += 1
    elif own != sorted(wanted):
        verdict.misses.append(("reader", f"expected {sorted(wanted)}, read {own}"))
    elif len(got) - len(own) != helped:
        verdict.misses.append(("reader", f"expected {helped} texts of sub-agents, read {got}"))


def _cut_short(root: Path, verdict: Verdict, wanted: list[str], got: list[str]) -> bool:
    """Tell whether all that is missing is the end of answers whose stream had no server for ten seconds.

    The rest of a stream has so long to reach the server when the answer is complete (docs/streaming.md). The
    worker reports the answer after that.
    """
    if len(wanted) != len(got):
        return False
    ends = {line["text"]: line["at"] for line in journal.lines(root / "model-calls") if line["what"] == "end"}
    recorded = [at - time.time() + time.monotonic() for at in verdict.recorded]
    for answer, read in zip(wanted, got, strict=True):
        if answer != read:
            waited = [at - ends[answer] for at in recorded if at >= ends[answer]]
            if not answer.startswith(read) or not waited or min(waited) < STREAM_SECONDS:
                return False
    return True


async def _look_at_histories(
    verdict: Verdict, client: Client, root: Path, run: Run, seen: dict[str, Any]
) -> None:
    histories = await _chain(client, run.name)
    verdict.workflows = len(histories)
    for history in histories:
        verdict.events += len(history.events)
        _look_into(verdict, history)
        replayer = Replayer(workflows=[Soak], plugins=plugins(), workflow_runner=runner(1), build_id="soak")
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None:
            verdict.misses.append(("replay", f"{history.run_id}: {result.replay_failure!r}"))
    if run.read and seen["state"] == "ended":
        _check_reader(verdict, root, run, seen)
    _explain(verdict, histories)
    if verdict.misses or verdict.failures:
        for number, history in enumerate(histories):
            (root / "misses" / f"{run.name}.{number}.json").write_text(history.to_json())


def _explain(verdict: Verdict, histories: list[WorkflowHistory]) -> None:
    """Say of a wrong transcript whether a call has used up its attempts: the model then reads an error."""
    if not any(kind in ("transcript", "answers") for kind, _ in verdict.misses):
        return
    for history in histories:
        starts = [
            event.activity_task_started_event_attributes
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        ]
        started = {start.scheduled_event_id: start for start in starts}
        for event in history.events:
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
            elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                failed = event.activity_task_timed_out_event_attributes
            else:
                continue
            start = started[failed.scheduled_event_id]
            said = f"attempt {start.attempt} of event {failed.scheduled_event_id}: {failed.failure.message}"
            verdict.misses.append(("attempts used up", f"{said}; before it: {start.last_failure.message}"))


async def _chain(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """Return the histories of all runs, the first one first."""
    found: list[WorkflowHistory] = []
    run_id: str | None = None
    while True:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        found.insert(0, history)
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not run_id:
            return found


def _look_into(verdict: Verdict, history: WorkflowHistory) -> None:
    models: set[int] = set()
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            if name.startswith("invoke_model"):
                models.add(event.event_id)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            if event.activity_task_completed_event_attributes.scheduled_event_id in models:
                verdict.recorded.append(event.event_time.ToMicroseconds() / 1e6)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            before = started.last_failure.timeout_failure_info.timeout_type
            if started.scheduled_event_id in models and before == TimeoutType.TIMEOUT_TYPE_HEARTBEAT:
                verdict.given_up.append(event.event_time.ToMicroseconds() / 1e6)
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            verdict.failures.append(f"event {event.event_id}: cause {failed.cause}: {failed.failure.message}")
