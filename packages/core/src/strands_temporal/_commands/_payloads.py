"""Reads payloads of a history through the client's data converter, and notes what it cannot read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

_BATCH = 100  # payloads in one call of a codec, which may be a remote one
_BATCH_BYTES = 2_000_000


@dataclass(frozen=True)
class Unreadable:
    """Stands for a value that the data converter cannot read.

    Attributes:
        encoding: The encoding that the payload states.
        size: Its bytes.
        error: What the converter said.
    """

    encoding: str
    size: int
    error: str

    def __str__(self) -> str:
        return f"(cannot be read: {self.encoding}, {self.size:,} bytes)"


class PayloadReader:
    """Decodes payloads in batches: a remote codec gets few requests.

    Args:
        converter: The data converter, with its codec.
    """

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._wanted: list[Payload] = []
        self._values: list[Any] = []
        self._faults: Counter[tuple[str, str]] = Counter()
        self.read_values = 0

    def want(self, payloads: Sequence[Payload]) -> range:
        """Remember payloads to be read, and return the places of their values."""
        start = len(self._wanted)
        self._wanted += payloads
        return range(start, len(self._wanted))

    async def read(self) -> None:
        """Read all payloads that are wanted and not yet read."""
        while len(self._values) < len(self._wanted):
            start = stop = len(self._values)
            size = 0
            while stop < len(self._wanted) and stop - start < _BATCH and size < _BATCH_BYTES:
                size += self._wanted[stop].ByteSize()
                stop += 1
            self._values += await self._decoded(self._wanted[start:stop])

    def values(self, places: range) -> list[Any]:
        """Return the values at these places; `Unreadable` for one that cannot be read."""
        return [self._values[place] for place in places]

    def faults(self) -> list[dict[str, Any]]:
        """Return what could not be read: encoding, error and number of the values."""
        return [
            {"encoding": encoding, "error": error, "values": count}
            for (encoding, error), count in self._faults.most_common()
        ]

    async def _decoded(self, payloads: Sequence[Payload]) -> list[Any]:
        try:
            values = await self._converter.decode(payloads)
        except Exception as error:  # noqa: BLE001  # the user's converter or codec may raise anything
            if len(payloads) > 1:
                return [value for payload in payloads for value in await self._decoded([payload])]
            (payload,) = payloads
            encoding = payload.metadata.get("encoding", b"no encoding").decode(errors="replace")
            text = str(error) or type(error).__name__
            self._faults[encoding, text] += 1
            return [Unreadable(encoding, payload.ByteSize(), text)]
        self.read_values += len(payloads)
        return values
