"""The reader's side: a workflow's items in JetStream, from a sequence number on."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import WorkflowSerializationContext

from .._transport import Piece, PieceGap
from .connection import RETRY_SECONDS, Connection, names
from .outlet import TOPIC_METADATA

if TYPE_CHECKING:
    from nats.js import JetStreamContext

_LOOK = 1.0  # seconds without a message, after which the connection is looked at
_CHECK = 5.0  # seconds without a message, after which the server is asked for its last one
_KEPT = 30.0  # seconds that the server keeps a consumer whose reader is gone


class NATSReader:
    """See `PieceReader`.

    Args:
        connection: The connection of this loop.
        client: The reader's client.
        workflow_id: Id of the workflow.
    """

    def __init__(self, connection: Connection, client: Client, workflow_id: str) -> None:
        self._connection = connection
        self._workflow_id = workflow_id
        self._stream, self._subjects, self._subject = names(client.namespace, workflow_id)
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
        self._converter = client.data_converter.with_context(context)
        self._next = 0

    async def last_seq(self) -> int | None:
        """See `PieceReader`."""
        from nats.js.errors import NotFoundError

        try:
            context = await self._jetstream()
            return (await context.get_last_msg(self._stream, self._subject, direct=True)).seq or 0
        except NotFoundError:
            return 0
        except Exception:  # noqa: BLE001 - any error of the connection
            return None

    async def pieces(self, from_seq: int) -> AsyncIterator[Piece | PieceGap]:
        """See `PieceReader`."""
        self._next = from_seq
        while True:
            try:
                context = await self._jetstream()
                if (gap := await self._gap(context)) is not None:
                    yield gap
                async with contextlib.aclosing(self._from(context)) as found:
                    async for piece in found:
                        yield piece
            except (ValueError, asyncio.CancelledError):  # noqa: PERF203
                raise
            except Exception:  # noqa: BLE001 - NATS is away, or restarts
                await asyncio.sleep(RETRY_SECONDS)

    async def _gap(self, context: "JetStreamContext") -> PieceGap | None:
        """Return what the stream has dropped, or lost with its storage, since the reader was last here."""
        state = (await context.stream_info(self._stream)).state
        start = self._next
        if start and state.last_seq + 1 < start:  # it was made anew
            self._next = 1
            return PieceGap(start, start)
        if start and state.first_seq > start:
            self._next = state.first_seq
            return PieceGap(start, state.first_seq)
        return None

    async def _from(self, context: "JetStreamContext") -> AsyncGenerator[Piece]:
        """Yield the items from `self._next` on, until the connection was established again."""
        from nats.errors import TimeoutError as NoMessageError

        epoch, expected, quiet = self._connection.epoch, 1, 0.0
        subscription = await context.subscribe(
            self._subject, stream=self._stream, config=self._consumer(), manual_ack=True
        )
        try:
            while epoch == self._connection.epoch:
                try:
                    message: Any = await subscription.next_msg(timeout=_LOOK)
                except NoMessageError:
                    quiet += _LOOK
                    if quiet < _CHECK:
                        continue
                    quiet = 0.0
                    last = await self.last_seq()
                    if last is None or last < self._next:
                        continue
                    return  # the server has more than it delivers
                quiet = 0.0
                sequence = message.metadata.sequence
                if sequence.consumer != expected:  # nats-py dropped messages
                    return
                expected += 1
                yield await self._piece(sequence.stream, message.data)
                self._next = sequence.stream + 1
        finally:
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()

    def _consumer(self) -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        return ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if self._next else DeliverPolicy.ALL,
            opt_start_seq=self._next or None,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=_KEPT,
        )

    async def _piece(self, seq: int, data: bytes) -> Piece:
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
        return Piece(seq, topic, payload)

    async def _jetstream(self) -> "JetStreamContext":
        return await self._connection.jetstream(self._stream, self._subjects)
