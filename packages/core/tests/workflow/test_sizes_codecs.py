"""Size checks work with any codec. In a replay by another release or with another limit they do not
change."""

import asyncio
import base64
import re
import uuid
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from packages.core.tests.wire.size_scenes import KB, MB
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Replayer, Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


# --- Codecs ------------------------------------------------------------------------------------------------


class Codec(PayloadCodec):
    def __init__(self) -> None:
        self.ran = 0

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.ran += 1
        await asyncio.sleep(0.001)  # like a codec that asks a key service
        return [
            Payload(metadata={"encoding": b"own"}, data=self.write(p.SerializeToString())) for p in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(self.read(p.data)) for p in payloads]

    def write(self, data: bytes) -> bytes:
        return base64.b64encode(data)

    def read(self, data: bytes) -> bytes:
        return base64.b64decode(data)


class Compressing(Codec):
    def write(self, data: bytes) -> bytes:
        return zlib.compress(data, 1)

    def read(self, data: bytes) -> bytes:
        return zlib.decompress(data)


@activity.defn
async def take(text: str) -> str:
    """Take a text."""
    return str(len(text))


@workflow.defn
class TakeWorkflow:
    @workflow.run
    async def run(self, sizes: list[int]) -> list[str]:
        agent = TemporalAgent("m", tools=[activity_as_tool(take)], callback_handler=None)

        async def call(size: int) -> str:
            result = await agent.tool_async.take(text="x" * size, record_direct_tool_call=False)
            return result["content"][0].get("text", "")

        return list(await asyncio.gather(*map(call, sizes)))


async def run_and_replay(
    client: Client, converter: DataConverter, options: dict[str, Any], workflow_class: Any, *args: Any
) -> Any:
    """Run a workflow on a client with this data converter, replay it, and return its result."""
    plugins: list[Any] = [StrandsPlugin(models={"m": lambda: ScriptedModel()})]
    own = Client(client.service_client, data_converter=converter, plugins=plugins)
    queue = f"sizes-{uuid.uuid4()}"
    async with Worker(own, task_queue=queue, workflows=[workflow_class], activities=[take], **options):
        handle = await own.start_workflow(workflow_class.run, args=args, id=queue, task_queue=queue)
        result = await asyncio.wait_for(handle.result(), 60)
    replayer = Replayer(workflows=[workflow_class], plugins=plugins, data_converter=converter)
    await replayer.replay_workflow(await handle.fetch_history())
    return result


async def test_a_codec_that_grows_payloads_counts(client: Client, worker_options: dict[str, Any]) -> None:
    codec = Codec()
    sizes = [1_400 * KB, 1_800 * KB, 1_500 * KB, *[400 * KB] * 8]
    fits, too_large, also, *many = await run_and_replay(
        client, DataConverter(payload_codec=codec), worker_options, TakeWorkflow, sizes
    )
    assert (fits, also, many) == ("1400000", "1500000", ["400000"] * 8)
    assert re.search(
        r"Activity 'take': an input of 1,800,\d{3} bytes is too large for Temporal: the client's payload "
        "codec makes more of it than the 2,093,056 that fit",
        too_large,
    )


async def test_a_codec_that_compresses_may_make_it_fit(
    client: Client, worker_options: dict[str, Any]
) -> None:
    converter = DataConverter(payload_codec=Compressing())
    assert await run_and_replay(client, converter, worker_options, TakeWorkflow, [3 * MB]) == ["3000000"]


async def test_a_codec_that_does_not_answer_in_time_is_taken_for_base64(
    client: Client, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strands_temporal._workflow.gate.CODEC_SECONDS", 0)
    converter = DataConverter(payload_codec=Codec())
    fits, too_large = await run_and_replay(
        client, converter, worker_options, TakeWorkflow, [1_500 * KB, 1_700 * KB]
    )
    assert fits == "1500000"
    assert "the client's payload codec makes more of it" in too_large


class Slow(Codec):
    """Slow for large payloads, like a key service under load."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if sum(len(payload.data) for payload in payloads) > 500 * KB:
            await asyncio.sleep(self.seconds)
        return await super().encode(payloads)


@pytest.mark.sample(1)
@pytest.mark.parametrize("seconds", [0.3, 1.2], ids=["slow", "too-slow"])
async def test_a_workflow_does_not_wait_for_its_codec_until_temporal_takes_it_for_blocked(
    client: Client, worker_options: dict[str, Any], seconds: float
) -> None:
    """Five inputs at once. For each of them alone the codec would answer in time, or nearly so.

    Without the cache temporalio encodes the inputs of earlier workflow tasks again in each one. All of them
    together must stay far below the ten seconds of a workflow task.
    """
    converter = DataConverter(payload_codec=Slow(seconds))
    sizes = [720 * KB] * 5
    assert await run_and_replay(client, converter, worker_options, TakeWorkflow, sizes) == ["720000"] * 5


async def test_small_inputs_do_not_ask_the_codec(client: Client, worker_options: dict[str, Any]) -> None:
    codec = Codec()
    await run_and_replay(client, DataConverter(payload_codec=codec), worker_options, TakeWorkflow, [10])
    small = codec.ran
    codec.ran = 0
    await run_and_replay(client, DataConverter(payload_codec=codec), worker_options, TakeWorkflow, [MB])
    assert codec.ran == small + 1


# --- Replays by other releases, converters and limits ------------------------------------------------------


async def recorded(client: Client, options: dict[str, Any], sizes: list[int], **more: Any) -> Any:
    plugins: list[Any] = [StrandsPlugin(models={"m": lambda: ScriptedModel()})]
    own = Client(client.service_client, plugins=plugins, **more)
    queue = f"sizes-{uuid.uuid4()}"
    async with Worker(own, task_queue=queue, workflows=[TakeWorkflow], activities=[take], **options):
        handle = await own.start_workflow(TakeWorkflow.run, sizes, id=queue, task_queue=queue)
        await asyncio.wait_for(handle.result(), 60)
    return await handle.fetch_history()


async def replays(history: Any, converter: DataConverter = pydantic_data_converter) -> None:
    replayer = Replayer(workflows=[TakeWorkflow], plugins=[StrandsPlugin()], data_converter=converter)
    await replayer.replay_workflow(history)


async def test_a_history_from_before_the_gate_replays(
    client: Client, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("strands_temporal._workflow.gate.TASK_BYTES", 10**9)
        before.setattr("strands_temporal._workflow.gate.LARGEST_PAYLOAD", 10**9)
        history = await recorded(client, worker_options, [450 * KB] * 8)
    await replays(history)
    # The second case: a payload that a codec made small enough in the run, but that would be refused now.
    history = await recorded(
        client, worker_options, [3 * MB], data_converter=DataConverter(payload_codec=Compressing())
    )
    await replays(history, DataConverter(payload_codec=Compressing()))


@pytest.mark.parametrize("later", [10 * KB, 10**9], ids=["smaller", "larger"])
async def test_other_limits_and_measures_change_nothing_in_a_run_that_goes_on(
    client: Client, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    sizes = [3 * MB, 10, 3 * MB, *[800 * KB] * 7]
    history = await recorded(client, worker_options, sizes)
    await replays(history)
    monkeypatch.setattr("strands_temporal._workflow.gate.LARGEST_PAYLOAD", later)
    monkeypatch.setattr("strands_temporal._workflow.gate.TASK_BYTES", later)
    monkeypatch.setattr("strands_temporal._workflow.gate.json_size", len)
    await replays(history)
