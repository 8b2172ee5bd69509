"""docs/scaling.md: task queues, limits, priority and fairness, on a dev server."""

import asyncio
import inspect
import re
import uuid
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import Priority
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.exceptions import TimeoutType
from temporalio.worker import Worker

from integration_tests.doc_blocks import ROOT
from integration_tests.docs_code import commands_of, module_of, own_server, temporal
from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import DevServer, ScriptedCall, ScriptedModel, assert_replays, say, use_tool

pytestmark = pytest.mark.server

SETTINGS = (
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    "matching.enableFairness=true",
)


@pytest.fixture(scope="module")
async def fair_server() -> AsyncGenerator[DevServer]:
    """A server with fairness, and with an exact order."""
    async with own_server(*SETTINGS) as server:
        yield server


@workflow.defn
class AskWorkflow:
    @workflow.run
    async def run(self, prompt: str, options: dict[str, Any]) -> str:
        if "priority_key" in options:
            options["priority"] = Priority(priority_key=options.pop("priority_key"))
        if "schedule_to_start" in options:
            options["schedule_to_start_timeout"] = timedelta(seconds=options.pop("schedule_to_start"))
        agent = TemporalAgent("m", callback_handler=None, **options)
        return str(await agent.invoke_async(prompt)).strip()


class Asking:
    """Workflows whose model calls wait in a queue until a worker for them starts.

    Attributes:
        order: The prompts, in the order in which the model got them.
    """

    def __init__(self, client: Client, step: Any = None) -> None:
        self.order: list[str] = []
        self.models, self.chats = f"models-{uuid.uuid4()}", f"chats-{uuid.uuid4()}"
        model = ScriptedModel(*[step or self._note] * 100)
        plugin = StrandsPlugin(models={"m": lambda: model})
        self.client = Client(client.service_client, plugins=[plugin])
        self._handles: list[WorkflowHandle[Any, Any]] = []

    def _note(self, call: ScriptedCall) -> Any:
        self.order.append(call.text)
        return say("ok")

    def workflows(self) -> Worker:
        return Worker(self.client, task_queue=self.chats, workflows=[AskWorkflow])

    def model_worker(self, **options: Any) -> Worker:
        return Worker(self.client, task_queue=self.models, **options)

    async def start(
        self, prompt: str, times: int = 1, priority: Priority = Priority.default, **options: Any
    ) -> None:
        for _ in range(times):
            handle = await self.client.start_workflow(
                AskWorkflow.run,
                args=[prompt, {"task_queue": self.models, **options}],
                id=f"ask-{uuid.uuid4()}",
                task_queue=self.chats,
                priority=priority,
            )
            self._handles.append(handle)

    async def waiting(self) -> None:
        """Wait until all calls wait in the queue."""
        for handle in self._handles:
            for _ in range(300):
                if (await handle.describe()).raw_description.pending_activities:
                    break
                await asyncio.sleep(0.05)  # nobody is told of it

    async def results(self) -> None:
        for handle in self._handles:
            assert await asyncio.wait_for(handle.result(), 60) == "ok"

    async def seconds(self) -> float:
        """Return the seconds between the starts of the first and the last call, as the server noted them."""
        starts = [
            event.event_time.ToMicroseconds()
            for handle in self._handles
            for event in (await handle.fetch_history()).events
            if event.HasField("activity_task_started_event_attributes")
        ]
        return (max(starts) - min(starts)) / 1e6


@pytest.fixture
async def asking(fair_server: DevServer) -> Asking:
    return Asking(await Client.connect(fair_server.address))


async def test_the_worker_with_a_limit_of_memory_is_made_with_its_cache(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("scaling.md", "bounded", tmp_path, monkeypatch)
    bound = page.bounded(client)
    running = asyncio.create_task(bound.run())
    await asyncio.sleep(0)  # it makes its worker at once
    config = bound.worker.config()
    assert config["max_cached_workflows"] == bound.max_cached_workflows == 5_000
    await bound.shutdown()
    await asyncio.wait_for(running, 60)


async def test_models_and_tools_on_task_queues_of_their_own(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("scaling.md", "scaled", tmp_path, monkeypatch)
    model = ScriptedModel(use_tool("look_up", {"topic": "sky"}), lambda call: say(call.text))
    monkeypatch.setattr(page, "claude", lambda: model)
    own = Client(client.service_client)
    async with page.workflow_worker(own) as chats, page.model_worker(own), page.tool_worker(own):
        handle = await own.start_workflow(
            page.ResearchWorkflow.run, "Sky?", id=f"research-{uuid.uuid4()}", task_queue="chats"
        )
        assert await asyncio.wait_for(handle.result(), 60) == "sky is blue\n"
        history = await handle.fetch_history()
        assert chats.task_queue == "chats"
    scheduled = [
        (event.activity_task_scheduled_event_attributes.activity_type.name, queue)
        for event in history.events
        if (queue := event.activity_task_scheduled_event_attributes.task_queue.name)
    ]
    assert scheduled == [
        ("list_hosted_tools", "tools"),
        ("invoke_model", "models"),
        ("invoke_tool", "tools"),
        ("invoke_model", "models"),
    ]
    await assert_replays(history, [page.ResearchWorkflow])


async def test_a_call_that_no_worker_takes_ends_at_its_time_out(asking: Asking) -> None:
    async with asking.workflows():
        handle = await asking.client.start_workflow(
            AskWorkflow.run,
            args=["Hello?", {"task_queue": "nobody", "schedule_to_start": 1}],
            id=f"ask-{uuid.uuid4()}",
            task_queue=asking.chats,
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), 60)
    cause = failed.value.cause
    while cause is not None and not isinstance(cause, TemporalTimeoutError):
        cause = cause.__cause__
    assert isinstance(cause, TemporalTimeoutError)
    assert cause.type is TimeoutType.SCHEDULE_TO_START


async def test_a_worker_runs_as_many_calls_at_once_as_it_has_slots(fair_server: DevServer) -> None:
    busy = most = 0

    async def hold(call: ScriptedCall) -> Any:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(100):  # a busy worker starts the next call late
            await asyncio.sleep(0.01)
            if most > 1:
                break
        for _ in range(20):  # a third one may start meanwhile
            await asyncio.sleep(0)
        busy -= 1
        return say("ok")

    asking = Asking(await Client.connect(fair_server.address), hold)
    async with asking.workflows():
        await asking.start("Hello?", 8)
        await asking.waiting()
        async with asking.model_worker(max_concurrent_activities=2):
            await asking.results()
    assert most == 2


async def test_the_tuner_of_the_page_gives_slots(
    asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("scaling.md", "tuned", tmp_path, monkeypatch)
    async with asking.workflows(), asking.model_worker(tuner=page.tuner):
        await asking.start("Hello?", 8)
        await asking.results()


def test_the_defaults_that_the_page_names() -> None:
    parameters = inspect.signature(Worker).parameters
    assert parameters["max_cached_workflows"].default == 1000
    assert "Defaults to fixed-size 100 slots" in (Worker.__init__.__doc__ or "")


# --- Limits -----------------------------------------------------------------------------------------------


async def test_a_task_queue_gives_out_as_many_calls_a_second_as_its_workers_say(asking: Asking) -> None:
    async with asking.workflows(), asking.model_worker(max_task_queue_activities_per_second=2):
        await asking.start("Hello?", 8)
        await asking.results()
    assert await asking.seconds() > 1.5  # without a limit, it is as fast as the machine


async def test_the_limit_of_the_command_line(asking: Asking, fair_server: DevServer) -> None:
    commands = commands_of("scaling.md")
    assert len(commands) == 2
    async with asking.workflows(), asking.model_worker():
        for command in commands:
            await command.run(fair_server.address, {"models": asking.models})
        await asking.start("Hello?", 8)
        await asking.results()
    assert await asking.seconds() > 1.5


async def test_a_limit_for_each_tenant(asking: Asking, fair_server: DevServer) -> None:
    (option,) = re.findall(r"(--fairness-key-rps-limit-default) 1`", (ROOT / "docs/scaling.md").read_text())
    queue = ["--task-queue", asking.models, "--task-queue-type", "activity"]
    async with asking.workflows(), asking.model_worker():
        await temporal(fair_server.address, "task-queue", "config", "set", *queue, option, "1")
        for _ in range(4):
            for tenant in "AB":
                await asking.start(tenant, priority=Priority(fairness_key=tenant))
        await asking.results()
    assert await asking.seconds() > 1.0


# --- Order ------------------------------------------------------------------------------------------------


async def test_the_first_priority_goes_first(asking: Asking) -> None:
    async with asking.workflows():
        await asking.start("low", 4, priority_key=5)
        await asking.waiting()
        await asking.start("inherited", 1, priority=Priority(priority_key=1))
        await asking.start("high", 1, priority_key=1)
        await asking.waiting()
        async with asking.model_worker(max_concurrent_activities=1):
            await asking.results()
    assert sorted(asking.order[:2]) == ["high", "inherited"]
    assert asking.order[2:] == ["low"] * 4


async def order_of(asking: Asking, of_a: int, of_b: int) -> str:
    """Return the order in which the calls of two tenants are made, of which the second comes later."""
    async with asking.workflows():
        for tenant, calls in (("A", of_a), ("B", of_b)):
            await asking.start(tenant, calls, priority=Priority(fairness_key=tenant))
            await asking.waiting()
        async with asking.model_worker(max_concurrent_activities=1):
            await asking.results()
    return "".join(asking.order)


async def test_a_fairness_key_shares_the_queue_between_tenants(asking: Asking) -> None:
    assert await order_of(asking, 30, 3) == "ABABAB" + "A" * 27


async def test_without_the_servers_setting_a_fairness_key_does_nothing(server: DevServer) -> None:
    asking = Asking(await Client.connect(server.address))
    assert await order_of(asking, 8, 2) == "AAAAAAAABB"


async def test_a_handles_priority_keeps_the_tenant(
    fair_server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("scaling.md", "tenants", tmp_path, monkeypatch)
    model = ScriptedModel(say("blue"), say("filed"))
    client = await Client.connect(
        fair_server.address, plugins=[StrandsPlugin(models={"claude": lambda: model})]
    )
    async with (
        Worker(client, task_queue="chats", workflows=[page.TenantWorkflow]),
        Worker(client, task_queue="models"),
    ):
        handle = await page.ask(client, f"tenant-{uuid.uuid4()}", "Sky?")
        assert await asyncio.wait_for(handle.result(), 60) == "blue\n"
    events = (await handle.fetch_history()).events
    started = events[0].workflow_execution_started_event_attributes.priority
    first, second = (
        event.activity_task_scheduled_event_attributes.priority
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    )
    assert (started.priority_key, started.fairness_key[:6]) == (3, "tenant")
    assert not first.ByteSize()  # inherits all
    assert (second.priority_key, second.fairness_key) == (5, "")  # inherits the key
