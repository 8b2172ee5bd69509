"""The worker's side: publishes the items of an attempt to JetStream, in order, each once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta, timezone

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext

from .._control import CALL_METADATA, STARTED_METADATA, control_topic, to_control
from .._run_ends import RunEnd
from .._tails import Tail
from .._transport import connect_to_stream
from .._types import OutputLost
from .connection import Connection, end_subject, names

TOPIC_METADATA = "strands-topic"
"""Metadata of a payload: the item's topic."""

INTERVAL = 0.005  # seconds between two batches
_PER_ANSWER = 0.001  # seconds for each answer that streams in this process: it sends 1,000 batches a second
_LONGEST_INTERVAL = 0.2
_LOG_PATIENCE = 2.0  # seconds for a note in the workflow's log
_HEADER_BYTES = 1024  # of a message, at most


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
        self._least = INTERVAL if latency is None else max(INTERVAL, latency.total_seconds() / 2)
        self._connection = connection
        connection.outlets.add(self)
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
    def interval(self) -> float:
        """Seconds between two batches. The more answers stream at once, the more of a text goes at a time."""
        return max(self._least, min(_PER_ANSWER * len(self._connection.outlets), _LONGEST_INTERVAL))

    @property
    def patience(self) -> float:
        """Seconds that a complete answer waits for the rest of its stream."""
        return self._connection.patience

    async def send(self, batch: Sequence[tuple[str, Payload]]) -> None:
        """See `StreamOutlet`."""
        context = await self._connection.jetstream(self._stream, self._subjects)
        if self._unsent is not batch:
            self._encoded = [await self._fitting(topic, payload) for topic, payload in batch]
            self._unsent = batch
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

    async def _fitting(self, topic: str, payload: Payload) -> bytes:
        """Return an item as a message, or a note in its place if NATS does not take it."""
        encoded = await self._encode(topic, payload)
        most = self._connection.max_payload - _HEADER_BYTES
        if len(encoded) <= most:
            return encoded
        call, _, attempt = payload.metadata.get(CALL_METADATA, b"").decode().rpartition("/")
        started_at = payload.metadata.get(STARTED_METADATA, b"").decode()
        activity.logger.warning(
            "call=<%s>, bytes=<%d>, max_payload=<%d> | too large for a message of NATS, not streamed",
            call,
            len(encoded),
            self._connection.max_payload,
        )
        lost = OutputLost(call, int(attempt or 0), 1, started_at=started_at)
        note = activity.payload_converter().to_payloads([to_control(lost)])[0]
        for key in (CALL_METADATA, STARTED_METADATA):
            note.metadata[key] = payload.metadata[key]
        topic = topic if topic.endswith(control_topic("")) else control_topic(topic)
        return await self._encode(topic, note)

    async def _encode(self, topic: str, payload: Payload) -> bytes:
        named = Payload()
        named.CopyFrom(payload)
        named.metadata[TOPIC_METADATA] = topic.encode()
        (encoded,) = await self._converter.encode([RawValue(named)])
        return encoded.SerializeToString()


async def send_run_end(connection: Connection, client: Client, workflow_id: str, end: RunEnd) -> None:
    """Send the end of a run. It is not acknowledged: readers do without it.

    Raises:
        Exception: NATS is away.
    """
    stream, subjects, subject = names(client.namespace, workflow_id)
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
    (encoded,) = await client.data_converter.with_context(context).encode([end.to_json()])
    data = encoded.SerializeToString()
    await connection.jetstream(stream, subjects)
    if len(data) <= connection.max_payload - _HEADER_BYTES:
        await (await connection.client()).publish(end_subject(subject, end.run_id), data)
