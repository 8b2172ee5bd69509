"""The reader's side: a workflow's items in JetStream, from a sequence number on."""

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext

from .._run_ends import RunEnd, run_end_from
from .._sharing import FreshAnswer
from .._transport import Piece, PieceGap
from .connection import RETRY_SECONDS, Connection, end_subject, names
from .outlet import TOPIC_METADATA

if TYPE_CHECKING:
    from nats.js import JetStreamContext

_BATCH = 64  # messages that wait in a reader's process, at most
_HEARTBEAT = 5.0  # seconds without a message after which the server says that the consumer is there
_SILENCE = 1.5 * _HEARTBEAT
"""Seconds between two looks whether anything came from the server."""
_EXPIRES = 60.0  # seconds of a request for messages
_KEPT = 30.0  # seconds that the server keeps a consumer whose reader is gone
_DECODED = 256  # messages that are kept decoded for the other readers of the workflow
_ROOM = 64 * 1024  # bytes of a message besides its payload
_NANO = 1_000_000_000
_GOES_ON = ("404", "408", "409")
"""Statuses after which the reader asks for more: no messages, time is up, more bytes than asked for."""


class NATSReader:
    """See `PieceReader`.

    Args:
        connection: The connection of this loop.
        client: The reader's client.
        workflow_id: Id of the workflow.
    """

    def __init__(self, connection: Connection, client: Client, workflow_id: str) -> None:
        self._connection = connection
        self._stream, self._subjects, self._subject = names(client.namespace, workflow_id)
        key = (id(client), self._subject)
        self._shared = connection.shared.get(key) or _Shared(client, workflow_id, self._last_seq)
        connection.shared[key] = self._shared
        self._next = 0
        self._created: datetime | None = None

    async def last_seq(self) -> int | None:
        """See `PieceReader`."""
        return await self._shared.last_seq.get()

    async def run_end(self, run_id: str) -> RunEnd | None:
        """See `RunEndReader`."""
        if not self._connection.is_up:
            return None
        try:
            context = await self._jetstream()
            subject = end_subject(self._subject, run_id)
            found = await context.get_last_msg(self._stream, subject, direct=True)
            return await self._shared.run_end(found.data or b"")
        except Exception:  # noqa: BLE001 - there is none, or NATS is away; or what it has cannot be decoded
            return None

    async def _last_seq(self) -> int | None:
        from nats.js.errors import NotFoundError

        try:
            context = await self._jetstream()
            return (await context.get_last_msg(self._stream, self._subject, direct=True)).seq or 0
        except NotFoundError:
            return 0
        except Exception:  # noqa: BLE001 - any error of the connection
            return None

    async def seq_at(self, time: datetime) -> int | None:
        """See `PieceReader`."""
        from nats.js.api import ConsumerConfig, DeliverPolicy

        config: dict[str, Any] = {"deliver_policy": DeliverPolicy.BY_START_TIME, "opt_start_time": time}
        try:
            context = await self._jetstream()
            found = await context.add_consumer(self._stream, ConsumerConfig(**self._consumer(), **config))
            with contextlib.suppress(Exception):
                await context.delete_consumer(self._stream, found.name)
        except Exception:  # noqa: BLE001 - any error of the connection
            return None
        return found.delivered.stream_seq + 1 if found.delivered else None

    async def pieces(self, from_seq: int) -> AsyncIterator[Piece | PieceGap]:
        """See `PieceReader`."""
        self._next = from_seq
        while True:
            before = self._next
            try:
                context = await self._jetstream()
                if (gap := await self._gap(context)) is not None:
                    yield gap
                async with contextlib.aclosing(self._from(context)) as found:
                    async for piece in found:
                        yield piece
            except (ValueError, asyncio.CancelledError):
                raise
            except Exception:  # noqa: BLE001, S110 - NATS is away, or restarts
                pass
            if before == self._next:
                await asyncio.sleep(RETRY_SECONDS)

    async def _gap(self, context: "JetStreamContext") -> PieceGap | None:
        """Return what the stream has dropped, or lost with its storage, since the reader was last here."""
        info = await context.stream_info(self._stream)
        start, state = self._next, info.state
        created, self._created = self._created, info.created
        if start and (state.last_seq + 1 < start or created not in (None, info.created)):  # it was made anew
            self._next = 1
            return PieceGap(start, start)
        if start and state.first_seq > start:
            self._next = state.first_seq
            return PieceGap(start, state.first_seq)
        return None

    async def _from(self, context: "JetStreamContext") -> AsyncGenerator[Piece]:
        """Yield the items from `self._next` on, until the connection was established again.

        It asks for a few messages at a time. So what a slow reader has not read stays in NATS.
        """
        from nats.js.api import ConsumerConfig, DeliverPolicy

        start: dict[str, Any] = {"deliver_policy": DeliverPolicy.ALL}
        if self._next:
            start = {"deliver_policy": DeliverPolicy.BY_START_SEQUENCE, "opt_start_seq": self._next}
        epoch = self._connection.epoch
        client = await self._connection.client()
        inbox, messages = client.new_inbox(), asyncio.Queue[Any]()
        loop, heard, looked, is_waiting = asyncio.get_running_loop(), 0, -1, False

        async def arrived(message: Any) -> None:
            nonlocal heard
            heard += 1
            messages.put_nowait(message)

        def wake() -> None:
            messages.put_nowait(None)

        def watch() -> None:
            """End the reading if nothing came since the last look: one timer for all messages."""
            nonlocal looked, timer
            if looked == heard and is_waiting:
                wake()
                return
            looked, timer = heard, loop.call_later(_SILENCE, watch)

        subscription = await client.subscribe(inbox, cb=arrived)
        timer = loop.call_later(_SILENCE, watch)
        self._connection.listeners.add(wake)
        consumer = ""
        try:
            config = ConsumerConfig(**self._consumer(), **start)
            consumer = (await context.add_consumer(self._stream, config)).name
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"
            request = {
                "batch": _BATCH,
                "max_bytes": self._connection.max_payload + _ROOM,
                "expires": int(_EXPIRES * _NANO),
                "idle_heartbeat": int(_HEARTBEAT * _NANO),
            }
            expected, asked = 1, 0
            while True:
                if asked == 0:
                    await client.publish(subject, json.dumps(request).encode(), reply=inbox)
                    asked = _BATCH
                    heard += 1  # from now on the server tells that it is there
                is_waiting = True
                message = await messages.get()
                is_waiting = False
                if message is None or epoch != self._connection.epoch:
                    return
                if (status := (message.headers or {}).get("Status")) is not None:
                    if status in _GOES_ON:
                        asked = 0
                    elif status != "100":  # not a heartbeat: the consumer is gone
                        return
                    continue
                asked -= 1
                sequence = message.metadata.sequence
                if sequence.consumer != expected:  # a message is missing
                    return
                expected += 1
                yield await self._shared.piece(sequence.stream, message.data)
                self._next = sequence.stream + 1
        finally:
            timer.cancel()
            self._connection.listeners.discard(wake)
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()
                if consumer and self._connection.is_up:
                    await context.delete_consumer(self._stream, consumer)

    def _consumer(self) -> dict[str, Any]:
        from nats.js.api import AckPolicy

        return {
            "filter_subject": self._subject,
            "ack_policy": AckPolicy.NONE,
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _KEPT,
        }

    async def _jetstream(self) -> "JetStreamContext":
        return await self._connection.jetstream(self._stream, self._subjects)


class _Shared:
    """What the readers of a workflow with one client share: decoded messages, and the last number.

    Args:
        client: The readers' client.
        workflow_id: Id of the workflow.
        last: Asks NATS for the last number.
    """

    def __init__(self, client: Client, workflow_id: str, last: Callable[[], Awaitable[int | None]]) -> None:
        self.client = client  # its id is a part of the key, as long as this is in use
        self.last_seq = FreshAnswer(last)
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
        self._workflow_id = workflow_id
        self._converter = client.data_converter.with_context(context)
        self._decoded: OrderedDict[int, tuple[bytes, Piece]] = OrderedDict()

    async def run_end(self, data: bytes) -> RunEnd | None:
        """Return a message as the end of a run; None if it is none."""
        (value,) = await self._converter.decode([Payload.FromString(data)])
        return run_end_from(value)

    async def piece(self, seq: int, data: bytes) -> Piece:
        """Return a message as a piece."""
        known = self._decoded.get(seq)
        if known is not None and known[0] == data:
            return known[1]
        try:
            (value,) = await self._converter.decode([Payload.FromString(data)], [RawValue])
            payload = value.payload
            topic = payload.metadata.pop(TOPIC_METADATA).decode()
        except Exception as error:  # a user's converter or codec may raise anything
            raise ValueError(
                f"The stream of workflow {self._workflow_id!r} in NATS cannot be decoded "
                f"({type(error).__name__}: {error}). Give the client the data converter, with its "
                "codec, of the workflow's workers"
            ) from error
        piece = Piece(seq, topic, payload)
        self._decoded[seq] = data, piece
        if len(self._decoded) > _DECODED:
            self._decoded.popitem(last=False)
        return piece
