"""The pieces of the output over a real NATS JetStream; the workflow's own events in its log."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.nats_support import bare, hops, running
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, of, play, read_all, texts
from temporalio.client import Client

from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    CallStarted,
    End,
    MessageEnd,
    TextDelta,
    TurnEnd,
)
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server]


async def test_it_carries_the_pieces_without_history_and_a_reader_goes_on_at_any_offset(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    said = [asyncio.Event() for _ in range(3)]
    model = LiveModel(
        play("one ", lambda: bounded(said[0]), "two ", lambda: bounded(said[1]), "three ", "four "),
        play("second"),
    )
    async with running(client, nats_server, model, worker_options, turns=2) as (handle, transport):
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in AgentStream(client, handle.id, transport=transport):
                events.append(event)
                if isinstance(event, TextDelta) and len(of(TextDelta, events)) <= 2:
                    said[len(of(TextDelta, events)) - 1].set()  # the model waits for the reader

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == "second"
        assert texts(events) == ["one two three four", "second"]
        kinds = [type(one) for one in events if isinstance(one, (CallStarted, MessageEnd, TurnEnd, End))]
        assert kinds == [CallStarted, MessageEnd, TurnEnd, CallStarted, MessageEnd, TurnEnd, End]
        history = await handle.fetch_history()
        signals = [e for e in history.events if e.HasField("workflow_execution_signaled_event_attributes")]
        assert not signals
        assert len(history.events) <= 7 + 2 * 6  # no event for what streamed; two for a patch
        again = await read_all(AgentStream(client, handle.id, transport=transport))
        assert again == events
        for place, event in enumerate(events[:-1]):
            reader = AgentStream(client, handle.id, transport=transport, from_offset=event.offset + 1)
            assert bare(await read_all(reader)) == bare(events[place + 1 :])
        assert bare(await hops(client, handle.id, transport)) == bare(events)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="names no server"):
        NATSTransport([])
    with pytest.raises(ValueError, match="max_age"):
        NATSTransport("nats://localhost", max_age=timedelta())
    with pytest.raises(ValueError, match="replicas=0"):
        NATSTransport("nats://localhost", replicas=0)
