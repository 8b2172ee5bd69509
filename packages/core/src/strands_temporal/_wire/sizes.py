"""How large values are on their way through Temporal.

Above the server's limit a workflow task fails forever, and an activity's result is lost and its work done
again. `_workflow/gate.py` checks what a workflow sends; `_worker/results.py` what an activity returns.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec, PayloadConverter

LARGEST_PAYLOAD = 2 * 1024 * 1024 - 4096
"""Bytes that a Temporal server takes as one input or result by default (`limit.blobSize.error`), less room
for what goes with it."""

LARGEST_PROGRESS = LARGEST_PAYLOAD // 2
"""Bytes of JSON that one progress value may have: a heartbeat that is too large fails its activity."""

_MOST_GROWTH = 3
"""By how much a converter of a user's own may at most exceed plain JSON for its sizes to be seen in time."""

_USUAL_GROWTH = (4, 3)
"""What a codec is taken to do to a payload where it cannot be asked: base64, as encryption is often sent."""

CODEC_SECONDS = 1.0
"""How long a workflow waits for the codec in one workflow task, over all that it sends there: Temporal takes
two seconds for a deadlock."""


@dataclass(frozen=True)
class WireFormat:
    """What a worker's client does to payloads: how large what a workflow sends is in the end.

    Attributes:
        converter: The client's data converter, with its codec and external storage.
        loop: The worker's event loop, on which the codec runs.
        thread: That loop's thread.
    """

    converter: DataConverter
    loop: asyncio.AbstractEventLoop | None
    thread: int

    @classmethod
    def of(cls, client: Client) -> "WireFormat":
        """Return a client's. Called while a worker is made."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # made before there is a loop
            loop = None
        return cls(client.config(active_config=True)["data_converter"], loop, threading.get_ident())

    def size(self, payloads: Sequence[Payload], seconds: float) -> int:
        """Return how many bytes payloads have as the client sends them, 0 if they go elsewhere.

        For a workflow: waits `seconds` for a codec, at most.
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
        except Exception:  # noqa: BLE001  # a time-out; what else is wrong the client says where it encodes
            encoding.cancel()
            return None


def may_fit(size: int) -> bool:
    """Tell whether a value with so many bytes of JSON fits, whatever becomes of it on the way."""
    return 0 < size <= LARGEST_PAYLOAD // _MOST_GROWTH


def payloads_of(values: Sequence[Any], converter: PayloadConverter) -> Sequence[Payload]:
    """Return the payloads of values; none where the converter refuses one, as Temporal will say."""
    try:
        return converter.to_payloads(values)
    except Exception:  # noqa: BLE001  # the user's converter and objects
        return ()
