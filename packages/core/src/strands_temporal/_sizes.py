"""Sizes of what goes through Temporal's history: refused here, with a reason, before the server refuses it.

A payload above the server's limit ends a workflow that sends it, with no chance to react, and lets an
activity that returns it fail without a word.
"""

import json
from typing import Any

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payloads
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

from ._errors import AgentValueError
from ._types import MODEL_CALL_TOO_LARGE, ModelCall

LARGEST_PAYLOAD = 2 * 1024 * 1024 - 4096
"""Bytes that a Temporal server takes as one input or result by default (`limit.blobSize.error`), less room
for what goes with it. A constant: the decision must be the same at each replay."""

_LARGEST_MESSAGE = 4 * 1024 * 1024 - 4096
"""Bytes of a whole request by gRPC's default. A result above never arrives, and its activity times out."""

_LARGEST_ESCAPE = 3
"""The default converter escapes what is not ASCII: at most three bytes for one of UTF-8."""


class ModelCallTooLargeError(AgentValueError):
    """A model call is larger than Temporal takes: said before the server ends the workflow."""

    failure_type = MODEL_CALL_TOO_LARGE


def check_call(owner: str, call: ModelCall) -> None:
    """Refuse a call that the server would end the workflow for. Runs in the workflow.

    Raises:
        ModelCallTooLargeError: If its payload is larger than `LARGEST_PAYLOAD`.
    """
    size = _size(call.to_wire(), workflow.payload_converter())
    if size <= LARGEST_PAYLOAD:
        return
    raise ModelCallTooLargeError(
        f"{owner}: a call of {size:,} bytes is too large for Temporal, which takes {LARGEST_PAYLOAD:,}. The "
        "conversation does not count: keep invocation_state and the model's own state smaller"
    )


async def check_result(what: str, result: Any, failure_type: str, advice: str) -> None:
    """Refuse a result that the server refuses without a word. Runs in the activity.

    Args:
        what: What is too large, for the message.
        result: What the activity is about to return.
        failure_type: Type of the failure.
        advice: How to make it smaller, as the beginning of a sentence.

    Raises:
        ApplicationError: Not retryable, as another attempt costs as much and its result may be as large.
    """
    size = await result_size(result)
    if size > LARGEST_PAYLOAD:
        raise ApplicationError(
            f"{what} is too large for Temporal: {size:,} bytes, at most {LARGEST_PAYLOAD:,}. {advice}, or "
            "give the client a payload codec that compresses, or external storage",
            type=failure_type,
            non_retryable=True,
        )


async def result_size(value: Any) -> int:
    """Return how many bytes an activity's result has on its way to the server; 0 where they go elsewhere.

    In a plain activity, which is not told what its client does to payloads, 0 stands for a result that the
    server itself refuses with a word.
    """
    size = _size(value, activity.payload_converter())
    if size <= LARGEST_PAYLOAD:
        return size
    try:
        converter = activity.client().config(active_config=True)["data_converter"]
    except RuntimeError:
        return size if size > _LARGEST_MESSAGE else 0
    if converter.external_storage is not None:
        return 0
    if converter.payload_codec is not None:  # one that compresses may make it fit
        return Payloads(payloads=await converter.encode([value])).ByteSize()
    return size


def _size(value: Any, converter: PayloadConverter) -> int:
    """Return the payload's size; exactly where it may matter, else what JSON needs at least."""
    least = len(json.dumps(value, default=vars, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if least * _LARGEST_ESCAPE <= LARGEST_PAYLOAD:
        return least
    return Payloads(payloads=converter.to_payloads([value])).ByteSize()
