"""Keeps the failures of agents' activities small enough for the server to show.

When the server retries an activity, it keeps at most 4 KB of the last failure. For a larger failure,
operators read only `Failure exceeds size limit.`. An exception of a provider's SDK is larger, because each of
its causes has a stack trace.
"""

import json
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Any

from temporalio import activity, worker
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter
from temporalio.exceptions import ApplicationError, FailureError
from typing_extensions import override

from .._wire.failure_sizes import origin_of, text_of, with_text
from .._wire.tool_call import HOOK_HEADER, TOOL_HEADER

_SHOWN = 3072
"""Largest size in bytes of a failure that leaves this interceptor. The layers around this interceptor (a
user's interceptors, a codec) add to the failure's stack trace and size."""

_TEXT, _CAUSES_TEXT, _DETAILS = 1400, 200, 400  # characters of the message, characters of a cause's, bytes
_CAUSES, _FRAMES = 3, 2


class SmallFailures(worker.Interceptor):
    """Shortens the failure of an agent's activity to what the server shows, if another attempt follows.

    The failure of the last attempt goes into history unchanged, if it can be encoded.
    """

    @override
    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        return _SmallFailures(next)


class _SmallFailures(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except Exception as error:
            small = small_failure(error, final=_is_final(error)) if _of_an_agent(input) else None
            if small is None:
                raise
            activity.logger.warning("The attempt failed; the server gets a shorter failure", exc_info=error)
            raise small from small.__cause__


def small_failure(error: Exception, *, final: bool) -> ApplicationError | None:
    """Return the failure to send in place of `error`, or None if `error` can be sent as it is.

    The new failure has the same type, message and first causes, with long texts cut, and only the end of the
    stack trace.

    Args:
        error: The exception that an attempt raised.
        final: Whether this was the last attempt. The error of the last attempt is replaced only if it cannot
            be encoded.
    """
    if isinstance(error, FailureError) and not isinstance(error, ApplicationError):
        return None
    size = _size(error)
    if size is not None and (final or size <= _SHOWN):
        return None
    links = [_brief(link, _CAUSES_TEXT) for link in islice(_causes(error), _CAUSES)]
    small = _brief(error, _TEXT)
    for outer, inner in zip([small, *links], links, strict=False):
        outer.__cause__ = inner
    return small.with_traceback(_innermost(error.__traceback__))


def _brief(error: BaseException, length: int) -> ApplicationError:
    if not isinstance(error, ApplicationError):
        return ApplicationError(_cut(text_of(error), length), type=type(error).__name__)
    return with_text(error, _cut(error.message, length), keep_details=_is_small(error.details))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the causes of `error` in Temporal's order, without repetitions."""
    said, seen = {_said(error)}, {id(error)}
    link = origin_of(error)
    while link is not None and id(link) not in seen:  # the causes may form a cycle
        seen.add(id(link))
        if _said(link) not in said:
            said.add(_said(link))
            yield link
        link = origin_of(link)


def _said(error: BaseException) -> tuple[str | None, str]:
    if isinstance(error, ApplicationError):
        return error.type, error.message
    return type(error).__name__, text_of(error)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}... ({len(text):,} characters)"


def _innermost(traceback: TracebackType | None) -> TracebackType | None:
    """Return the end of a traceback: where the error was raised."""
    frames: list[TracebackType] = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames[-_FRAMES:][0] if frames else None


def _is_small(details: object) -> bool:
    try:
        return len(json.dumps(details)) <= _DETAILS
    except (TypeError, ValueError, RecursionError):
        return False


def _size(error: Exception) -> int | None:
    """Return about how many bytes the failure would have; None if it cannot be encoded."""
    failure = Failure()
    try:
        DefaultFailureConverter().to_failure(error, activity.payload_converter(), failure)
    except Exception:  # noqa: BLE001  # for example, a text is not UTF-8, or the causes form a cycle
        return None
    return failure.ByteSize()


def _is_final(error: Exception) -> bool:
    """Tell whether the attempt was the last one, as far as the worker knows."""
    if isinstance(error, ApplicationError) and error.non_retryable:
        return True
    info = activity.info()
    policy = info.retry_policy
    if policy is None:
        return False
    type_ = error.type if isinstance(error, ApplicationError) else type(error).__name__
    return type_ in (policy.non_retryable_error_types or ()) or 0 < policy.maximum_attempts <= info.attempt


def _of_an_agent(input: worker.ExecuteActivityInput) -> bool:
    """Tell whether an agent started the activity: a user's tool or hook, or one of our own activities."""
    if TOOL_HEADER in input.headers or HOOK_HEADER in input.headers:
        return True
    return str(input.fn.__module__).startswith("strands_temporal")
