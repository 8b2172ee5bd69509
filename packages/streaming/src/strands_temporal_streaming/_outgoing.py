"""What an attempt has not sent yet. Adjacent pieces of text become one."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from ._control import TIME_METADATA
from ._pieces import AT_METADATA, Piece, piece_of

MAX_EVENT_BYTES = 1024 * 1024  # 1.4 MB in base64; Temporal refuses a payload above 2 MB
MAX_BATCH_BYTES = 320 * 1024  # in base64 less than the 512 KiB at which Temporal warns

_MERGED_CHARACTERS = 32 * 1024
"""Characters of a merged piece. Its JSON always fits into a batch: a character takes six bytes at most."""


class TooLargeError(Exception):
    """The event is too large for the stream."""


class Outgoing:
    """The queue of an attempt.

    Args:
        converter: The worker's payload converter.
        topic: Topic of the model's events.
        metadata: Metadata of their payloads.
    """

    def __init__(self, converter: PayloadConverter, topic: str, metadata: Mapping[str, bytes]) -> None:
        self._converter = converter
        self._topic = topic
        self._metadata = metadata
        self._queue: deque[_Waiting] = deque()
        self._at = 0

    def __len__(self) -> int:
        """Return the number of events that wait, each merged one too."""
        return sum(one.events for one in self._queue)

    def add(self, event: dict[str, Any]) -> None:
        """Queue a model's event.

        Raises:
            TooLargeError: It is too large.
            Exception: The converter does not take it.
        """
        piece = piece_of(event)
        if piece is None:
            payload = self._converter.to_payloads([event])[0]
            if payload.ByteSize() > MAX_EVENT_BYTES:
                raise TooLargeError
            payload.metadata.update(self._metadata)
            self._queue.append(_Waiting(self._topic, payload=payload))
            return
        for start in range(0, len(piece.text), _MERGED_CHARACTERS):
            self._add(replace(piece, text=piece.text[start : start + _MERGED_CHARACTERS]))

    def _add(self, piece: Piece) -> None:
        last = self._queue[-1] if self._queue else None
        if last is None or not last.takes(piece):
            last = _Waiting(self._topic, piece=piece, at=self._at)
            self._queue.append(last)
        else:
            last.add(piece.text)
        self._at += len(piece.text)

    def add_payload(self, topic: str, payload: Payload) -> None:
        """Queue what is not the model's."""
        self._queue.append(_Waiting(topic, payload=payload))

    def take(self) -> "Batch":
        """Remove as many as fit into a batch, and return them."""
        items: list[tuple[str, Payload]] = []
        size = events = lost = 0
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").encode()
        while self._queue:
            try:
                payload = self._queue[0].sealed(self._converter, self._metadata)
            except Exception:  # noqa: BLE001 - a converter of the user; no event may fail the call
                lost += self._queue.popleft().events
                continue
            if items and size + payload.ByteSize() > MAX_BATCH_BYTES:
                break
            if self._queue[0].topic == self._topic:
                payload.metadata[TIME_METADATA] = now
            size += payload.ByteSize()
            events += self._queue[0].events
            items.append((self._queue.popleft().topic, payload))
        return Batch(items, events, lost)

    def tail(self) -> tuple[int, Piece] | None:
        """Return the piece that waits at the front, and the characters before it; None if there is none."""
        return self._queue[0].piece_so_far() if self._queue else None


class Batch:
    """Items to send together.

    Attributes:
        items: Topics and payloads.
        events: The events in them, each merged one too.
        lost: Events that could not be converted.
    """

    def __init__(self, items: list[tuple[str, Payload]], events: int, lost: int) -> None:
        self.items = items
        self.events = events
        self.lost = lost


class _Waiting:
    def __init__(
        self, topic: str, *, payload: Payload | None = None, piece: Piece | None = None, at: int = 0
    ) -> None:
        self.topic = topic
        self.events = 1
        self._payload = payload
        self._piece = piece
        self._at = at
        self._texts = [piece.text] if piece else []
        self._characters = len(piece.text) if piece else 0

    def takes(self, piece: Piece) -> bool:
        return (
            self._payload is None
            and self._piece is not None
            and piece.continues(self._piece)
            and self._characters + len(piece.text) <= _MERGED_CHARACTERS
        )

    def add(self, text: str) -> None:
        self._texts.append(text)
        self._characters += len(text)
        self.events += 1

    def sealed(self, converter: PayloadConverter, metadata: Mapping[str, bytes]) -> Payload:
        if self._payload is None:
            assert self._piece is not None  # noqa: S101  # each item has one of the two
            payload = converter.to_payloads([self._piece.event("".join(self._texts))])[0]
            payload.metadata.update({**metadata, AT_METADATA: str(self._at).encode()})
            self._payload = payload
        return self._payload

    def piece_so_far(self) -> tuple[int, Piece] | None:
        if self._piece is None:
            return None
        return self._at, Piece(self._piece.path, self._piece.block, "".join(self._texts))
