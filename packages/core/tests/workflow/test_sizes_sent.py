"""What a workflow with agents sends by itself, through any codec, and the same at each replay."""

import asyncio
import base64
import contextlib
import re
import uuid
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from strands.hooks import BeforeInvocationEvent
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import ApplicationError, ChildWorkflowError
from temporalio.worker import Replayer, Worker

from strands_temporal import PayloadTooLargeError, StrandsPlugin, TemporalAgent
from strands_temporal._errors import PAYLOAD_TOO_LARGE
from strands_temporal._workflow.activity_hook import activity_as_hook
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import ToolContext
from strands_temporal.testing import ScriptedModel, say

pytestmark = pytest.mark.server

KB, MB = 1_000, 1_000_000


def failure_of(error: BaseException) -> ApplicationError:
    assert isinstance(error.__cause__, ApplicationError)
    return error.__cause__


# --- Codecs ------------------------------------------------------------------------------------------------


class Codec(PayloadCodec):
    def __init__(self) -> None:
        self.ran = 0

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.ran += 1
        await asyncio.sleep(0.001)  # as one that asks a key service
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
    """Takes its time for what is large, as a key service that is under load."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if sum(len(payload.data) for payload in payloads) > 500 * KB:
            await asyncio.sleep(self.seconds)
        return await super().encode(payloads)


@pytest.mark.parametrize("seconds", [0.3, 1.2], ids=["slow", "too-slow"])
async def test_a_workflow_does_not_wait_for_its_codec_until_temporal_takes_it_for_blocked(
    client: Client, worker_options: dict[str, Any], seconds: float
) -> None:
    """Eight inputs at once: for each of them alone the codec answers soon enough, or nearly so."""
    converter = DataConverter(payload_codec=Slow(seconds))
    sizes = [720 * KB] * 8
    assert await run_and_replay(client, converter, worker_options, TakeWorkflow, sizes) == ["720000"] * 8


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
    # And what a codec let pass then, and no codec would now.
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


# --- What a workflow sends by itself -----------------------------------------------------------------------


@workflow.defn
class SendingWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("m", callback_handler=None)
        self.done = False

    @workflow.run
    async def run(self, what: str, text: str = "") -> Any:
        await self.agent.invoke_async("go")
        large = "x" * 3 * MB
        if what == "result":
            return large
        if what == "continue":
            workflow.continue_as_new(args=["nothing", large])
        if what == "caught":
            with contextlib.suppress(PayloadTooLargeError):
                workflow.continue_as_new(args=["nothing", large])
            return "caught"
        if what == "child":
            return await workflow.execute_child_workflow(SendingWorkflow.run, args=["nothing", large])
        if what == "child's result":
            return await workflow.execute_child_workflow(SendingWorkflow.run, "result")
        if what == "child's signal":
            child = await workflow.start_child_workflow(SendingWorkflow.run, "update")
            await child.signal("any", large)
        if what == "signal":
            await workflow.get_external_workflow_handle("nobody").signal("any", large)
        if what == "update":
            await workflow.wait_condition(lambda: self.done)
        return what

    @workflow.update
    async def say(self, size: int) -> str:
        self.done = size < MB
        return "x" * size


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("result", "The workflow's result of 3,000,0"),
        ("continue", "continue_as_new: an input of 3,000,0"),
        ("child", "Child workflow 'SendingWorkflow': an input of 3,000,0"),
        ("signal", "Signal 'any': an input of 3,000,0"),
        ("child's signal", "Signal 'any': an input of 3,000,0"),
    ],
)
async def test_what_a_workflow_with_agents_sends_too_large_fails_it_with_a_reason(
    agents: Agents, what: str, message: str
) -> None:
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: ScriptedModel(say("ok"))}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(SendingWorkflow.run, what)
        assert failure_of(error.value).type == PAYLOAD_TOO_LARGE
        assert failure_of(error.value).message.startswith(message)


async def test_a_childs_result_that_is_too_large_fails_the_child_and_its_parent_sees_why(
    agents: Agents,
) -> None:
    model = ScriptedModel(say("ok"), say("ok"))
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: model}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(SendingWorkflow.run, "child's result")
        child = error.value.cause
        assert isinstance(child, ChildWorkflowError)
        assert isinstance(child.cause, ApplicationError)
        assert child.cause.type == PAYLOAD_TOO_LARGE


async def test_a_workflow_may_catch_what_it_cannot_continue_with(agents: Agents) -> None:
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: ScriptedModel(say("ok"))}) as env:
        assert await env.run(SendingWorkflow.run, "caught") == "caught"


async def test_an_updates_result_that_is_too_large_fails_the_update_alone(agents: Agents) -> None:
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: ScriptedModel(say("ok"))}) as env:
        handle = await env.start(SendingWorkflow.run, "update")
        with pytest.raises(WorkflowUpdateFailedError) as error:
            await handle.execute_update(SendingWorkflow.say, 3 * MB)
        assert failure_of(error.value).message.startswith("The result of update 'say' of 3,000,0")
        assert len(await handle.execute_update(SendingWorkflow.say, 10)) == 10
        assert await handle.result() == "update"
        await env.assert_replays(handle)


# --- Failures ----------------------------------------------------------------------------------------------


class OwnError(Exception):
    pass


def raises(kind: str, size: int) -> None:
    text = "x" * size
    if kind == "own":
        raise OwnError(text)
    if kind == "value":
        raise ValueError(text)
    if kind == "application":
        raise ApplicationError(text, type="Own", non_retryable=True)
    if kind == "details":
        raise ApplicationError("short", text, type="Own", non_retryable=True)
    if kind == "cause":
        raise OwnError("short") from ValueError(text)


calls: list[str] = []


@activity.defn
async def fails(kind: str, size: int) -> str:
    """Fail."""
    calls.append(kind)
    raises(kind, size)
    return ""


@activity.defn
async def asks(size: int, tool_context: ToolContext) -> str:
    """Ask."""
    calls.append("asks")
    return str(tool_context.interrupt("sure", reason="y" * size))


@tool
async def fails_here(kind: str, size: int) -> str:
    """Fail."""
    raises(kind, size)
    return ""


@workflow.defn
class FailingWorkflow:
    @workflow.run
    async def run(self, where: str, kind: str, size: int) -> str:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(fails), activity_as_tool(asks), fails_here],
            callback_handler=None,
        )
        if where == "hook":

            def hook(event: BeforeInvocationEvent) -> None:
                raises(kind, size)

            agent.add_hook(hook, BeforeInvocationEvent)
        if where == "activity hook":

            def what(event: BeforeInvocationEvent) -> list[Any]:
                return [kind, size]

            agent.add_hook(activity_as_hook(fails_as_hook, activity_input=what), BeforeInvocationEvent)
        if where == "tool":
            result = await agent.tool_async.fails(kind=kind, size=size, record_direct_tool_call=False)
            return result["content"][0].get("text", "")
        if where == "asks":
            result = await agent.tool_async.asks(size=size, record_direct_tool_call=False)
            return result["content"][0].get("text", "")
        return str(await agent.invoke_async("go"))


@activity.defn
async def fails_as_hook(what: list[Any]) -> None:
    """Fail."""
    raises(what[0], what[1])


@pytest.mark.parametrize("size", [1_500 * KB, 6 * MB])
@pytest.mark.parametrize(
    ("kind", "attempts", "text"),
    [
        ("own", 3, "Error: OwnError - xxx"),
        ("value", 3, "Error: xxx"),
        ("application", 1, "Error: ApplicationError - Own: xxx"),
        ("details", 1, "Error: ApplicationError - Own: short"),
        ("cause", 3, "Error: OwnError - short"),
    ],
)
async def test_a_tools_failure_that_is_too_large_is_told_in_part(
    agents: Agents, kind: str, attempts: int, text: str, size: int
) -> None:
    calls.clear()
    async with agents(
        workflows=[FailingWorkflow], activities=[fails, asks], models={"m": lambda: ScriptedModel()}
    ) as env:
        told = await env.run(FailingWorkflow.run, "tool", kind, size)
        assert told.startswith(text)
        assert len(told) < 101 * KB
        assert calls == [kind] * attempts
        if "xxx" in text:
            assert re.search(r"\.\.\. \([\d,]+ characters left out: too large for Temporal\) \.\.\.xxx", told)


@pytest.mark.parametrize("where", ["hook", "activity hook"])
@pytest.mark.parametrize("kind", ["own", "value", "application", "details", "cause"])
async def test_a_hooks_failure_that_is_too_large_ends_the_run_with_its_type(
    agents: Agents, where: str, kind: str
) -> None:
    async with agents(
        workflows=[FailingWorkflow],
        activities=[fails_as_hook],
        models={"m": lambda: ScriptedModel(say("ok"))},
    ) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(FailingWorkflow.run, where, kind, 3 * MB)
        failure = failure_of(error.value)
        assert failure.type == {"own": "OwnError", "value": "ValueError", "cause": "OwnError"}.get(
            kind, "Own"
        )
        assert failure.message[:5] in ("xxxxx", "short")


async def test_an_interrupt_whose_reason_is_too_large_is_a_failed_tool(agents: Agents) -> None:
    calls.clear()
    async with agents(
        workflows=[FailingWorkflow], activities=[asks], models={"m": lambda: ScriptedModel()}
    ) as env:
        told = await env.run(FailingWorkflow.run, "asks", "", 3 * MB)
        assert re.search(r"The reason of an interrupt is too large for Temporal: 3,000,0\d\d bytes", told)
        assert calls == ["asks"]
