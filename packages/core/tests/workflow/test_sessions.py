"""Sessions on a `TemporalStorage`: restored before the first turn, saved as recorded steps, never twice."""

import pytest
from conftest import Agents
from packages.core.tests.workflow.session_scenes import (
    AskingSessionWorkflow,
    CarriedSessionWorkflow,
    SessionInInitWorkflow,
    SessionWorkflow,
    ask_once,
    count,
)
from packages.core.tests.workflow.storage_scenes import CountingStorage
from strands import Agent
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage

from strands_temporal.testing import ScriptedModel

pytestmark = pytest.mark.server

LATEST = "session/s/scopes/agent/a/snapshots/snapshot_latest.json"


@pytest.mark.parametrize(
    ("kind", "cache"), [("durable", 1000), ("durable", 0), ("plain", 0), ("storage", 1000)]
)
async def test_each_run_goes_on_where_the_last_one_ended(agents: Agents, kind: str, cache: int) -> None:
    storage = CountingStorage()
    async with agents(
        workflows=[SessionWorkflow, SessionInInitWorkflow],
        models={"m": lambda: ScriptedModel(count)},
        storages={"sessions": lambda: storage},
        max_cached_workflows=cache,
    ) as env:
        assert await env.run(SessionWorkflow.run, kind, "one") == "1: one, one"
        assert await env.run(SessionInInitWorkflow.run, kind, "two") == "3: one, two"
        if kind != "plain":
            assert await env.run(SessionInInitWorkflow.run, kind, "ready?") == "4"
    plain = Agent(
        ScriptedModel(count),
        agent_id="a",
        session_manager=SnapshotSessionManager("s", storage=storage),
        callback_handler=None,
    )
    assert str(await plain.invoke_async("three")).strip() == "5: one, three"
    once = [f"read {LATEST}", f"write {LATEST}"]
    ready = [] if kind == "plain" else [f"read {LATEST}"]
    assert storage.operations == [*once, *once, *ready, *once]


@pytest.mark.parametrize(("kind", "cache"), [("durable", 0), ("plain", 1000)])
async def test_a_question_is_answered_in_another_run(agents: Agents, kind: str, cache: int) -> None:
    storage = InMemoryStorage()
    async with agents(
        workflows=[AskingSessionWorkflow],
        models={"m": lambda: ScriptedModel(ask_once)},
        storages={"sessions": lambda: storage},
        max_cached_workflows=cache,
    ) as env:
        answers = await env.run(AskingSessionWorkflow.run, kind, None)
        assert await env.run(AskingSessionWorkflow.run, kind, answers) == "they say because"
        assert await env.run(AskingSessionWorkflow.run, kind, "no answer") == "no answer"


async def test_a_carry_goes_before_a_session_unless_no_turn_was_taken(agents: Agents) -> None:
    storage = CountingStorage()
    async with agents(
        workflows=[CarriedSessionWorkflow],
        models={"m": lambda: ScriptedModel(count)},
        storages={"sessions": lambda: storage},
    ) as env:
        assert await env.run(CarriedSessionWorkflow.run, None, ["one"], []) == ["1: one, one"]
        said = await env.run(CarriedSessionWorkflow.run, None, ["", "two", "three"], [])
    assert said == ["3: one, two", "5: one, three"]
    assert [operation.split()[0] for operation in storage.operations] == [
        *("read", "write"),  # the first run
        *("read", "write", "write"),  # nothing in the second; a restore in the third, none in the fourth
    ]
