"""A worker tells a codec what a payload belongs to, and asks no workflow if no codec wants to know."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    ExternalStorage,
    PayloadCodec,
    SerializationContext,
    StorageDriver,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import Replayer, Worker
from temporalio.worker.workflow_sandbox._in_sandbox import InSandbox
from typing_extensions import Self, override

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._upstream.payload_contexts import wants_contexts
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

MINUTE = timedelta(seconds=60)

SEEN: list[str] = []
"""What the payloads that a codec encoded belong to."""


class Sealing(PayloadCodec):
    """Reverses the bytes."""

    label = "anything"

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        SEEN.append(self.label)
        return [
            Payload(
                metadata={"encoding": b"sealed", "for": self.label.encode()},
                data=payload.SerializeToString()[::-1],
            )
            for payload in payloads
        ]

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for payload in payloads:
            assert payload.metadata["for"] == self.label.encode()
        return [Payload.FromString(payload.data[::-1]) for payload in payloads]


class SealingForOne(Sealing, WithSerializationContext):
    """The same, and each payload can only be opened by what it was sealed for."""

    @override
    def with_context(self, context: SerializationContext) -> Self:
        mine = type(self)()
        if isinstance(context, ActivitySerializationContext):
            mine.label = f"{context.activity_type} of {context.workflow_id}"
        elif isinstance(context, WorkflowSerializationContext):
            mine.label = str(context.workflow_id)
        return mine


@activity.defn
async def price(item: str) -> int:
    """Look up a price."""
    return {"tea": 3}[item]


@workflow.defn
class Asks:
    @workflow.run
    async def run(self) -> str:
        tool = activity_as_tool(price, start_to_close_timeout=MINUTE)
        agent = TemporalAgent("scripted", tools=[tool], callback_handler=None)
        return str(await agent.invoke_async("What does tea cost?")).strip()


def answer(asked: ScriptedCall) -> Any:
    """Ask for the price, then say it."""
    if not asked.tool_results:
        return use_tool("price", {"item": "tea"})
    return say(f"It costs {asked.tool_results[-1]['content'][0].get('text')}")


async def _run(client: Client, worker_options: dict[str, Any], codec: PayloadCodec) -> str:
    """Run the workflow with a codec, and replay it."""
    plugins = [StrandsPlugin(models={"scripted": lambda: ScriptedModel(answer)})]
    converter = DataConverter(payload_codec=codec)
    own = Client(client.service_client, data_converter=converter, plugins=plugins)
    queue = f"contexts-{uuid.uuid4()}"
    async with Worker(own, task_queue=queue, workflows=[Asks], activities=[price], **worker_options):
        handle = await own.start_workflow(Asks.run, id=queue, task_queue=queue, execution_timeout=MINUTE)
        said = await handle.result()
    replayer = Replayer(workflows=[Asks], plugins=plugins, data_converter=converter)
    await replayer.replay_workflow(await handle.fetch_history())
    return said


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Temporal asks workflows in their sandboxes, about payloads."""
    asked: list[Any] = []
    for name in ("get_serialization_context", "get_external_store_context"):
        monkeypatch.setattr(InSandbox, name, _noting(asked, getattr(InSandbox, name)))
    return asked


def _noting(asked: list[Any], ask: Callable[..., Any]) -> Callable[..., Any]:
    def note(self: InSandbox, command_info: Any) -> Any:
        asked.append(command_info)
        return ask(self, command_info)

    return note


@pytest.mark.server
async def test_a_codec_that_wants_contexts_gets_them(
    client: Client, worker_options: dict[str, Any], asked: list[Any]
) -> None:
    SEEN.clear()
    assert await _run(client, worker_options, SealingForOne()) == "It costs 3"
    assert asked
    assert {label.split(" of ")[0] for label in SEEN if " of " in label} >= {"invoke_model", "price"}


@pytest.mark.server
async def test_without_such_a_codec_no_workflow_is_asked(
    client: Client, worker_options: dict[str, Any], asked: list[Any]
) -> None:
    SEEN.clear()
    assert await _run(client, worker_options, Sealing()) == "It costs 3"
    assert SEEN
    assert not asked


class _Driver(StorageDriver):
    """Stores nothing."""

    @override
    def name(self) -> str:
        return "none"

    @override
    async def store(self, context: Any, payloads: Any) -> Any: ...
    @override
    async def retrieve(self, context: Any, claims: Any) -> Any: ...


def test_a_storage_is_told_whose_payload_it_stores() -> None:
    storage = ExternalStorage(drivers=[_Driver()])
    assert wants_contexts(replace(DataConverter.default, external_storage=storage))
    assert not wants_contexts(DataConverter.default)
