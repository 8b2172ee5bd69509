"""`strands-temporal doctor`, on a real server: each problem, and what to do about it."""

import asyncio
import json
import uuid
from datetime import timedelta
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Agents
from integration_tests.docs_code import own_server
from packages.core.tests.commands.commanding import Done, address_of, command
from packages.core.tests.commands.desk import Desk, activities, answer
from packages.core.tests.commands.secret_codec import CONVERTER, converter
from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal._commands._checks_chats import history_size, standing_still
from strands_temporal.testing import ScriptedModel

pytestmark = pytest.mark.server


def models() -> dict[str, Any]:
    return {"claude": lambda: ScriptedModel(answer)}


def findings(done: Done) -> dict[str, list[dict[str, Any]]]:
    """Return the findings of `--json`, by their subjects."""
    by_subject: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(done.out)["findings"]:
        by_subject.setdefault(finding["subject"], []).append(finding)
    return by_subject


def problems(done: Done) -> list[dict[str, Any]]:
    found = [each for group in findings(done).values() for each in group if each["level"] == "problem"]
    assert all(each["todo"] for each in found)
    return found


async def test_a_queue_with_workers_and_a_chat(agents: Agents, client: Client) -> None:
    async with agents(workflows=[Desk], activities=activities, models=models()) as env:
        handle = await env.start(Desk.run)
        await handle.execute_update("ask", "find A-7")
        done = await command(client, "doctor", "--task-queue", env.task_queue, "--json")
        found = findings(done)
        (server,) = found["server"]
        assert server["facts"]["address"] == client.service_client.config.target_host
        (limits,) = found["limits"]
        assert limits["facts"]["payload_bytes"] == 2 * 1024 * 1024
        polling = found[f"task queue {env.task_queue}"]
        assert [each["level"] for each in polling] == ["ok", "ok"]
        assert polling[0]["facts"]["pollers"] == [env.client.identity]
        (size,) = found[f"history of {handle.id}"]
        assert size["facts"]["events"] == (await handle.describe()).history_length
        assert found[f"values of {handle.id}"][0]["facts"]["bytes"] > 100
        assert found["converters"][0]["level"] == "ok"
        assert [each for each in problems(done) if env.task_queue in each["subject"]] == []
        nobody = f"nobody-{uuid.uuid4()}"
        empty = await command(client, "doctor", "--task-queue", nobody)
        assert empty.code == 1
        assert f"!   task queue {nobody}: nobody polls for workflows; 0 wait" in empty.out
        assert f'-> Start a worker with task_queue="{nobody}"' in empty.out
        await handle.terminate()


@pytest.mark.slow
async def test_a_call_that_fails_and_values_that_cannot_be_read(
    client: Client, worker_options: dict[str, Any]
) -> None:
    own = Client(client.service_client, plugins=[StrandsPlugin(models=models())], data_converter=converter)
    queue = f"secret-{uuid.uuid4()}"
    async with Worker(own, workflows=[Desk], activities=activities, task_queue=queue, **worker_options):
        handle = await own.start_workflow(Desk.run, id=f"secret-{uuid.uuid4()}", task_queue=queue)
        asked = asyncio.create_task(handle.execute_update(Desk.ask, "call C-3"))
        for _ in range(600):
            pending = (await handle.describe()).raw_description.pending_activities
            if any(each.attempt > 3 and each.HasField("last_failure") for each in pending):
                break
            await asyncio.sleep(0.05)  # nobody is told of an attempt
        done = await command(client, "doctor", "--task-queue", queue, "--json")
        assert done.code == 1
        texts = [f"{each['subject']}: {each['text']}" for each in problems(done)]
        assert any(text.startswith(f"workflow {handle.id}: keep_failing fails, attempt ") for text in texts)
        assert any("cannot read" in text and "binary/secret" in text for text in texts)
        read = await command(client, "doctor", "--task-queue", queue, "--json", "--data-converter", CONVERTER)
        assert findings(read)["converters"][0]["level"] == "ok"
        await handle.terminate()
        await asyncio.wait([asked])
        assert asked.exception() is not None


@pytest.mark.slow
async def test_workers_that_the_server_lists(client: Client, worker_options: dict[str, Any]) -> None:
    queue = f"listed-{uuid.uuid4()}"
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=1))
    own = await Client.connect(address_of(client), runtime=runtime, identity="with")
    plain = await Client.connect(address_of(client), runtime=runtime, identity="without")
    plugins = [StrandsPlugin(models=models())]
    options: dict[str, Any] = {"activities": activities, "task_queue": queue, **worker_options}
    async with Worker(own, workflows=[Desk], plugins=plugins, **options):
        done = await listed(client, queue, 1)
        (workers,) = findings(done)[f"workers of {queue}"]
        assert (workers["level"], workers["text"]) == ("ok", "with: strands_temporal.StrandsPlugin")
        (versions,) = findings(done)[f"versions on {queue}"]
        (worker,) = versions["facts"]["workers"]
        assert worker["packages"]["strands-temporal"] == version("strands-temporal")
        assert worker["models"] == ["claude"]
        async with Worker(plain, **options):
            done = await listed(client, queue, 2)
            (workers,) = findings(done)[f"workers of {queue}"]
            assert workers["level"] == "problem"
            assert "without: no plugin" in workers["text"]
            assert workers["todo"].startswith("Give StrandsPlugin to each worker of the queue")


async def listed(client: Client, queue: str, workers: int) -> Done:
    """Ask until the server lists so many workers."""
    found: dict[str, Any] = {}
    for _ in range(100):
        done = await command(client, "doctor", "--task-queue", queue, "--json")
        (found,) = findings(done)[f"workers of {queue}"]
        if len(found["facts"].get("workers", ())) == workers:
            return done
        await asyncio.sleep(0.2)  # until the next heartbeat
    raise AssertionError(found)


@pytest.mark.slow
async def test_the_search_attribute_that_approvals_need(
    client: Client, worker_options: dict[str, Any]
) -> None:
    async with own_server() as server:
        bare = await Client.connect(server.address)
        fine = await command(bare, "doctor", "--task-queue", "nobody", "--json")
        assert findings(fine)["search attributes"][0]["level"] == "ok"
        queue = f"asking-{uuid.uuid4()}"
        own = Client(bare.service_client, plugins=[StrandsPlugin(models=models()), NamedAsHITLPlugin()])
        async with Worker(own, workflows=[Desk], task_queue=queue, **worker_options):
            done = await command(bare, "doctor", "--task-queue", queue, "--json")
        (found,) = findings(done)["search attributes"]
        assert found["level"] == "problem"
        assert "temporal operator search-attribute create" in found["todo"]


class NamedAsHITLPlugin(SimplePlugin):
    """Has the name of the sibling's plugin, which would register the attribute itself."""

    def __init__(self) -> None:
        super().__init__("strands_temporal_hitl.HITLPlugin")


@pytest.mark.slow
async def test_servers_and_namespaces_that_are_not_there(client: Client) -> None:
    missing = await command(client, "--namespace", "no-such-namespace", "doctor")
    assert missing.code == 1
    assert "The server has no namespace 'no-such-namespace'" in missing.err
    nowhere = await command(client, "--address", "127.0.0.1:1", "doctor")
    assert (nowhere.code, "Cannot connect to Temporal at 127.0.0.1:1" in nowhere.err) == (1, True)


def test_what_a_large_history_and_a_failing_task_mean() -> None:
    """A history of 10 MiB takes a minute to make, so the server's description stands for it."""
    raw = DescribeWorkflowExecutionResponse(pending_workflow_task=PendingWorkflowTaskInfo(attempt=4))
    raw.workflow_execution_info.history_size_bytes = 20 * 1024 * 1024
    described: Any = SimpleNamespace(id="chat-1", workflow_type="Chat", history_length=9, raw_description=raw)
    size, (task,) = history_size(described), standing_still(described)
    assert (size.level, size.text) == ("problem", "20.0 MiB, 9 events (Chat)")
    assert size.todo is not None
    assert "40%" in size.todo
    assert (task.level, task.text) == ("problem", "its workflow task fails, attempt 4")
