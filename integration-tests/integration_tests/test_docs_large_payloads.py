"""docs/large-payloads.md: what external storage takes, what it costs, and what it leaves as it is."""

import asyncio
import uuid
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Replayer, Worker

from integration_tests.docs_code import module_of
from integration_tests.large_scenes import LargeCarryWorkflow, LargeWorkflow, count, text, write
from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server

KB, MB = 1_000, 1_000_000
BUCKET = "chat-payloads"
WORKFLOWS = [LargeWorkflow, LargeCarryWorkflow]


class Bucket:
    """A bucket of an S3 that runs in this process."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self._seen: set[str] = set()

    def new(self) -> list[bytes]:
        """Return what was stored since the last call."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        fresh = {entry["Key"] for entry in listed} - self._seen
        self._seen |= fresh
        return [self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in fresh]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Generator[Bucket]:
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield Bucket(s3)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return module_of("large-payloads.md", "s3_payloads", tmp_path, monkeypatch)


class Run:
    """A run of a workflow with a data converter: its outcome, its history, what it stored.

    Its worker has the workflow cache: without, it reads and writes more.
    """

    def __init__(self, client: Client, converter: DataConverter, bucket: Bucket) -> None:
        self._client, self._converter, self._bucket = client, converter, bucket
        self.objects: list[bytes] = []
        self.result: Any = None
        self.error: Any = None
        self.history = WorkflowHistory("", [])

    async def of(self, model: ScriptedModel, run: Any, *args: Any) -> "Run":
        plugins: list[Any] = [StrandsPlugin(models={"m": lambda: model})]
        own = Client(self._client.service_client, data_converter=self._converter, plugins=plugins)
        queue = f"large-{uuid.uuid4()}"
        async with Worker(own, task_queue=queue, workflows=WORKFLOWS, activities=[write, count]):
            handle = await own.start_workflow(run, args=args, id=queue, task_queue=queue)
            try:
                self.result = await asyncio.wait_for(handle.result(), 60)
            except WorkflowFailureError as error:
                self.error = error.cause
            self.history = await handle.fetch_history()
        self.objects = self._bucket.new()
        await self.replay()
        return self

    async def replay(self) -> None:
        replayer = Replayer(workflows=WORKFLOWS, plugins=[StrandsPlugin()], data_converter=self._converter)
        await replayer.replay_workflow(self.history)

    @property
    def kilobytes(self) -> float:
        return sum(event.ByteSize() for event in self.history.events) / KB


async def test_ten_large_answers(client: Client, page: Any, bucket: Bucket) -> None:
    converter = page.s3_data_converter(bucket.s3, BUCKET)

    def answers() -> ScriptedModel:
        return ScriptedModel(*[say(text(600 * KB + number)) for number in range(10)])

    stored = await Run(client, converter, bucket).of(answers(), LargeWorkflow.run, ["Go on"] * 10)
    assert stored.result == [str(600 * KB + number + 1) for number in range(10)]
    assert 5 < stored.kilobytes < 15
    assert len(stored.objects) == 10
    plain = replace(converter, external_storage=None)
    kept = await Run(client, plain, bucket).of(answers(), LargeWorkflow.run, ["Go on"] * 10)
    assert 6_000 < kept.kilobytes < 6_020


def repeat(call: ScriptedCall) -> Any:
    """Answer with the text that the model was given."""
    return say(call.text)


def megabytes(call: ScriptedCall) -> Any:
    """Answer with a letter for each megabyte of the text that the model was given."""
    return say("x" * (len(call.text) // MB))


@pytest.mark.parametrize(
    ("what", "objects", "kilobytes"),
    [("answer", 1, 3), ("result", 1, 5), ("input", 2, 5), ("prompt", 1, 3)],
)
async def test_values_above_the_servers_limit(
    client: Client,
    page: Any,
    bucket: Bucket,
    what: str,
    objects: int,
    kilobytes: int,
) -> None:
    large = text(3 * MB)
    steps: dict[str, list[Any]] = {
        "answer": [say(large)],
        "result": [use_tool("write", {"size": 3 * MB}), megabytes],
        "input": [use_tool("count", {"text": large}), repeat],
        "prompt": [megabytes],
    }
    prompts = [large if what == "prompt" else "Go on"]
    converter = page.s3_data_converter(bucket.s3, BUCKET)
    stored = await Run(client, converter, bucket).of(ScriptedModel(*steps[what]), LargeWorkflow.run, prompts)
    assert stored.result == [str(3 * MB + 1) if what == "answer" else "4"]
    assert stored.kilobytes < kilobytes
    assert len(stored.objects) == objects
    plain = Run(client, replace(converter, external_storage=None), bucket)
    if what == "prompt":
        with pytest.raises(RPCError, match="limit"):
            await plain.of(ScriptedModel(*steps[what]), LargeWorkflow.run, prompts)
        return
    await plain.of(ScriptedModel(*steps[what]), LargeWorkflow.run, prompts)
    if what == "result":  # the model reads a short error
        assert plain.result == ["0"]
    else:
        assert isinstance(plain.error, ApplicationError)
        assert plain.error.type == "ModelResultTooLarge"


async def test_the_default_threshold_stores_the_pages_of_queries(
    client: Client, page: Any, bucket: Bucket
) -> None:
    converter = page.s3_data_converter(bucket.s3, BUCKET)
    storage = replace(converter.external_storage, payload_size_threshold=256 * 1024)
    model = ScriptedModel(use_tool("write", {"size": 3 * MB}), say("k"))
    run = Run(client, replace(converter, external_storage=storage), bucket)
    await run.of(model, LargeWorkflow.run, ["Go on"])
    assert len(run.objects) == 6


@pytest.mark.parametrize("what", ["carry", "state"])
async def test_limits_that_stay(client: Client, page: Any, bucket: Bucket, what: str) -> None:
    run = Run(client, page.s3_data_converter(bucket.s3, BUCKET), bucket)
    if what == "carry":
        await run.of(ScriptedModel(say(text(3 * MB))), LargeCarryWorkflow.run, "Go on")
    else:
        await run.of(ScriptedModel(say("k")), LargeWorkflow.run, ["Go on"], 3 * MB)
    assert run.error.type == {"carry": "CarryTooLarge", "state": "ModelCallTooLarge"}[what]


async def test_with_encryption_the_store_has_encrypted_bytes(
    client: Client,
    page: Any,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encryption = module_of("encryption.md", "encryption", tmp_path, monkeypatch)
    monkeypatch.setenv("PAYLOAD_KEYS", "k:" + "A" * 43 + "=")
    converter = page.s3_data_converter(bucket.s3, BUCKET, encryption.encrypted_data_converter())
    run = await Run(client, converter, bucket).of(
        ScriptedModel(say("secret " * 100_000)), LargeWorkflow.run, ["Go on"]
    )
    assert run.result == ["700001"]
    (data,) = run.objects
    assert b"binary/encrypted" in data
    assert b"secret" not in data


class Unreliable:
    """A boto3 client whose next calls fail, as when the store is away."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.reads = 0
        self.failures = {"put_object": 0, "get_object": 0}

    def __getattr__(self, name: str) -> Any:
        if name == "get_object":
            self.reads += 1
        if self.failures.get(name):
            self.failures[name] -= 1
            raise ConnectionError("the store is away")
        return getattr(self._s3, name)


async def test_an_answer_that_cannot_be_stored_is_paid_for_again(
    client: Client, page: Any, bucket: Bucket
) -> None:
    store = Unreliable(bucket.s3)
    store.failures["put_object"] = 1
    model = ScriptedModel(*[say(text(600 * KB))] * 2)
    run = await Run(client, page.s3_data_converter(store, BUCKET), bucket).of(
        model, LargeWorkflow.run, ["Go on"]
    )
    assert run.result == ["600001"]
    assert len(model.calls) == 2


async def test_a_workflow_waits_for_its_store_and_a_replay_reads_again(
    client: Client, page: Any, bucket: Bucket
) -> None:
    store = Unreliable(bucket.s3)

    def answer(call: ScriptedCall) -> Any:
        store.failures["get_object"] = 1  # from here on, only the workflow reads
        return say(text(600 * KB))

    model = ScriptedModel(answer)
    run = await Run(client, page.s3_data_converter(store, BUCKET), bucket).of(
        model, LargeWorkflow.run, ["Go on"]
    )
    assert run.result == ["600001"]
    assert len(model.calls) == 1
    failed = [
        event for event in run.history.events if event.HasField("workflow_task_failed_event_attributes")
    ]
    assert len(failed) == 1
    store.reads = 0
    await run.replay()
    assert store.reads == 1


async def test_a_replayer_writes_the_inputs_of_activities(client: Client, page: Any, bucket: Bucket) -> None:
    model = ScriptedModel(use_tool("count", {"text": text(600 * KB)}), say("k"))
    await Run(client, page.s3_data_converter(bucket.s3, BUCKET), bucket).of(
        model, LargeWorkflow.run, ["Go on"]
    )
    assert len(bucket.new()) == 1
    keys = [entry["Key"] for entry in bucket.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert sum("/ns/ReplayNamespace/" in key for key in keys) == 1
