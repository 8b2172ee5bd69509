"""Strands' checkpoints: the agent pauses between the steps of a turn, also for continue-as-new."""

from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

looked_up: list[str] = []


@activity.defn
async def look_up(word: str) -> str:
    """Look a word up."""
    looked_up.append(word)
    return f"{word} is a word"


@tool(name="look_up")
async def plain_look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a word"


def script() -> ScriptedModel:
    return ScriptedModel(
        use_tool("look_up", {"word": "one"}, tool_use_id="t1"),
        use_tool("look_up", {"word": "two"}, tool_use_id="t2"),
        say("both are words"),
    )


def noted(agent: Agent, result: Any) -> Any:
    """Return what a call ended with, and the conversation so far."""
    at = result.checkpoint and [result.checkpoint.position, result.checkpoint.cycle_index]
    messages = [[message["role"], message["content"]] for message in agent.messages]
    return [result.stop_reason, at, str(result).strip() if at is None else None, messages]


def resume(checkpoint: dict[str, Any]) -> Any:
    return {"checkpointResume": {"checkpoint": checkpoint}}


@dataclass
class Turn:
    """A turn, or the rest of one that an earlier run began."""

    over_runs: bool
    seen: list[Any]
    checkpoint: dict[str, Any] | None = None
    carry: AgentCarry | None = None


@workflow.defn
class CheckpointedWorkflow:
    @workflow.run
    async def run(self, turn: Turn) -> list[Any]:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(look_up)],
            checkpointing=True,
            callback_handler=None,
            carry=turn.carry,
        )
        task: Any = resume(turn.checkpoint) if turn.checkpoint else "go"
        while True:
            result = await agent.invoke_async(task)
            turn.seen.append(noted(agent, result))
            if result.stop_reason != "checkpoint":
                return turn.seen
            assert result.checkpoint is not None
            stored = result.checkpoint.to_dict()
            if turn.over_runs:
                workflow.continue_as_new(Turn(True, turn.seen, stored, agent.carry()))
            task = resume(stored)


async def in_plain_strands() -> list[Any]:
    agent = Agent(script(), tools=[plain_look_up], checkpointing=True, callback_handler=None)
    seen: list[Any] = []
    task: Any = "go"
    while True:
        result = await agent.invoke_async(task)
        seen.append(noted(agent, result))
        if result.checkpoint is None:
            return seen
        task = resume(result.checkpoint.to_dict())


@pytest.mark.parametrize("over_runs", [False, True], ids=["in one run", "each step in a run of its own"])
async def test_it_pauses_and_goes_on_as_in_a_plain_agent(agents: Agents, over_runs: bool) -> None:
    looked_up.clear()
    model = script()
    async with agents(
        workflows=[CheckpointedWorkflow], activities=[look_up], models={"m": lambda: model}
    ) as env:
        handle = await env.start(CheckpointedWorkflow.run, Turn(over_runs, []))
        seen = await env.client.get_workflow_handle(handle.id).result()
        await env.assert_replays(handle)  # the first run
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    assert seen == await in_plain_strands()
    positions = [at for _, at, _, _ in seen]
    assert positions == [["after_model", 0], ["after_tools", 0], ["after_model", 1], ["after_tools", 1], None]
    assert looked_up == ["one", "two"], "each tool is called once"
    assert len(model.calls) == 3, "each answer is asked for once"


@workflow.defn
class WrongResumeWorkflow:
    @workflow.run
    async def run(self, way: str) -> None:
        agent = TemporalAgent("m", checkpointing=way != "off", callback_handler=None)
        wrong = {"schema_version": "0.1", "position": "after_model", "cycle_index": 0}
        prompt: Any = {"checkpointResume": {}} if way == "empty" else resume(wrong)
        await agent.invoke_async(prompt)


@pytest.mark.parametrize(
    ("way", "type_", "words"),
    [
        ("version", "CheckpointException", "schema version '0.1'"),
        ("off", "ValueError", "Pass checkpointing=True"),
        ("empty", "KeyError", "missing required key in checkpointResume"),
    ],
)
async def test_a_wrong_checkpoint_ends_the_run(agents: Agents, way: str, type_: str, words: str) -> None:
    async with agents(workflows=[WrongResumeWorkflow], models={"m": lambda: ScriptedModel("hello")}) as env:
        handle = await env.start(WrongResumeWorkflow.run, way)
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        await env.assert_replays(handle)
    cause: Any = caught.value.cause
    assert [cause.type, words in str(cause.message)] == [type_, True], cause
