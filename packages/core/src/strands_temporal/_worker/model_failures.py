"""Decides whether a failed model call is worth another attempt, and when.

Strands has its own classes for throttling and overflow. Everything else reaches us as an exception of the
provider's SDK (httpx, openai, anthropic, botocore, ollama, ...). The HTTP status decides, not the class,
because a worker does not have all SDKs installed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any, cast

from strands.types.streaming import StreamEvent
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from .._wire.failure_sizes import text_of
from .._wire.failures import to_application_error

_RETRYABLE_STATUS = frozenset({408, 409, 425, 429})
"""Request timeout, lock conflict, too early, throttled: another attempt may succeed. The same holds for any
status from 500."""

_CLIENT_ERRORS, _SERVER_ERRORS = 400, 500

INCOMPLETE_STREAM = "IncompleteModelStream"
"""Type of the failure for an answer that was cut off without an error."""

_FINAL_CODES = frozenset(
    {
        "accessdeniedexception",
        "authentication_error",
        "invalid_request_error",
        "not_found_error",
        "permission_error",
        "request_too_large",
        "resourcenotfoundexception",
        "validationexception",
    }
)
"""Error codes of Amazon's and Anthropic's streams for which a retry does not help. An error in mid-stream has
no HTTP status."""

_FINAL_CLASSES = frozenset(
    {
        "NoCredentialsError",
        "NoRegionError",
        "ParamValidationError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "UnknownServiceError",
    }
)
"""botocore's exceptions for a wrong configuration or argument. They do not have a status."""

_LONGEST_DELAY = timedelta(minutes=10)
"""Upper limit for `Retry-After`: an activity must not wait in silence until a quota renews tomorrow."""

_AS_SAID = 3
"""After so many attempts the next one comes exactly when the provider says."""

_BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Python's own exceptions for wrong code and values: the next attempt would only repeat them."""


def model_failure(error: Exception) -> FailureError:
    """Return the typed failure for a provider's exception, retryable or not.

    The type is the exception's class name and the message is its text. A delay that the provider asked for
    becomes the next retry delay. The caller should make `error` the failure's cause.
    """
    if isinstance(error, FailureError):
        return error
    delay = retry_delay(error)
    typed = to_application_error(error, next_retry_delay=delay)
    if typed is not None:
        return typed
    retryable = worth_retrying(error)
    return ApplicationError(
        text_of(error),
        type=type(error).__name__,
        non_retryable=not retryable,
        next_retry_delay=delay if retryable else None,
    )


def require_complete(events: Sequence[StreamEvent]) -> None:
    """Raise a retryable failure for a message that began but did not end.

    boto3 treats a lost connection as the end of a stream (if the response has a length), and Strands'
    Anthropic model just stops when its stream is over. Nobody would notice that the rest of the answer is
    missing.
    """
    if any("messageStart" in event for event in events) and not any("messageStop" in e for e in events):
        raise ApplicationError(
            "The model's stream ended before its message did: the connection was cut", type=INCOMPLETE_STREAM
        )


def worth_retrying(error: Exception) -> bool:
    """Tell whether another attempt may succeed after an exception of a provider's SDK."""
    status = next((status for link in _chain(error) if (status := _status(link)) is not None), None)
    if status is not None:
        return status >= _SERVER_ERRORS or status in _RETRYABLE_STATUS
    if isinstance(error, JSONDecodeError):  # a stream that was cut off may end in half a JSON document
        return True
    if any(cls.__name__ in _FINAL_CLASSES for cls in type(error).__mro__):
        return False
    return not isinstance(error, _BUGS) and _code(error) not in _FINAL_CODES


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes: Strands wraps a provider's exception and keeps it as the cause."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _translated(error: BaseException) -> Iterator[BaseException]:
    """Yield the error that `error` replaced, if both have the same status.

    ollama raises such a replacement `from None`, without the headers of the response.
    """
    if error.__suppress_context__ and error.__context__ and _status(error.__context__) == _status(error):
        yield error.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status in `error`, from the attribute that the provider's SDK uses."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore.exceptions.ClientError
        status = cast("Mapping[str, Any]", response).get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        # openai, anthropic and ollama; aiohttp; google-genai; httpx.
        fields = [getattr(error, name, None) for name in ("status_code", "status", "code")]
        fields.append(getattr(response, "status_code", None))
        status = next((field for field in fields if isinstance(field, int)), None)
    # An error in mid-stream has the status of the response that began well (anthropic), or -1 (ollama).
    return status if isinstance(status, int) and status >= _CLIENT_ERRORS else None


def _code(error: BaseException) -> str:
    """Return the code in `error`, as botocore (`response`) and anthropic (`body`) keep it, in lower case."""
    for holder, field, key in (("response", "Error", "Code"), ("body", "error", "type")):
        value: Any = getattr(error, holder, None)
        if isinstance(value, Mapping):
            inner: Any = cast("Mapping[str, Any]", value).get(field)
            if isinstance(inner, Mapping):
                return str(cast("Mapping[str, Any]", inner).get(key, "")).lower()
    return ""


def retry_delay(error: BaseException) -> timedelta | None:
    """Return how long to wait for the next attempt; None for the delay of the activity's retry policy.

    That is what the provider says (`retry_after`). Many agents that share a quota may each be told a second
    again and again, and would have no attempts left after some seconds. So from the fourth attempt on it is
    at least the policy's delay of three attempts before: by default an agent is as patient as a plain one,
    two minutes.
    """
    said = retry_after(error)
    if said is None or not activity.in_activity():
        return said
    info = activity.info()
    number = info.attempt - _AS_SAID
    return max(said, _own_delay(info.retry_policy or RetryPolicy(), number)) if number > 0 else said


def _own_delay(policy: RetryPolicy, attempt: int) -> timedelta:
    """Return the delay that a retry policy has after an attempt."""
    longest = policy.maximum_interval or 100 * policy.initial_interval  # Temporal's default
    try:
        return min(longest, policy.initial_interval * policy.backoff_coefficient ** (attempt - 1))
    except OverflowError:
        return longest


def retry_after(error: BaseException) -> timedelta | None:
    """Return the delay from a `Retry-After` header (RFC 9110, 10.2.3) or OpenAI's `retry-after-ms`.

    It is at most `_LONGEST_DELAY`.
    """
    for link in (*_chain(error), *_translated(error)):
        response: Any = getattr(link, "response", None)
        headers: Any
        if isinstance(response, Mapping):
            headers = cast("Mapping[str, Any]", response).get("ResponseMetadata", {}).get("HTTPHeaders")
        else:
            headers = getattr(response, "headers", None)
        if not hasattr(headers, "get"):
            continue
        delay = _seconds(headers.get("retry-after-ms"), 0.001) or _delay(
            headers.get("retry-after"), headers.get("date")
        )
        if delay is not None:
            return min(delay, _LONGEST_DELAY)
    return None


def _delay(value: object, now: object) -> timedelta | None:
    return _seconds(value, 1) or _until(value, now)


def _seconds(value: object, unit: float) -> timedelta | None:
    try:
        delay = timedelta(seconds=float(str(value)) * unit)
    except (ValueError, OverflowError):
        return None
    return delay if delay > timedelta(0) else None


def _until(value: object, now: object) -> timedelta | None:
    """Return the time until a date, from the answer's own `Date`: the clock of this machine may be wrong."""
    date = _date(value)
    delay = timedelta(0) if date is None else date - (_date(now) or datetime.now(timezone.utc))
    return delay if delay > timedelta(0) else None


def _date(value: object) -> datetime | None:
    try:
        date = parsedate_to_datetime(str(value))
    except (ValueError, TypeError, OverflowError):  # no date: we do not understand the header
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
