"""Computes how large values are as payloads.

A workflow task that sends more than the server's limit fails forever. An activity's result above the limit is
lost, and the activity runs again. `_workflow/gate.py` checks what a workflow sends, and `_worker/results.py`
what an activity returns.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec, PayloadConverter

from .values import json_size

LARGEST_PAYLOAD = 2 * 1024 * 1024 - 4096
"""Bytes that a Temporal server by default accepts as one input or result (`limit.blobSize.error`), less some
room for metadata."""

LARGEST_PROGRESS = LARGEST_PAYLOAD // 2
"""Bytes of JSON that one progress value may have. A heartbeat that is too large fails its activity."""

_MOST_GROWTH = 3
"""Largest factor by which a user's converter may exceed plain JSON. With a larger factor, a value that is too
large may go unnoticed."""

_USUAL_GROWTH = (4, 3)
"""Growth that is assumed for a codec that cannot be asked, as numerator and denominator. It is the growth of
base64, which encryption codecs often use."""

CODEC_SECONDS = 1.0
"""Seconds that a workflow waits for the codec in one workflow task, in total. Temporal reports a deadlock
after two."""


@dataclass(frozen=True)
class WireFormat:
    """The payload conversion of a worker's client. Tells how large a workflow's payloads are when sent.

    Attributes:
        converter: The client's data converter, with its codec and external storage.
        loop: The worker's event loop, on which the codec runs.
        thread: The event loop's thread.
    """

    converter: DataConverter
    loop: asyncio.AbstractEventLoop | None
    thread: int

    @classmethod
    def of(cls, client: Client) -> "WireFormat":
        """Return the wire format of a client. Call it while the worker is created."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # created before there is an event loop
            loop = None
        return cls(client.config(active_config=True)["data_converter"], loop, threading.get_ident())

    def size(self, payloads: Sequence[Payload], seconds: float) -> int:
        """Return how many bytes the client sends for payloads; 0 if they go to external storage.

        Call it in a workflow. It waits at most `seconds` for a codec.
        """
        plain = Payloads(payloads=payloads).ByteSize()
        if self.converter.external_storage is not None:
            return 0
        codec = self.converter.payload_codec
        if codec is None:
            return plain
        times, by = _USUAL_GROWTH
        return self._encoded_size(codec, payloads, seconds) or plain * times // by

    def _encoded_size(self, codec: PayloadCodec, payloads: Sequence[Payload], seconds: float) -> int | None:
        loop = self.loop
        if loop is None or not loop.is_running() or self.thread == threading.get_ident() or seconds <= 0:
            return None
        encoding = asyncio.run_coroutine_threadsafe(codec.encode(payloads), loop)
        try:
            return Payloads(payloads=encoding.result(seconds)).ByteSize()
        except Exception:  # noqa: BLE001  # a timeout; the client reports any other error when it encodes
            encoding.cancel()
            return None


def may_fit(size: int) -> bool:
    """Tell whether a value of `size` bytes of JSON fits, even with a converter or codec that enlarges it."""
    return 0 < size <= LARGEST_PAYLOAD // _MOST_GROWTH


async def update_size(value: Any, converter: DataConverter) -> int:
    """Return how many bytes a client sends for an update's argument; 0 if it surely fits, or goes elsewhere.

    The server takes updates of up to 4 MiB. A worker can neither accept nor refuse one above
    `LARGEST_PAYLOAD`: its workflow task fails as long as the update waits (temporalio 1.35).
    """
    if may_fit(json_size(value)) or converter.external_storage is not None:
        return 0
    payloads = payloads_of([value], converter.payload_converter)
    if converter.payload_codec is not None:
        payloads = await converter.payload_codec.encode(payloads)
    return Payloads(payloads=payloads).ByteSize()


def payloads_of(values: Sequence[Any], converter: PayloadConverter) -> Sequence[Payload]:
    """Return the payloads of values; none if the converter refuses a value. Temporal reports that later."""
    try:
        return converter.to_payloads(values)
    except Exception:  # noqa: BLE001  # the user's converter and objects
        return ()
