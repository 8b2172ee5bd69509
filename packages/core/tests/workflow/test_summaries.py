"""Activities carry a summary for the Web UI: short, the user's own first, and encoded by the codec."""

import base64
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.operator_scenes import add, answer, note, shout, summaries, weather
from strands import Agent
from strands.hooks import AfterModelCallEvent, BeforeToolCallEvent
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Replayer, Worker

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import TemporalTools, activity_as_hook, activity_as_tool


@workflow.defn
class SummedUp:
    """All kinds of activities that core starts."""

    @workflow.run
    async def run(self, shows: bool, prompts: list[str]) -> None:
        helper = TemporalAgent("m", name="helper", callback_handler=None)
        agent = TemporalAgent(
            "m",
            tools=[
                add,
                activity_as_tool(weather),
                TemporalTools("shout"),
                helper.as_tool(name="ask", description="Ask the helper."),
            ],
            summary_arguments=shows,
            callback_handler=None,
        )
        agent.add_hook(
            activity_as_hook(note, activity_input=lambda event: event.tool_use["name"]), BeforeToolCallEvent
        )
        for prompt in prompts:
            await agent.invoke_async(prompt)


@pytest.mark.server
async def test_each_activity_says_what_it_is_for(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(
        workflows=[SummedUp], models={"m": lambda: model}, tools={"shout": shout}, activities=[weather, note]
    ) as env:
        handle = await env.start(SummedUp.run, False, ["weather Bern", "shout hey", "ask why"])
        await handle.result()
        await env.assert_replays(handle)
        found = await summaries(await handle.fetch_history())
    assert found == [
        ("list_hosted_tools", "list · shout"),
        ("invoke_model", "m · turn 1"),
        ("note", "BeforeToolCallEvent · weather"),
        ("weather", "weather"),
        ("invoke_model", "m · turn 1"),
        ("invoke_model", "m · turn 2"),
        ("note", "BeforeToolCallEvent · shout"),
        ("invoke_tool", "shout"),
        ("invoke_model", "m · turn 2"),
        ("invoke_model", "m · turn 3"),
        ("note", "BeforeToolCallEvent · ask"),
        ("invoke_model", "m · helper · turn 1"),
        ("invoke_model", "m · turn 3"),
    ]


@pytest.mark.server
async def test_arguments_are_shown_on_request_and_shortened(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(
        workflows=[SummedUp], models={"m": lambda: model}, tools={"shout": shout}, activities=[weather, note]
    ) as env:
        handle = await env.start(SummedUp.run, True, ["weather Bern", "shout " + "x" * 500])
        await handle.result()
        await env.assert_replays(handle)
        found = dict(await summaries(await handle.fetch_history()))
    assert found["weather"] == 'weather {"city": "Bern"}'
    assert found["invoke_tool"].startswith('shout {"text": "xxx')
    assert found["invoke_tool"].endswith("x…")
    assert len(found["invoke_tool"]) == len("shout ") + 160
    assert found["invoke_model"] == "m · turn 2"


@workflow.defn
class UsersOwn:
    """Summaries that the user chose, and names that are too long for one."""

    @workflow.run
    async def run(self) -> None:
        agent = TemporalAgent(
            "m",
            summary="the model",
            tools=[
                activity_as_tool(weather, summary="the weather"),
                TemporalTools("shout", summary="the worker"),
            ],
            callback_handler=None,
        )
        agent.add_hook(
            activity_as_hook(note, activity_input=lambda event: "asked", summary="the hook"),
            AfterModelCallEvent,
        )
        await agent.invoke_async("weather Bern")
        await agent.invoke_async("shout hey")
        named = Agent(TemporalModel("m"), name="n" * 500, callback_handler=None)
        await named.invoke_async("hello")
        await TemporalModel("m", use_native_token_count=True).count_tokens(named.messages)


@pytest.mark.server
async def test_the_users_summary_wins_and_a_long_name_is_shortened(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(
        workflows=[UsersOwn], models={"m": lambda: model}, tools={"shout": shout}, activities=[weather, note]
    ) as env:
        handle = await env.start(UsersOwn.run)
        await handle.result()
        await env.assert_replays(handle)
        found = await summaries(await handle.fetch_history())
    assert found == [
        ("list_hosted_tools", "the worker"),
        ("invoke_model", "the model"),
        ("note", "the hook"),
        ("weather", "the weather"),
        ("invoke_model", "the model"),
        ("note", "the hook"),
        ("invoke_model", "the model"),
        ("note", "the hook"),
        ("invoke_tool", "the worker"),
        ("invoke_model", "the model"),
        ("note", "the hook"),
        ("invoke_model", f"m · {'n' * 63}… · turn 1"),
        ("count_model_tokens", "m · count tokens"),
    ]


class Secret(PayloadCodec):
    """Hides each payload."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"secret"}, data=base64.b85encode(p.SerializeToString()))
            for p in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(base64.b85decode(p.data)) for p in payloads]


@workflow.defn
class Chinese:
    """Names and arguments whose JSON takes six bytes for each character."""

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "m",
            name="员" * 64,
            tools=[activity_as_tool(weather)],
            summary_arguments=True,
            callback_handler=None,
        )
        return str(await agent.invoke_async("weather " + "京" * 160)).strip()


@pytest.mark.server
async def test_summaries_fit_temporals_limit_also_encrypted(
    client: Client, worker_options: dict[str, Any]
) -> None:
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(answer)})
    for converter in (DataConverter.default, DataConverter(payload_codec=Secret())):
        own = Client(
            client.service_client, namespace=client.namespace, data_converter=converter, plugins=[plugin]
        )
        queue = f"summaries-{uuid.uuid4()}"
        async with Worker(own, task_queue=queue, workflows=[Chinese], activities=[weather], **worker_options):
            handle = await own.start_workflow(
                Chinese.run, id=queue, task_queue=queue, execution_timeout=timedelta(seconds=15)
            )
            assert "京" in await handle.result()
        history = await handle.fetch_history()
        await Replayer(workflows=[Chinese], data_converter=converter, plugins=[plugin]).replay_workflow(
            history
        )
        found = await summaries(history, converter)
        assert found[0] == ("invoke_model", f"m · {'员' * 30}…")
        assert found[1][1].startswith('weather {"city": "京京')
        sizes = [event.user_metadata.summary.ByteSize() for event in history.events]
        assert max(sizes) <= 400


@pytest.mark.server
async def test_with_a_codec_no_summary_is_readable_in_history(
    client: Client, worker_options: dict[str, Any]
) -> None:
    model = ScriptedModel(answer)
    converter = DataConverter(payload_codec=Secret())
    plugin = StrandsPlugin(models={"m": lambda: model}, tools={"shout": shout})
    own = Client(
        client.service_client, namespace=client.namespace, data_converter=converter, plugins=[plugin]
    )
    queue = f"summaries-{uuid.uuid4()}"
    async with Worker(
        own, task_queue=queue, workflows=[SummedUp], activities=[weather, note], **worker_options
    ):
        handle = await own.start_workflow(
            SummedUp.run,
            args=[True, ["weather Atlantis", "shout Utopia"]],
            id=queue,
            task_queue=queue,
            execution_timeout=timedelta(seconds=30),
        )
        await handle.result()
    history = await handle.fetch_history()
    raw = b"".join(event.SerializeToString() for event in history.events)
    for plain in (b"Atlantis", b"Utopia", b"turn 1", b"BeforeToolCallEvent"):
        assert plain not in raw
    found = await summaries(history, converter)
    assert ("weather", 'weather {"city": "Atlantis"}') in found
    assert ("invoke_tool", 'shout {"text": "Utopia"}') in found


def test_the_option_is_checked() -> None:
    with pytest.raises(AgentTypeError, match=r"summary_arguments='yes' is not a bool. Give False"):
        TemporalAgent("m", summary_arguments="yes")  # pyright: ignore[reportArgumentType]


def test_strands_names_an_agent_without_a_name_as_summaries_assume() -> None:
    from strands_temporal._workflow.agent_watch import UNNAMED

    assert Agent(ScriptedModel()).name == UNNAMED
