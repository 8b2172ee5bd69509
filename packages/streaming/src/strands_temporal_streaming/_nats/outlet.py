"""The worker's side: publishes the items of an attempt to JetStream, in order, each once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta, timezone

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext

from .._tails import Tail
from .._transport import connect_to_stream
from .connection import Connection, names

TOPIC_METADATA = "strands-topic"
"""Metadata of a payload: the item's topic."""

INTERVAL = 0.005  # seconds between two batches
_LOG_PATIENCE = 2.0  # seconds for a note in the workflow's log


class NATSOutlet:
    """See `StreamOutlet`.

    Args:
        connection: The connection of this loop.
        client: The worker's client.
        info: The activity.
        latency: `latency` of the plugin: pieces of this time are merged.
    """

    every: float | None = None
    unread_interval = 0.0
    is_cheap = True

    def __init__(
        self, connection: Connection, client: Client, info: activity.Info, latency: timedelta | None
    ) -> None:
        workflow_id = info.workflow_id or ""
        self.interval = INTERVAL if latency is None else max(INTERVAL, latency.total_seconds() / 2)
        self._connection = connection
        self._client = client
        self._info = info
        self._stream, self._subjects, self._subject = names(client.namespace, workflow_id)
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
        self._converter = client.data_converter.with_context(context)
        started = info.started_time.astimezone(timezone.utc).isoformat()
        self._id = f"{info.workflow_run_id}/{info.activity_id}/{started}/{info.attempt}"
        self._number = 0
        self._unsent: Sequence[tuple[str, Payload]] = ()
        self._encoded: list[bytes] = []

    @property
    def patience(self) -> float:
        """Seconds that a complete answer waits for the rest of its stream."""
        if self._connection.is_up:
            return 10.0
        return 3.0 if self._connection.is_new else 0.5

    async def send(self, batch: Sequence[tuple[str, Payload]]) -> None:
        """See `StreamOutlet`."""
        if self._unsent is not batch:
            self._encoded = [await self._encode(topic, payload) for topic, payload in batch]
            self._unsent = batch
        context = await self._connection.jetstream(self._stream, self._subjects)
        try:
            while self._encoded:
                # With its id, an item that is sent again is stored once.
                headers = {"Nats-Msg-Id": f"{self._id}/{self._number}"}
                await context.publish(self._subject, self._encoded[0], headers=headers)
                self._number += 1
                del self._encoded[0]
        except Exception:
            self._connection.forget_streams()
            raise

    async def tell(self, tail: Tail) -> None:
        """Do nothing: each piece is sent at once."""

    async def lost(self, note: tuple[str, Payload]) -> None:
        """Write a note into the workflow's log, which readers read too."""
        log = connect_to_stream(self._client, self._info)
        log.topic(note[0]).publish(note[1])
        await asyncio.wait_for(log.flush(), _LOG_PATIENCE)

    async def _encode(self, topic: str, payload: Payload) -> bytes:
        named = Payload()
        named.CopyFrom(payload)
        named.metadata[TOPIC_METADATA] = topic.encode()
        (encoded,) = await self._converter.encode([RawValue(named)])
        return encoded.SerializeToString()
