"""Bytes keep their type with every converter, and a payload that is too large is refused with a reason."""

import asyncio
import base64
import contextlib
import re
import uuid
import zlib
from collections.abc import Sequence
from pprint import pformat
from typing import Any

import pytest
from strands import Agent
from temporalio import workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from strands_temporal import ModelCallTooLargeError, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal._errors import MODEL_CALL_TOO_LARGE
from strands_temporal._wire.model_call import MODEL_RESULT_TOO_LARGE, ModelCall, Transcript
from strands_temporal._wire.sizes import LARGEST_PAYLOAD
from strands_temporal._wire.transcripts import WHOLE_DIGITS
from strands_temporal.testing import Reply, ScriptedModel, say

pytestmark = pytest.mark.server

RAW = b"\x89PNG\r\n\x00\xff"
ASCII = b"plain ascii"
MIB = 1024 * 1024


class Scrambled(PayloadCodec):
    """Stands in for encryption: payloads are unreadable."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/scrambled"},
                data=bytes(b ^ 0x5A for b in p.SerializeToString()),
            )
            for p in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(bytes(b ^ 0x5A for b in p.data)) for p in payloads]


class Compressed(PayloadCodec):
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/zlib"}, data=zlib.compress(p.SerializeToString()))
            for p in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(zlib.decompress(p.data)) for p in payloads]


class OwnJSON(EncodingPayloadConverter):
    """A user's own converter: JSON in base85."""

    def __init__(self) -> None:
        self._json = JSONPlainPayloadConverter()

    @property
    def encoding(self) -> str:
        return "json/base85"

    def to_payload(self, value: Any) -> Payload | None:
        plain = self._json.to_payload(value)
        if plain is None:
            return None
        return Payload(metadata={"encoding": b"json/base85"}, data=base64.b85encode(plain.data))

    def from_payload(self, payload: Payload, type_hint: Any = None) -> Any:
        plain = Payload(metadata={"encoding": b"json/plain"}, data=base64.b85decode(payload.data))
        return self._json.from_payload(plain, type_hint)


class OwnConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(OwnJSON())


CONVERTERS: dict[str, DataConverter] = {
    "the plugin's": DataConverter.default,
    "pydantic": pydantic_data_converter,
    "encrypted": DataConverter(payload_codec=Scrambled()),
    "own": DataConverter(payload_converter_class=OwnConverter),
}

MEDIA: Any = [
    {"text": "look"},
    {"image": {"format": "png", "source": {"bytes": RAW}}},
    {"document": {"format": "txt", "name": "d", "source": {"bytes": ASCII}}},
    {"video": {"format": "mp4", "source": {"bytes": RAW * 3}}},
]
ANSWERED: Any = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"redactedContent": ASCII}}}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"redactedContent": RAW}}}},
    {"contentBlockStop": {}},
    {"contentBlockDelta": {"delta": {"text": "see "}}},
    {
        "contentBlockDelta": {
            "delta": {"citation": {"title": "d", "location": {"documentChar": {"start": 1}}}}
        }
    },
    {"contentBlockStop": {}},
    {"messageStop": {"stopReason": "end_turn"}},
)


async def converse(agent: Agent) -> Any:
    await agent.invoke_async(MEDIA)
    await agent.invoke_async("again")  # sends the model's own bytes back to it
    # pformat sorts keys, like the SDK's JSON converter.
    return [pformat(message["content"], width=1000) for message in agent.messages]


@workflow.defn
class BytesWorkflow:
    @workflow.run
    async def run(self) -> Any:
        return await converse(TemporalAgent("model", callback_handler=None))


async def run_with(
    client: Client,
    converter: DataConverter,
    model: ScriptedModel,
    options: dict[str, Any],
    workflow_class: Any,
    *args: Any,
) -> WorkflowHandle[Any, Any]:
    """Run a workflow on a client and a worker with this data converter, replay it, and return its handle."""
    plugins: list[Any] = [StrandsPlugin(models={"model": lambda: model})]
    own = Client(client.service_client, data_converter=converter, plugins=plugins)
    queue = f"payloads-{uuid.uuid4()}"
    async with Worker(own, task_queue=queue, workflows=[workflow_class], **options):
        handle = await own.start_workflow(workflow_class.run, args=args, id=queue, task_queue=queue)
        with contextlib.suppress(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 60)
    replayer = Replayer(workflows=[workflow_class], plugins=plugins, data_converter=converter)
    await replayer.replay_workflow(await handle.fetch_history())
    return handle


@pytest.mark.parametrize("name", CONVERTERS)
async def test_bytes_survive_both_ways_with_their_type(
    client: Client, worker_options: dict[str, Any], name: str
) -> None:
    plain_model, model = ScriptedModel(Reply(ANSWERED), say("ok")), ScriptedModel(Reply(ANSWERED), say("ok"))
    plain = await converse(Agent(plain_model, callback_handler=None))
    assert "b'plain ascii\\x89PNG" in plain[1]
    handle = await run_with(client, CONVERTERS[name], model, worker_options, BytesWorkflow)
    assert await handle.result() == plain
    assert [call.messages for call in model.calls] == [call.messages for call in plain_model.calls]


# --- Sizes


@workflow.defn
class BigCallWorkflow:
    @workflow.run
    async def run(self, size: int, char: str, catch: bool) -> Any:
        """Make a call whose payload has `size` bytes if each character takes one byte."""
        model = TemporalModel("model")
        state = {"big": ""}
        transcript = Transcript(1, WHOLE_DIGITS * "0", messages=[{"user": "go"}])
        call = ModelCall("model", transcript, invocation_state=state, facts=True)
        (payload,) = workflow.payload_converter().to_payloads([call.to_wire()])
        less = Payloads(payloads=[payload]).ByteSize()
        # Two length prefixes grow by two bytes each.
        state["big"] = char * (size - less - 4)
        agent = TemporalAgent(model, callback_handler=None)
        try:
            return len(str(await agent.invoke_async("go", invocation_state=state)))
        except ModelCallTooLargeError as error:
            if not catch:
                raise
            return error.message


async def scheduled(handle: WorkflowHandle[Any, Any]) -> list[int]:
    """Return the bytes of each activity's input."""
    history = await handle.fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.input.ByteSize()
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def test_the_largest_call_that_is_not_refused_passes_the_server(
    client: Client, worker_options: dict[str, Any]
) -> None:
    arguments = (DataConverter.default, ScriptedModel(say("ok")), worker_options, BigCallWorkflow)
    handle = await run_with(client, *arguments, LARGEST_PAYLOAD, "x", False)
    assert await handle.result() == 3
    (size,) = await scheduled(handle)
    assert size <= LARGEST_PAYLOAD  # large payloads go by query


async def test_a_call_that_is_too_large_ends_the_workflow_and_is_not_sent(
    client: Client, worker_options: dict[str, Any]
) -> None:
    arguments = (DataConverter.default, ScriptedModel(say("ok")), worker_options, BigCallWorkflow)
    handle = await run_with(client, *arguments, LARGEST_PAYLOAD + 100, "x", False)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert (await handle.describe()).status == WorkflowExecutionStatus.FAILED
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, await scheduled(handle)) == (MODEL_CALL_TOO_LARGE, [])
    assert re.fullmatch(
        r"TemporalModel\('model'\): a call of 2,0\d\d,\d{3} bytes is too large for Temporal, which takes "
        r"2,093,056. The conversation does not count.*",
        cause.message,
    )
    caught = await run_with(client, *arguments, LARGEST_PAYLOAD + 100, "x", True)
    assert await caught.result() == cause.message


async def test_a_call_is_measured_as_its_converter_writes_it(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """The SDK's default converter, in use when only the worker has the plugin, writes é as \\u00e9."""
    queue = f"escaped-{uuid.uuid4()}"
    plugins = [StrandsPlugin(models={"model": lambda: ScriptedModel(say("ok"), say("ok"))})]
    async with Worker(
        client, task_queue=queue, workflows=[BigCallWorkflow], plugins=plugins, **worker_options
    ):
        run = BigCallWorkflow.run
        fits: Any = await client.execute_workflow(
            run, args=[LARGEST_PAYLOAD // 7, "é", True], id=queue, task_queue=queue
        )
        does_not: Any = await client.execute_workflow(
            run, args=[LARGEST_PAYLOAD // 5, "é", True], id=f"{queue}-2", task_queue=queue
        )
    assert fits == 3
    assert "is too large for Temporal" in does_not


@workflow.defn
class BigAnswerWorkflow:
    @workflow.run
    async def run(self) -> int:
        return len(str(await TemporalAgent("model", callback_handler=None).invoke_async("go")))


async def test_a_result_that_is_too_large_is_a_typed_failure_and_not_paid_twice(
    client: Client, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(lambda call: say("x" * 2 * MIB))
    handle = await run_with(client, DataConverter.default, model, worker_options, BigAnswerWorkflow)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, len(model.calls)) == (MODEL_RESULT_TOO_LARGE, 1)
    assert re.match(
        r"The answer of model 'model' is too large for Temporal: 2,097,\d{3} bytes, at", cause.message
    )


@pytest.mark.parametrize("codec", [Compressed(), Scrambled()], ids=["compressed", "encrypted"])
async def test_a_result_is_measured_as_its_codec_leaves_it(
    client: Client, worker_options: dict[str, Any], codec: PayloadCodec
) -> None:
    model = ScriptedModel(lambda call: say("x" * 2 * MIB))
    converter = DataConverter(payload_codec=codec)
    handle = await run_with(client, converter, model, worker_options, BigAnswerWorkflow)
    assert len(model.calls) == 1
    if isinstance(codec, Compressed):
        assert await handle.result() == 2 * MIB + 1
    else:
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == MODEL_RESULT_TOO_LARGE
