"""An activity on a task queue that no worker polls: the log of the workflow's worker says so."""

import asyncio
import logging
import uuid

import pytest
from temporalio import activity, workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import TemporalAgent
from strands_temporal._wire.waiting_activity import WaitingActivity
from strands_temporal._worker import queue_watch
from strands_temporal._workflow.current_details import METADATA_QUERY
from strands_temporal.testing import ScriptedModel, agent_environment, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

CACHED = pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "evicted"])


@activity.defn
async def weigh(name: str) -> str:
    """Weigh a thing."""
    return f"{name} weighs 3 kg"


@workflow.defn
class Elsewhere:
    @workflow.run
    async def run(self, task_queue: str) -> str:
        tools = [activity_as_tool(weigh, task_queue=task_queue)]
        return str(await TemporalAgent("m", tools=tools, callback_handler=None).invoke_async("go"))


async def until_it_warns(caplog: pytest.LogCaptureFixture) -> str:
    for _ in range(300):
        for record in caplog.records:
            if record.name == queue_watch.__name__ and record.levelno == logging.WARNING:
                return record.getMessage()
        await asyncio.sleep(0.1)
    raise AssertionError("no warning")


@CACHED
async def test_a_queue_without_a_worker_is_named_and_the_run_goes_on_when_one_comes(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    monkeypatch.setattr(queue_watch, "NO_WORKER_AFTER", 0.2)
    model = ScriptedModel(use_tool("weigh", {"name": "it"}), say("done"))
    queue = f"scales-{uuid.uuid4()}"
    async with agent_environment(
        client, workflows=[Elsewhere], models={"m": lambda: model}, max_cached_workflows=cached
    ) as env:
        handle = await env.start(Elsewhere.run, queue)
        said = await until_it_warns(caplog)
        details = (await handle.query(METADATA_QUERY, result_type=WorkflowMetadata)).current_details
        assert f"**no worker polls the task queue '{queue}'**: weigh waits for one [ST203:" in details
        async with Worker(env.client, task_queue=queue, activities=[weigh]):
            assert await handle.result() == "done\n"
        assert (
            "ST203" not in (await handle.query(METADATA_QUERY, result_type=WorkflowMetadata)).current_details
        )
        await env.assert_replays(handle)
    assert said == (
        f"task_queue=<{queue}>, activity=<weigh>, workflow_id=<{handle.id}>, waiting=<1> | no worker polls "
        "this task queue, and activities wait for one. Start a worker there, or correct task_queue= "
        "[ST203: docs/messages.md#st203]"
    )


@CACHED
async def test_a_queue_with_a_worker_is_not_named(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, cached: int
) -> None:
    looked = asyncio.Event()

    is_polled = queue_watch.is_polled

    async def look(client: Client, task_queue: str) -> bool:
        polled = await is_polled(client, task_queue)
        looked.set()
        return polled

    monkeypatch.setattr(queue_watch, "is_polled", look)
    monkeypatch.setattr(queue_watch, "NO_WORKER_AFTER", 0.2)

    @activity.defn(name="weigh")
    async def slow(name: str) -> str:
        await asyncio.wait_for(looked.wait(), 30)
        return "3 kg"

    model = ScriptedModel(use_tool("weigh", {"name": "it"}), say("done"))
    queue = f"scales-{uuid.uuid4()}"
    async with (
        agent_environment(
            client, workflows=[Elsewhere], models={"m": lambda: model}, max_cached_workflows=cached
        ) as env,
        Worker(env.client, task_queue=queue, activities=[slow]),
    ):
        assert await env.run(Elsewhere.run, queue) == "done\n"
    assert not [record for record in caplog.records if record.name == queue_watch.__name__]


async def test_a_hundred_activities_on_one_queue_make_one_warning_which_ends_with_the_worker(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_watch, "NO_WORKER_AFTER", 0.1)
    looks: list[str] = []

    async def look(client: Client, task_queue: str) -> bool:
        looks.append(task_queue)
        return False

    async def runs(client: Client, activity: WaitingActivity) -> bool:
        return True

    monkeypatch.setattr(queue_watch, "is_polled", look)
    monkeypatch.setattr(queue_watch, "_runs", runs)
    watch = queue_watch.QueueWatch()
    watch.use_loop(asyncio.get_running_loop())
    waiting = [WaitingActivity("weigh", "scales", f"w{number}", "r", 1) for number in range(100)]
    for activity_ in waiting:
        watch.begin(client, activity_)
        watch.begin(client, activity_)
    assert "waiting=<100>" in await until_it_warns(caplog)
    assert watch.has_warned(waiting[0])
    assert looks == ["scales"]
    watch.clear()
    seen = len(looks)
    await asyncio.sleep(0.3)  # three looks, were it still watching
    assert len(looks) == seen
    assert len([record for record in caplog.records if record.name == queue_watch.__name__]) == 1
