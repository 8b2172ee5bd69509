"""A turn that goes on in the next run of its workflow is the turn of a plain agent."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.hand_over_cases import CASES, look_up, looked_up
from packages.core.tests.workflow.hand_over_scenes import LongTurnWorkflow, Turn, asked_of, in_plain_strands
from temporalio.client import WorkflowHistoryEventFilterType

from strands_temporal.testing import AgentEnvironment

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def forget() -> None:
    looked_up.clear()


async def run_ids(env: AgentEnvironment, handle: Any) -> list[str]:
    """Return the runs of a workflow's chain, in order."""
    ids = [handle.first_execution_run_id]
    while True:
        last = None
        async for event in env.client.get_workflow_handle(handle.id, run_id=ids[-1]).fetch_history_events(
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT
        ):
            last = event
        assert last is not None
        next_ = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        if not next_:
            return ids
        ids.append(next_)


async def handed_over(env: AgentEnvironment, name: str) -> dict[str, Any]:
    handle = await env.start(LongTurnWorkflow.run, Turn(name))
    seen = await env.client.get_workflow_handle(handle.id).result()
    for run_id in await run_ids(env, handle):
        await env.assert_replays(env.client.get_workflow_handle(handle.id, run_id=run_id))
    return seen


async def test_forty_tool_calls_over_four_runs(agents: Agents) -> None:
    case, model = CASES["forty"], CASES["forty"].model()
    async with agents(
        workflows=[LongTurnWorkflow], activities=[look_up], models={"forty": lambda: model}
    ) as env:
        seen = await handed_over(env, "forty")
        usage = await env.client.get_workflow_handle(env.handles[-1].id).query("usage")
    plain, plain_model = await in_plain_strands(case)
    assert seen.pop("runs") == case.runs
    assert seen["messages"] == plain["messages"]
    assert seen == plain
    assert asked_of(model) == asked_of(plain_model)
    words = [f"w{number}" for number in range(40) if number % 4 != 3]
    assert [word for word, _ in looked_up] == words, "each is looked up once"
    assert len({key for _, key in looked_up}) == len(words), "each call has a key of its own"
    assert [usage["agents"]["main"][what] for what in ("turns", "tool_calls", "model_calls")] == [1, 40, 41]


QUICK = ["limit of tokens", "output when asked", "questions", "state"]
"""Cases that `make test` runs. `make test-all` runs all."""


@pytest.mark.parametrize(
    "names",
    [QUICK, pytest.param([name for name in CASES if name not in ("forty", *QUICK)], marks=pytest.mark.slow)],
    ids=["some", "the others"],
)
async def test_what_goes_on_in_the_next_run(agents: Agents, names: list[str]) -> None:
    played = {name: CASES[name].model() for name in names}
    factories: Any = {name: lambda name=name: played[name] for name in names}
    async with agents(workflows=[LongTurnWorkflow], activities=[look_up], models=factories) as env:
        seen = await asyncio.gather(*(handed_over(env, name) for name in names))
    differences: dict[str, Any] = {}
    for name, found in zip(names, seen, strict=True):
        plain, model = await in_plain_strands(CASES[name])
        expected = {**plain, "runs": CASES[name].runs, "asked": asked_of(model)}
        found["asked"] = asked_of(played[name])
        differences |= {
            f"{name}, {key}": [found[key], expected[key]] for key in expected if found[key] != expected[key]
        }
    assert differences == {}
