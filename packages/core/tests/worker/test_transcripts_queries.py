"""Workers' queries to workflows and their cost, and the cost of a conversation in history."""

import asyncio
import itertools
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from conftest import Agents, pause, require_pauses, unpause
from packages.core.tests.transcript_runs import (
    SOON,
    Asked,
    Runs,
    Watch,
    answered,
    assert_same,
    plainly,
    sent,
    told,
)
from packages.core.tests.transcript_scenes import Plan, Taken, Talk, noise
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowQueryRejectedError
from temporalio.exceptions import ApplicationError
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from strands_temporal import TemporalAgent
from strands_temporal._wire.model_call import TRANSCRIPT_QUERY, TRANSCRIPT_UNAVAILABLE, Transcript
from strands_temporal._worker.transcripts import KeptTranscripts, put_together
from strands_temporal.testing import DevServer, ScriptedCall, ScriptedModel, assert_replays, say

pytestmark = pytest.mark.server

LARGE = 70_000
"""Characters of a text that is too large to go with a call, so that the worker asks for it."""

PLAN = Plan("one", [f"steps=1 size=500 pad={LARGE} a", "b"])


@pytest.fixture
def runs(client: Client, worker_options: dict[str, Any]) -> Runs:
    return Runs(client, worker_options)


async def test_a_query_of_the_users_by_that_name_ends_the_run_and_says_so(agents: Agents) -> None:
    model = ScriptedModel(say("never"))
    async with agents(workflows=[Taken], models={"model": lambda: model}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(Taken.run)
    assert isinstance(error.value.cause, ApplicationError)
    assert error.value.cause.type == "AgentValueError"
    assert f"{TRANSCRIPT_QUERY!r}" in error.value.cause.message
    assert not model.calls


# --- Queries that fail or take long

FAILURES: dict[str, Exception] = {
    "unavailable": RPCError("no", RPCStatusCode.UNAVAILABLE, b""),
    "exhausted": RPCError("no", RPCStatusCode.RESOURCE_EXHAUSTED, b""),
    "the codec's": OSError("the codec server is down"),
    "the converter's": ValueError("not what it was"),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("how", FAILURES)
async def test_a_query_that_fails_harms_nobody(runs: Runs, how: str) -> None:
    failures = iter([FAILURES[how]] * 2)

    async def fail(asked: Asked) -> None:
        for error in failures:
            raise error

    async with runs.worker(Watch(fail), cache=0) as watch:
        await runs.check(await runs.start(PLAN), PLAN)
    assert len(watch.failed) == 2
    attempts = [asked.attempt for asked in watch.asked if asked.call == 1]
    assert attempts == ([1, 2, 3] if how.startswith("the ") else [1, 1, 1])  # new attempts, or new queries


async def test_a_call_of_a_paused_workflow_asks_until_it_goes_on(runs: Runs) -> None:
    """The server refuses queries to a paused workflow."""
    await require_pauses(runs.client)

    async def pause_at_first(asked: Asked) -> None:
        if asked.call == 1 and not watch.failed:
            await pause(runs.client, handle.id)
        elif asked.call == 1 and len(watch.failed) == 2:
            await unpause(runs.client, handle.id)

    async with runs.worker(Watch(pause_at_first), cache=0) as watch:
        handle = await runs.start(PLAN)
        await runs.check(handle, PLAN)
    assert len(watch.failed) == 2
    assert [asked.attempt for asked in watch.asked if asked.call == 1] == [1, 1, 1]


class Deaf:
    """A client whose queries all fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_workflow_handle(self, workflow_id: str, run_id: str) -> "Deaf":
        return self

    async def query(self, name: str, **options: Any) -> str:
        raise self.error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RPCError("no", RPCStatusCode.UNAVAILABLE, b""), "no"),
        # The error of temporalio 1.35 for a paused workflow, and the error it should raise.
        (ValueError("8 is not a valid WorkflowExecutionStatus"), "the workflow is paused, and .*"),
        (WorkflowQueryRejectedError(None), "the workflow is paused, and .*"),
    ],
)
async def test_an_attempt_gives_up_and_says_why(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    monkeypatch.setattr("strands_temporal._worker.transcript_queries.ASK_FOR", timedelta(seconds=1))
    environment = ActivityEnvironment(client=cast("Client", Deaf(error)))
    environment.info = replace(environment.info, attempt=1000)
    with pytest.raises(ApplicationError, match=rf"did not answer.* {why}\. The call is retried") as failure:
        await environment.run(KeptTranscripts(0).resolve, Transcript(call=1, digest=""))
    assert failure.value.type == TRANSCRIPT_UNAVAILABLE
    assert failure.value.next_retry_delay == timedelta(seconds=60)
    assert not failure.value.non_retryable


async def test_a_slow_query_holds_up_no_workflow(runs: Runs) -> None:
    plan, asking, go_on = Plan("one", PLAN.prompts, gated=True), asyncio.Event(), asyncio.Event()

    async def hold(asked: Asked) -> None:
        asking.set()
        await go_on.wait()

    async with runs.worker(Watch(hold)):
        handle = await runs.start(plan)
        await handle.signal(Talk.release, 1)
        await asyncio.wait_for(asking.wait(), SOON)
        await handle.signal(Talk.release, 100)
        assert not await asyncio.wait_for(handle.query(Talk.over), SOON)
        go_on.set()
        await runs.check(handle, plan)


@pytest.mark.parametrize("number", [15, pytest.param(200, marks=pytest.mark.slow)])
async def test_many_workflows_miss_at_once(runs: Runs, number: int) -> None:
    plans = [Plan("one", ["answer=3000 a", "b"], gated=True, tag=f" of {i}") for i in range(number)]
    async with runs.worker():
        handles = [await runs.start(plan) for plan in plans]
        await asyncio.gather(*(handle.execute_update(Talk.advance) for handle in handles))
    async with runs.worker() as watch:
        await asyncio.gather(*(handle.signal(Talk.release, 1) for handle in handles))
        await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), SOON)
    given = told(runs.model.calls)
    assert len(given) == 2 * number
    for plan in plans:
        assert_same(given, (await plainly(plan))[0])
    for handle in handles[:: number // 5]:
        await assert_replays(handle, [Talk])
    assert len(set(watch.asked)) == 1
    print(watch)  # noqa: T201


# --- Conversations that change in a replay

stamps = itertools.count(1)
"""A clock other than the workflow's. Each replay reads other times."""


@workflow.defn
class Stamped:
    @workflow.run
    async def run(self, turns: int, pad: int) -> int:
        stamp = f"at {next(stamps)}"
        agent = TemporalAgent("m", callback_handler=None)
        for turn in range(turns):
            await agent.invoke_async(f"{stamp} turn {turn} {noise(turn, pad)}")
        return len(agent.messages)


def stamp_of(call: ScriptedCall) -> int:
    """Return the single stamp of a call's prompts, after checking the model's whole input."""
    texts = [message["content"][0].get("text", "") for message in call.messages]
    prompts = [re.match(r"at (\d+) turn (\d+) ", text) for text in texts[::2]]
    assert [int(prompt[2]) for prompt in prompts if prompt] == list(range(len(prompts)))
    assert texts[1::2] == [f"answer {n}" for n in range(len(prompts) - 1)]
    (stamp,) = {int(prompt[1]) for prompt in prompts if prompt}
    return stamp


def count(buffer: MetricBuffer, name: str) -> int:
    return sum(int(update.value) for update in buffer.retrieve_updates() if update.metric.name == name)


@pytest.mark.parametrize("pad", [10, LARGE, 400_000])
async def test_content_that_differs_after_a_replay_is_the_workflows_and_whole(
    server: DevServer, runs: Runs, pad: int
) -> None:
    buffer = MetricBuffer(100_000)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer))
    client = await Client.connect(server.address, runtime=runtime)
    model = ScriptedModel(lambda call: say(f"answer {len(call.messages) // 2}"))
    options: Any = {"max_cached_workflows": 0, "workflow_runner": UnsandboxedWorkflowRunner()}
    async with runs.worker(model=model, client=client, workflows=[Stamped], **options) as watch:
        handle = await client.start_workflow(
            Stamped.run, args=[4, pad], id=f"{runs.queue}-stamped", task_queue=runs.queue
        )
        assert await asyncio.wait_for(handle.result(), SOON) == 8
    await assert_replays(handle, [Stamped])
    given = [stamp_of(call) for call in model.calls]
    assert given == sorted(set(given))
    print(watch, given)  # noqa: T201
    assert count(buffer, "strands_temporal_transcript_differences") >= 3


# --- The cost of a conversation in history


@pytest.mark.sample(1)
@pytest.mark.parametrize(("window", "cache"), [(None, None), (10, None), (None, 0)])
async def test_a_turn_costs_the_same_however_long_the_conversation(
    runs: Runs, window: int | None, cache: int | None
) -> None:
    plan = Plan("one", [f"steps=1 size=3000 answer=5000 {i:02}" for i in range(12)], window=window)
    async with runs.worker(cache=cache) as watch:
        history = await runs.check(await runs.start(plan), plan)
    inputs = sent(history)
    assert len(inputs) == 24
    alike = 8 if window else 2  # once the window drops messages, which is told in words
    prompts, results = inputs[alike::2], inputs[alike + 1 :: 2]
    assert max(prompts) - min(prompts) < 40
    assert max(prompts) < 400  # the prompt without the previous answer
    assert max(results) < 3000 + 400
    assert max(results) - min(results) < 40
    print(f"bytes of a turn: {prompts[-1]} + {results[-1]}, history {history_size(history)}; {watch}")  # noqa: T201


def history_size(history: Any) -> int:
    return sum(event.ByteSize() for event in history.events)


async def test_large_answers_cost_themselves(runs: Runs) -> None:
    plan = Plan("one", [f"answer={256 * 1024} {i:02}" for i in range(8)])
    async with runs.worker() as watch:
        history = await runs.check(await runs.start(plan), plan)
    assert not watch.asked  # a worker keeps its own answers
    assert history_size(history) < 1.02 * answered(history)
    assert answered(history) < 1.02 * 8 * 256 * 1024


@pytest.mark.parametrize("cache", [None, 0])
@pytest.mark.parametrize("steps", [5, pytest.param(100, marks=pytest.mark.slow)])
async def test_many_tool_calls_in_one_turn_on_a_long_conversation(
    runs: Runs, steps: int, cache: int | None
) -> None:
    if cache == 0:  # each call replays all calls before it; a few prove the same
        steps = min(steps, 40)
    plan = Plan("fetching", [f"steps={steps} size=5000 pad=800000 a"])
    async with runs.worker(cache=cache) as watch:
        history = await runs.check(await runs.start(plan), plan)
    assert len(runs.model.calls) == steps + 1
    assert history_size(history) < 1_000_000 + 10_000 * steps
    print(history_size(history), max(sent(history)), watch)  # noqa: T201


def test_a_frame_that_is_nested_too_deeply_is_notput_together() -> None:
    """The workflow is asked for it, as for all that is damaged."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    frame: Any = {"system_blocks": [{"text": deep}]}
    assert put_together(None, Transcript(call=1, digest="d" * 16, messages=[], frame=frame)) is None
