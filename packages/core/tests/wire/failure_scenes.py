"""Errors as they arrive from an activity."""

from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter, PayloadConverter
from temporalio.exceptions import ActivityError, RetryState, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

PAYLOAD_CONVERTERS = [DefaultPayloadConverter(), PydanticPayloadConverter()]


class UsersOwnError(Exception):
    """An exception that neither Strands nor Temporal knows."""


def across(error: BaseException, payloads: PayloadConverter = PAYLOAD_CONVERTERS[0]) -> ActivityError:
    """Return the ActivityError whose cause is `error`, converted to Temporal's failure proto and back."""
    converter = DefaultFailureConverter()
    cause = Failure()
    converter.to_failure(error, payloads, cause)
    outer = Failure(message="Activity task failed")
    outer.activity_failure_info.activity_type.name = "invoke_model"
    outer.cause.CopyFrom(Failure.FromString(cause.SerializeToString()))
    received = converter.from_failure(outer, payloads)
    assert isinstance(received, ActivityError)
    return received


def activity_error(state: RetryState = RetryState.NON_RETRYABLE_FAILURE) -> ActivityError:
    """Return an ActivityError without a cause."""
    return ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="w",
        activity_type="invoke_model",
        activity_id="1",
        retry_state=state,
    )


def timed_out() -> ActivityError:
    error = activity_error(RetryState.TIMEOUT)
    error.__cause__ = TemporalTimeoutError("slow", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[])
    return error
