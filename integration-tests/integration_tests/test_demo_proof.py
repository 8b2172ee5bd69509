"""What the demo claims of a history: no claim without its proof. And its agents replay."""

import json
from typing import Any

import pytest
from conftest import Agents
from examples.demo import agents as demo_agents
from examples.demo.proof import Proof
from examples.demo.stage import NotShownError, Worker
from examples.demo.story import APPROVAL_QUESTION, TOOL_QUESTION
from examples.support.scripted import scripted_model
from temporalio.api.history.v1 import HistoryEvent

from strands_temporal import AgentDefinition, ConversationClient, StrandsPlugin
from strands_temporal_streaming import StreamingPlugin

FIRST, SECOND = "dev-worker-1:101@host", "dev-worker-2:202@host"


def call(event: int, worker: str, *, turn: int, attempts: int = 1) -> dict[str, Any]:
    return {
        "kind": "model",
        "status": "completed",
        "event": event,
        "worker": worker,
        "turn": turn,
        "attempts": attempts,
    }


def turn(number: int, prompt: str) -> dict[str, Any]:
    return {"kind": "turn", "turn": number, "prompt": prompt}


EARLIER = [turn(1, "Hello"), call(6, FIRST, turn=1)]
KILLED = [turn(2, "A story"), call(17, SECOND, turn=2, attempts=2)]


def claims(*steps: dict[str, Any]) -> list[str]:
    event = HistoryEvent(event_id=20)
    event.activity_task_started_event_attributes.scheduled_event_id = 17
    event.activity_task_started_event_attributes.last_failure.message = "silence"
    proof = Proof(json.dumps({"runs": [{"steps": list(steps)}]}), [event])
    return list(proof.of_the_kill(12, "A story", Worker.of(FIRST), Worker.of(SECOND)))


def test_what_the_history_shows_is_claimed() -> None:
    assert claims(*EARLIER, *KILLED) == [
        "1 model calls were completed before the kill, all by worker-1 (pid 101): none was made again.",
        "The interrupted one ran as attempt 2 on worker-2 (pid 202); attempt 1 had ended with 'silence'.",
    ]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([*EARLIER], "no completed model call for 'A story'"),
        ([*KILLED], "no completed model call for 'A story'"),
        ([*EARLIER, turn(2, "Another"), KILLED[1]], "no completed model call for 'A story'"),
        ([turn(1, "Hello"), call(6, SECOND, turn=1), *KILLED], "call of event 6 was made again"),
        ([*EARLIER, KILLED[0], call(17, SECOND, turn=2)], "is attempt 1 on worker-2 .* was not retried"),
        (
            [*EARLIER, KILLED[0], call(17, FIRST, turn=2, attempts=2)],
            "is attempt 2 on worker-1 .* not retried",
        ),
    ],
)
def test_what_it_does_not_show_is_not_claimed(steps: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(NotShownError, match=said):
        claims(*steps)


@pytest.mark.server
async def test_the_agent_with_tools_asks_a_person_and_replays(agents: Agents) -> None:
    plugins = [
        StrandsPlugin(
            models={demo_agents.MODEL: scripted_model},
            agents={"helper": AgentDefinition(demo_agents.helper, approvals=False)},
        ),
        StreamingPlugin(),
    ]
    activities = [demo_agents.current_time, demo_agents.delete_thing]
    async with agents(workflows=[], activities=activities, plugins=plugins) as env:
        chat = await ConversationClient.start(
            env.client,
            "helper",
            id=env.task_queue,
            task_queue=env.task_queue,
            arguments={"live": False},
        )
        [question] = (await chat.send(APPROVAL_QUESTION)).interrupts
        assert "delete_thing" in str(question["reason"])
        answers = [{"interruptResponse": {"interruptId": question["id"], "response": "n"}}]
        assert "deleted" not in (await chat.send(answers)).text
        assert (await chat.send(TOOL_QUESTION)).text.startswith("[scripted] 3; 20")
        await chat.close()
        await chat.handle.result()
        await env.assert_replays(chat.handle)
