"""Limits how much a workflow sends in one workflow task. Every activity of an agent passes here.

Temporal accepts 2 MiB for one input and 4 MiB for everything that one workflow task sends. Above the first
limit the workflow task fails forever; above the second the server ends the run. So an input that is too large
is refused, and an input that does not fit into this workflow task waits for the next.

A refusal or a wait changes the workflow's next steps, so a patch marker records it in history. A replay
checks the marker, not the size: another release, converter, codec or limit does not change a run in progress.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payloads

from .._errors import (
    ModelCallTooLargeError,
    PayloadTooLargeError,
)
from .._wire.sizes import CODEC_SECONDS, LARGEST_PAYLOAD, WireFormat, may_fit, payloads_of
from .._wire.values import json_size

TASK_BYTES = 5 * 512 * 1024
"""Most bytes that agents send in one workflow task, unless one input alone is larger. The rest of the 4 MiB
is for the codec and for the commands of the user's own workflow code."""

INLINE_BYTES = 64 * 1024
"""Largest size of data that is sent with a call although the worker could ask for it."""

_COMMAND_BYTES = 512  # size of a command without its input
_TICK = timedelta(milliseconds=1)

BY_REFERENCE = "Send less, or pass large data by reference: a path, a URL, a key"


class Gate:
    """Counts how much one run has sent, and decides how much the run may send.

    `run_local(Gate)` returns the gate of the current run.

    Attributes:
        wire: The payload conversion of the worker's client; None if it is not known.
        prepared: Whether the worker has `StrandsPlugin`, whose interceptor prepares the run.
    """

    def __init__(self) -> None:
        self.wire: WireFormat | None = None
        self.prepared = False
        self._passed: Counter[str] = Counter()
        self._at = -1  # length of the history at this workflow task
        self._sent = 0
        self._patience = CODEC_SECONDS  # seconds left for the codec in this workflow task
        self._order = asyncio.Lock()  # first come, first served: a replay has the same order

    async def enter(self, what: str, values: Sequence[Any]) -> None:
        """Check the input of an activity, and wait while this workflow task has no room for it.

        Args:
            what: Name of the activity, for messages.
            values: Its arguments.

        Raises:
            PayloadTooLargeError: If the client would send more than `LARGEST_PAYLOAD` for the arguments.
        """
        call, size = self._check("activity", values, f"{what}: an input", BY_REFERENCE)
        async with self._order:
            size = size or _size_now(values)  # what a replay has checked may be sent after it
            if self._decide(f"strands-temporal-next-task-{call}", lambda: self._is_full(size)):
                await workflow.sleep(_TICK, summary="the next workflow task")
                self._note_task()
                size = size or _size_now(values)
            self._sent += (size or 0) + _COMMAND_BYTES

    def check(self, kind: str, values: Sequence[Any], text: str, advice: str) -> None:
        """Refuse a value that the user's workflow code is about to send, if it is too large.

        Args:
            kind: Kind of command, the same at each replay: "signal done".
            values: The arguments of a command, or its one value.
            text: Name of the value, for the message: "The workflow's result".
            advice: What to do, as a sentence without its full stop.

        Raises:
            PayloadTooLargeError: If the client would send more than `LARGEST_PAYLOAD` for the value.
        """
        self._check(kind, values, text, advice)

    def size(self, values: Sequence[Any]) -> int:
        """Return how many bytes the client sends for values; 0 if they go to external storage.

        A replay may find another size: record what depends on it.
        """
        payloads = payloads_of(values, workflow.payload_converter())
        if self.wire is None:
            return Payloads(payloads=payloads).ByteSize()
        self._note_task()
        began = time.monotonic()
        sent = self.wire.size(payloads, self._patience)
        self._patience -= time.monotonic() - began
        return sent

    def _check(self, kind: str, values: Sequence[Any], text: str, advice: str) -> tuple[int, int | None]:
        """Refuse values that are too large.

        Returns:
            The check's number within its kind, and the JSON size of the values; None in a replay.
        """
        self._passed[kind] += 1
        number, size = self._passed[kind], _size_now(values)
        if not self._decide(
            f"strands-temporal-too-large-{kind}-{number}", lambda: self._is_too_large(values, size)
        ):
            return number, size
        plain = _plain_size(values)
        fault = f"of {plain:,} bytes is too large for Temporal, which takes {LARGEST_PAYLOAD:,}"
        if plain <= LARGEST_PAYLOAD:
            fault = (
                f"of {plain:,} bytes is too large for Temporal: the client's payload codec makes more of it "
                f"than the {LARGEST_PAYLOAD:,} that fit"
            )
        raise PayloadTooLargeError(f"{text} {fault}. {advice}")

    def _is_too_large(self, values: Sequence[Any], size: int | None) -> bool:
        if size is not None and may_fit(size):
            return False
        return self.size(values) > LARGEST_PAYLOAD

    def _is_full(self, size: int | None) -> bool:
        """Tell whether this workflow task has no room for `size` bytes more."""
        self._note_task()
        return bool(self._sent) and self._sent + (size or 0) > TASK_BYTES

    def _note_task(self) -> None:
        """Reset the counters if a new workflow task has begun."""
        at = workflow.info().get_current_history_length()
        if at != self._at:
            self._at, self._sent, self._patience = at, 0, CODEC_SECONDS

    def _decide(self, marker: str, now: Callable[[], bool]) -> bool:
        """Return the result of `now` the first time, and the recorded result at each replay."""
        if workflow.unsafe.is_replaying():
            return workflow.patched(marker)
        return now() and workflow.patched(marker)


def check_call(owner: str, wire: Mapping[str, Any]) -> None:
    """Refuse a model call that is too large before the client encodes it.

    Args:
        owner: Name of the model's handle, for messages.
        wire: The call as it is sent.

    Raises:
        ModelCallTooLargeError: If the call's payload is larger than `LARGEST_PAYLOAD`.
    """
    if may_fit(json_size(wire)):
        return
    size = _plain_size([wire])
    if size <= LARGEST_PAYLOAD:
        return
    raise ModelCallTooLargeError(
        f"{owner}: a call of {size:,} bytes is too large for Temporal, which takes {LARGEST_PAYLOAD:,}. The "
        "conversation does not count: keep invocation_state and the model's own state smaller"
    )


def _size_now(values: Sequence[Any]) -> int | None:
    """Return the JSON size of values; None in a replay, which asks the history and not the size."""
    return None if workflow.unsafe.is_replaying() else json_size(values)


def _plain_size(values: Sequence[Any]) -> int:
    return Payloads(payloads=payloads_of(values, workflow.payload_converter())).ByteSize()
