"""The contract that all five plugins pass: alone, stacked in any order, on client, worker and both."""

import asyncio
import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psutil
import pytest
from strands import tool
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    PayloadCodec,
)
from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor, Replayer, UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from integration_tests.plain_workflow import NoAgentWorkflow, WaitingWorkflow, greet
from strands_temporal import ComposablePlugin, StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, assert_replays, say, use_tool
from strands_temporal_hitl import HITLPlugin
from strands_temporal_mcp import MCPPlugin
from strands_temporal_otel import OTelPlugin
from strands_temporal_streaming import StreamingPlugin

pytestmark = pytest.mark.server

SIBLINGS: tuple[Callable[[], ComposablePlugin], ...] = (MCPPlugin, StreamingPlugin, OTelPlugin, HITLPlugin)


def model() -> ScriptedModel:
    return ScriptedModel(
        use_tool("letter_counter", {"word": "contract", "letter": "c"}), lambda call: say(call.text)
    )


def strands_plugin() -> ComposablePlugin:
    return StrandsPlugin(models={"scripted": model})


ALL: tuple[Callable[[], ComposablePlugin], ...] = (strands_plugin, *SIBLINGS)
ORDERS = [ALL, ALL[::-1], (*SIBLINGS[:2], strands_plugin, *SIBLINGS[2:]), (*ALL[3:], *ALL[:3])]


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter in a word."""
    return word.count(letter)


@workflow.defn
class AgentWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(
            await TemporalAgent("scripted", tools=[letter_counter], callback_handler=None).invoke_async("go")
        )


async def run_stacked(
    client: Client,
    workflow_class: Any,
    args: Sequence[Any],
    *,
    on_client: Sequence[Any] = (),
    on_worker: Sequence[Any] = (),
    **worker_options: Any,
) -> Any:
    """Run one workflow with these plugins, replay it with the same plugins, and return its result."""
    connected = Client(client.service_client, plugins=list(on_client))
    queue = f"contract-{uuid.uuid4()}"
    workflows = [workflow_class]
    worker = Worker(
        connected,
        task_queue=queue,
        workflows=workflows,
        activities=[greet],
        plugins=list(on_worker),
        **worker_options,
    )
    async with worker:
        handle = await connected.start_workflow(workflow_class.run, args=args, id=queue, task_queue=queue)
        result = await handle.result()
    await assert_replays(handle, workflows, plugins=[*on_client, *on_worker])
    return result


def test_names_are_unique_and_classes_their_own() -> None:
    plugins = [make() for make in ALL]
    assert len({plugin.name() for plugin in plugins}) == len(plugins)
    assert len({type(plugin) for plugin in plugins}) == len(plugins)
    assert all(plugin.name().endswith(type(plugin).__name__) for plugin in plugins)


@pytest.mark.parametrize("order", ORDERS, ids=["forward", "backward", "core in the middle", "rotated"])
@pytest.mark.parametrize("place", ["client", "worker", "both"])
async def test_all_five_stacked(
    client: Client, order: Any, place: str, worker_options: dict[str, Any]
) -> None:
    plugins = [make() for make in order]
    on_client = plugins if place in ("client", "both") else []
    on_worker = plugins if place in ("worker", "both") else []
    result = await run_stacked(
        client, AgentWorkflow, [], on_client=on_client, on_worker=on_worker, **worker_options
    )
    assert result == "2\n"


async def test_split_over_client_and_worker(client: Client, worker_options: dict[str, Any]) -> None:
    for cut in range(1, len(ALL)):
        plugins = [make() for make in ALL]
        result = await run_stacked(
            client, AgentWorkflow, [], on_client=plugins[:cut], on_worker=plugins[cut:], **worker_options
        )
        assert result == "2\n"


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("place", ["client", "worker", "both"])
async def test_each_alone_leaves_other_workflows_and_the_process_as_they_were(
    client: Client, make: Callable[[], ComposablePlugin], place: str, worker_options: dict[str, Any]
) -> None:
    plugin = make()
    on_client = [plugin] if place in ("client", "both") else []
    on_worker = [plugin] if place in ("worker", "both") else []

    async def once(on_client: Sequence[Any], on_worker: Sequence[Any]) -> None:
        result = await run_stacked(
            client, NoAgentWorkflow, ["you"], on_client=on_client, on_worker=on_worker, **worker_options
        )
        assert result == "Hello, you"

    await once([], [])  # not counted: what Temporal's worker itself leaves behind
    before = left_over()
    await once(on_client, on_worker)
    await wait_until(lambda: not left_over() - before)  # Temporal's thread pools need a moment to end
    assert left_over() - before == Counter()


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
async def test_each_alone_tears_down_what_its_worker_leaves(
    client: Client, make: Callable[[], ComposablePlugin]
) -> None:
    """Otherwise the garbage collector closes the coroutines, inside whatever workflow is running."""
    WaitingWorkflow.ended_in.clear()
    queue = f"contract-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[WaitingWorkflow], plugins=[make()]):
        handle = await client.start_workflow(WaitingWorkflow.run, id=queue, task_queue=queue)
        assert await handle.query(WaitingWorkflow.waits)
    assert WaitingWorkflow.ended_in == [queue]
    await assert_replays(handle, [WaitingWorkflow], plugins=[make()])
    assert WaitingWorkflow.ended_in == [queue, queue]
    await handle.terminate()


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, ten seconds at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)


def left_over() -> "Counter[str]":
    """Return what can outlive a worker in this process: tasks, threads, children, listening sockets."""
    process = psutil.Process()
    found = ["task" for _ in asyncio.all_tasks()]
    found += [f"thread {thread.name.rstrip('0123456789_-')}" for thread in threading.enumerate()]
    found += [f"child {child.pid}" for child in process.children(recursive=True)]
    found += [f"port {c.laddr}" for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    return Counter(found)


class Rot13(PayloadCodec):
    """A codec that must stay in use."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"test/coded"}, data=p.SerializeToString()[::-1]) for p in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(p.data[::-1]) for p in payloads]


class OwnPayloadConverter(DefaultPayloadConverter):
    """The user's own payload converter."""


class OwnInterceptor(Interceptor):
    """The user's own interceptor."""


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
async def test_what_the_user_set_stays(client: Client, make: Callable[[], ComposablePlugin]) -> None:
    converter = replace(
        DataConverter.default,
        payload_converter_class=OwnPayloadConverter,
        payload_codec=Rot13(),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    interceptor = OwnInterceptor()
    connected = Client(client.service_client, data_converter=converter, plugins=[make()])
    kept = connected.config(active_config=True)["data_converter"]
    assert kept.payload_converter_class is OwnPayloadConverter
    assert kept.payload_codec is converter.payload_codec
    assert issubclass(kept.failure_converter_class, DefaultFailureConverterWithEncodedAttributes)

    runner = SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("mine")
    )
    worker = Worker(
        connected,
        task_queue=str(uuid.uuid4()),
        workflows=[NoAgentWorkflow],
        activities=[greet],
        interceptors=[interceptor],
        workflow_runner=runner,
        workflow_failure_exception_types=[LookupError],
    )
    config: Any = worker.config(active_config=True)
    assert greet in config["activities"]
    assert interceptor in config["interceptors"]
    assert LookupError in config["workflow_failure_exception_types"]
    assert Exception not in config["workflow_failure_exception_types"]
    passed = config["workflow_runner"].restrictions.passthrough_modules
    assert "mine" in passed
    # Every test module imports it, and the sandbox would load it again for each workflow.
    assert {"pytest", "_pytest"} <= passed


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
async def test_an_unsandboxed_runner_stays(client: Client, make: Callable[[], ComposablePlugin]) -> None:
    runner = UnsandboxedWorkflowRunner()
    worker = Worker(
        client,
        task_queue=str(uuid.uuid4()),
        workflows=[NoAgentWorkflow],
        activities=[greet],
        workflow_runner=runner,
        plugins=[make()],
    )
    config: Any = worker.config(active_config=True)
    assert isinstance(config["workflow_runner"], UnsandboxedWorkflowRunner)


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
async def test_twice_changes_nothing(client: Client, make: Callable[[], ComposablePlugin]) -> None:
    plugin = make()

    def configured(*plugins: ComposablePlugin) -> Any:
        worker = Worker(
            Client(client.service_client, plugins=list(plugins[:1])),
            task_queue=str(uuid.uuid4()),
            workflows=[NoAgentWorkflow],
            activities=[greet],
            plugins=list(plugins[1:]),
        )
        config: Any = worker.config(active_config=True)
        return [
            len(config[key]) for key in ("activities", "interceptors", "workflow_failure_exception_types")
        ]

    assert configured(plugin) == configured(plugin, plugin)
    replayers: list[Any] = [
        Replayer(workflows=[NoAgentWorkflow], plugins=plugins).config(active_config=True)
        for plugins in ([plugin], [plugin, plugin])
    ]
    assert len(replayers[0]["interceptors"]) == len(replayers[1]["interceptors"])


async def test_pydantic_only_where_the_default_was_left(client: Client) -> None:
    connected = Client(client.service_client, plugins=[StrandsPlugin()])
    converter = connected.config(active_config=True)["data_converter"].payload_converter_class
    assert issubclass(converter, PydanticPayloadConverter)


class OpenAIAgentsPlugin(SimplePlugin):
    """Changes the client's payload converter as temporalio's plugin of that name does."""

    def __init__(self) -> None:
        super().__init__("OpenAIAgentsPlugin", data_converter=self._converter)

    def _converter(self, converter: DataConverter | None) -> DataConverter:
        converter = converter or DataConverter.default
        if converter.payload_converter_class not in (DefaultPayloadConverter, OwnPayloadConverter):
            raise ValueError("The payload converter must be of type OpenAIPayloadConverter.")
        return replace(converter, payload_converter_class=OwnPayloadConverter)


async def test_a_plugin_that_brings_a_converter_stands_before_or_after(client: Client) -> None:
    for plugins in ([StrandsPlugin(), OpenAIAgentsPlugin()], [OpenAIAgentsPlugin(), StrandsPlugin()]):
        connected = Client(client.service_client, plugins=plugins)
        converter = connected.config(active_config=True)["data_converter"]
        assert converter.payload_converter_class is OwnPayloadConverter
        assert converter.failure_converter_class.__name__ == "StrandsFailureConverter"


async def test_an_agent_works_with_the_users_own_converter_and_codec(
    client: Client, worker_options: dict[str, Any]
) -> None:
    for converter_class in (OwnPayloadConverter, DefaultPayloadConverter):
        converter = replace(
            DataConverter.default, payload_converter_class=converter_class, payload_codec=Rot13()
        )
        coded = Client(client.service_client, data_converter=converter, plugins=[strands_plugin()])
        queue = f"coded-{uuid.uuid4()}"
        async with Worker(coded, task_queue=queue, workflows=[AgentWorkflow], **worker_options):
            assert await coded.execute_workflow(AgentWorkflow.run, id=queue, task_queue=queue) == "2\n"


def test_every_sibling_is_in_the_contract() -> None:
    assert len(list(itertools.chain(ALL))) == 5
