"""Servers of NATS as operators have them: with passwords, without JetStream, with streams of others."""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import RetentionPolicy, StreamConfig
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.nats_support import running
from packages.streaming.tests.streaming_support import WAIT, LiveModel, of, play, read_all, texts
from strands.types.streaming import StreamEvent
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec

from strands_temporal_streaming import AgentEvent, AgentStream, End, OutputLost, TextDelta, TurnEnd
from strands_temporal_streaming._nats.connection import names
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server, pytest.mark.slow]

LOGGER = "strands_temporal_streaming.nats"


async def one_answer(
    client: Client, options: dict[str, Any], server: NATSServer, transport: NATSTransport, *words: str
) -> list[AgentEvent]:
    """Run an agent and read it."""
    async with running(client, server, LiveModel(play(*words)), options, transport=transport) as (handle, _):
        events = await read_all(AgentStream(client, handle.id, transport=transport))
        assert await handle.result() == "".join(words).strip()
    return events


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == LOGGER]


@asynccontextmanager
async def stream_of(client: Client, server: NATSServer, **settings: Any) -> AsyncGenerator[None]:
    """Make the stream of the namespace as an operator would."""
    stream, subjects, _ = names(client.namespace, "any")
    connection = await nats.connect(server.url)
    given: dict[str, Any] = {"subjects": [subjects], **settings}
    await connection.jetstream().add_stream(StreamConfig(name=stream, **given))
    await connection.close()
    yield


async def test_user_and_password_by_options_or_address(
    client: Client, worker_options: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with NATSServer(tmp_path, "--user", "agent", "--pass", "sec-ret") as server:
        given = NATSTransport(server.url, options={"user": "agent", "password": "sec-ret"})
        assert texts(await one_answer(client, worker_options, server, given, "let in")) == ["let in"]
        address = server.url.replace("//", "//agent:sec-ret@")
        inside = NATSTransport(address)
        assert texts(await one_answer(client, worker_options, server, inside, "again")) == ["again"]
        assert "sec-ret" not in repr(inside)
        wrong = NATSTransport(server.url.replace("//", "//agent:mistake@"))
        events = await one_answer(client, worker_options, server, wrong, "unheard")
    assert not of(TextDelta, events)
    assert of(OutputLost, events)
    assert "uthorization" in " ".join(warnings(caplog))
    assert "mistake" not in caplog.text


async def test_a_server_without_jetstream(
    client: Client, worker_options: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with NATSServer(tmp_path, jetstream=False) as server:
        transport = NATSTransport(server.url)
        begun = asyncio.get_running_loop().time()
        async with running(
            client,
            server,
            LiveModel(play("one"), play("two"), play("three")),
            worker_options,
            turns=3,
            transport=transport,
        ) as (handle, _):
            assert await asyncio.wait_for(handle.result(), WAIT) == "three"
            assert asyncio.get_running_loop().time() - begun < 15  # no turn waits for long
            events = await read_all(AgentStream(client, handle.id, transport=transport))
    assert len(of(OutputLost, events)) >= 3
    assert len(of(TurnEnd, events)) == 3
    assert [text for text in warnings(caplog) if "has no JetStream. Start it with `-js`" in text]
    assert len(warnings(caplog)) == 1


async def test_a_wrong_address_is_said_once(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = nats_server.url
    await nats_server.kill()
    words = [f"{number} " for number in range(50)]
    events = await one_answer(client, worker_options, nats_server, NATSTransport(url), *words)
    assert not of(TextDelta, events)
    assert of(OutputLost, events)
    assert len(warnings(caplog)) == 1
    assert "no NATS server of" in warnings(caplog)[0]
    assert url in warnings(caplog)[0]
    assert caplog.text.count("not streamed; the answer itself is complete") == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"subjects": ["others.>"]}, "has the subjects ['others.>']; it needs"),
        ({"retention": RetentionPolicy.WORK_QUEUE, "allow_direct": True}, "has the retention"),
        ({"allow_direct": False}, "has no direct access"),
    ],
)
async def test_a_stream_that_does_not_fit_is_named(
    client: Client,
    worker_options: dict[str, Any],
    nats_server: NATSServer,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    told: str,
) -> None:
    async with stream_of(client, nats_server, **settings):
        transport = NATSTransport(nats_server.url)
        events = await one_answer(client, worker_options, nats_server, transport, "unheard")
    assert not of(TextDelta, events)
    assert told in " ".join(warnings(caplog))
    assert len(warnings(caplog)) == 1


async def test_subjects_that_another_stream_has_are_named(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await nats.connect(nats_server.url)
    await connection.jetstream().add_stream(StreamConfig(name="everything", subjects=["strands-temporal.>"]))
    await connection.close()
    events = await one_answer(client, worker_options, nats_server, NATSTransport(nats_server.url), "unheard")
    assert not of(TextDelta, events)
    assert "cannot be made in NATS: subjects overlap" in " ".join(warnings(caplog))


async def test_an_operators_own_stream_is_used_and_differences_are_said(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with stream_of(client, nats_server, allow_direct=True, subjects=["strands-temporal.>"], max_age=60):
        usual = NATSTransport(nats_server.url)
        assert texts(await one_answer(client, worker_options, nats_server, usual, "heard")) == ["heard"]
        assert not warnings(caplog)
        other = NATSTransport(nats_server.url, max_age=timedelta(hours=1))
        assert texts(await one_answer(client, worker_options, nats_server, other, "heard")) == ["heard"]
    assert "max_age=60" in warnings(caplog)[0]
    assert "not streamed" not in warnings(caplog)[0]


async def test_what_is_too_large_for_a_message_is_told_and_the_rest_comes(
    client: Client, worker_options: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "small.conf"
    config.write_text("max_payload: 100000\n")
    big: Any = {"redactContent": {"redactAssistantContentMessage": "r" * 200_000}}

    async def events_of() -> AsyncIterator[StreamEvent]:
        async for event in play("x" * 300_000, "end ")():
            yield event
            if event.get("contentBlockDelta", {}).get("delta", {}).get("text") == "end ":
                yield big

    async with NATSServer(tmp_path, "-c", str(config)) as server:
        transport = NATSTransport(server.url)
        async with running(client, server, LiveModel(events_of), worker_options, transport=transport) as (
            handle,
            _,
        ):
            events = await read_all(AgentStream(client, handle.id, transport=transport))
            await handle.result()
    text = "".join(event.text for event in of(TextDelta, events))
    assert text == "x" * 300_000 + "end "  # a long piece goes in parts
    (lost,) = of(OutputLost, events)
    assert lost.events == 1
    assert isinstance(events[-1], End)


class Mirror(PayloadCodec):
    """Writes everything backwards: who looks at the bytes sees no word."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"mirror"}, data=one.SerializeToString()[::-1]) for one in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(one.data[::-1]) if one.metadata.get("encoding") == b"mirror" else one
            for one in payloads
        ]


async def test_nats_sees_what_the_codec_makes(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    coded = Client(client.service_client, data_converter=DataConverter(payload_codec=Mirror()))
    transport = NATSTransport(nats_server.url)
    async with running(
        coded, nats_server, LiveModel(play("secret words")), worker_options, transport=transport
    ) as (handle, _):
        assert texts(await read_all(AgentStream(coded, handle.id, transport=transport))) == ["secret words"]
        stream, _, subject = names(client.namespace, handle.id)
        raw = await nats.connect(nats_server.url)
        last = (await raw.jetstream().get_last_msg(stream, subject)).seq or 0
        seen = [(await raw.jetstream().get_msg(stream, seq)).data or b"" for seq in range(1, last + 1)]
        await raw.close()
        assert len(seen) > 3
        assert not [
            data for data in seen if b"secret" in data or b"strands-call" in data or b"events" in data
        ]
        with pytest.raises(ValueError, match="Give the client the data converter"):
            await read_all(AgentStream(client, handle.id, transport=transport, from_offset=2**30))


async def test_two_transports_and_loops_share_nothing_and_close(nats_server: NATSServer) -> None:
    transport = NATSTransport(nats_server.url)
    tasks = len(asyncio.all_tasks())
    connection = transport._connections.here()  # pyright: ignore[reportPrivateUsage]
    stream, subjects, _ = names("default", uuid.uuid4().hex)
    await connection.jetstream(stream, subjects)
    assert connection.is_up
    await transport.close()
    assert not connection.is_up
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
    await connection.jetstream(stream, subjects)  # it opens again
    await transport.close()


def test_a_warning_names_no_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert "word" not in repr(NATSTransport(["nats://user:word@host:1", "tls://word@host"]))
