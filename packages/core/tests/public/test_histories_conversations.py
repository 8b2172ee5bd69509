"""Conversations that released versions led replay forever, run by run, with the answers of then."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.golden import HISTORIES, weather
from packages.core.tests.golden_conversations import CHATS, GoldenChat, GoldenStart, answer, plugin
from packages.core.tests.golden_outcomes import (
    CONVERTER,
    answers_in,
    recorded,
    replay_to_what_was,
)
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from strands_temporal import ConversationClient
from strands_temporal.testing import ScriptedModel

RECORDED = sorted(HISTORIES.glob("*-conversation-*.json"))


def run_of(kind: str, number: int) -> Path:
    return HISTORIES / f"core-0.1.0-conversation-{kind}-{number}.json"


def test_there_are_histories() -> None:
    kinds = [path.stem.removeprefix("core-0.1.0-conversation-").rpartition("-")[0] for path in RECORDED]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "by-name": 1,
        "handed-over": 2,
        "queue": 3,
        "steer": 1,
    }
    assert set(kinds) == {*CHATS, "by-name"}
    for path in RECORDED:
        assert path.stat().st_size < 100_000
        assert "stackTrace" not in path.read_text(), "it names files of a machine"
        tasks = [event.workflow_task_completed_event_attributes for event in recorded(path).events]
        assert {"1@golden"} == {task.identity for task in tasks if task.identity}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_released_conversation_replays_to_its_answers(path: Path) -> None:
    await replay_to_what_was(path, [GoldenChat], [plugin()])


def test_the_histories_have_what_their_names_say() -> None:
    """A recording without queued, steered and cancelled messages would prove nothing about them."""
    answered: dict[str, dict[str, list[Any]]] = {kind: {} for kind in (*CHATS, "by-name")}
    for path in RECORDED:
        (kind,) = [kind for kind in answered if kind in path.stem]
        for id_, result in answers_in(recorded(path)).items():
            if id_[0] in "ms":  # those of the messages; the others are of other updates
                answered[kind].setdefault(id_, []).append(brief(result))
    handed_over = "TurnHandedOverError"
    assert answered == {
        "queue": {
            "m1": [[1, "end_turn"], [1, "end_turn"]],
            "m2": [[2, "end_turn"]],
            "m3": [[3, "end_turn"]],
            "s1": [[4, "end_turn"]],
            "m5": [[5, "cancelled"]],
            "m6": [[6, "end_turn"]],
            "m7": ["Broken"],
        },
        "steer": {
            "m1": [[1, "end_turn"]],
            "m2": [[1, "end_turn", "steered"]],
            "m3": [[2, "end_turn"]],
            "m4": [[3, "end_turn"]],
        },
        "handed-over": {"m1": [handed_over, [1, "end_turn"]], "m2": [handed_over, [2, "end_turn"]]},
        "by-name": {"m1": [[1, "end_turn"]], "m2": [[2, "end_turn"]]},
    }


def brief(answer: Any) -> Any:
    """Return the turn and the stop reason of an answer, whether it steered, or the type of an error."""
    if isinstance(answer, str):
        return answer
    (result,) = answer
    return [result["turn"], result["stop_reason"], *(["steered"] if result["steered"] else [])]


async def test_a_history_of_another_conversation_does_not_replay() -> None:
    text = run_of("handed-over", 1).read_text().replace('"weather"', '"climate"')
    history = WorkflowHistory.from_json("golden", text)
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[GoldenChat], plugins=[plugin()]).replay_workflow(history)


@pytest.mark.server
async def test_a_turn_that_a_released_version_began_ends_today(agents: Agents) -> None:
    """The other way: what a released version gave to its next run is taken by a run of today."""
    (given,) = (
        recorded(run_of("handed-over", 2))
        .events[0]
        .workflow_execution_started_event_attributes.input.payloads
    )
    start = CONVERTER.from_payload(given, GoldenStart)
    model = ScriptedModel(answer)
    plugins = [plugin(lambda: model)]
    async with agents(workflows=[GoldenChat], activities=[weather], plugins=plugins) as env:
        handle = await env.start(GoldenChat.run, start, id=f"golden-{uuid.uuid4()}")
        chat = ConversationClient(env.client, handle.id)
        first = await chat.send("tools", id="m1")
        assert (first.turn, first.usage["model_calls"]) == (1, 6)
        assert (await chat.send("hello", id="m2")).turn == 2
        await chat.close()
        assert (await handle.result()).turns == 2
        await env.assert_replays(handle)
    assert len(model.calls) < 7, "the rest of the turn, and the other one"
