"""Refuses an activity's result that is too large, before the server refuses it."""

from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import Payloads
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from .._wire.sizes import LARGEST_PAYLOAD, may_fit, payloads_of
from .._wire.values import json_size
from .client import worker_client


async def check_result(what: str, result: Any, failure_type: str, advice: str) -> None:
    """Refuse a result that is too large for the server, with an error that says so. Runs in the activity.

    Args:
        what: Name of the result, for the message.
        result: The value that the activity is about to return.
        failure_type: Type of the failure.
        advice: How to make the result smaller, as the beginning of a sentence.

    Raises:
        ApplicationError: Not retryable: another attempt costs as much, and its result may be as large.
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
    """Return how many bytes an activity's result has when it is sent; 0 if it goes to external storage."""
    least = json_size(value)
    if may_fit(least):
        return least
    payloads = payloads_of([value], activity.payload_converter())
    try:
        converter = worker_client().config(active_config=True)["data_converter"]
    except RuntimeError:  # a plain activity, on a worker without the plugin
        converter = DataConverter.default
    if converter.external_storage is not None:
        return 0
    if converter.payload_codec is not None:  # a codec that compresses may make it fit
        payloads = await converter.payload_codec.encode(payloads)
    return Payloads(payloads=payloads).ByteSize()


def fits_unencoded(size: int) -> bool:
    """Tell whether `size` bytes, not encoded yet, may fit into an activity's result.

    With a codec or external storage any size may fit.
    """
    if size <= LARGEST_PAYLOAD:
        return True
    try:
        converter = worker_client().config(active_config=True)["data_converter"]
    except RuntimeError:
        converter = DataConverter.default
    return converter.external_storage is not None or converter.payload_codec is not None
