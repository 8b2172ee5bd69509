"""Keeps the failures of agents' activities small enough for the server to show.

The server keeps at most 4 KB of the failure after which it retries an activity. For a larger one operators
read `Failure exceeds size limit.`; a provider SDK's exception is larger, with a stack trace for each cause.
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
"""Bytes that a failure may have where it leaves this interceptor. What stands around it (a user's
interceptors, a codec) adds to its stack trace and size."""

_TEXT, _CAUSES_TEXT, _DETAILS = 1400, 200, 400  # characters of a message and of a cause's, bytes of details
_CAUSES, _FRAMES = 3, 2


class SmallFailures(worker.Interceptor):
    """Makes the failures of agents' activities as small as the server shows them, as long as it tries again.

    What the last attempt raised goes into history as it is, if it can be encoded at all.
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
            activity.logger.warning("The attempt failed; the server gets a shorter account", exc_info=error)
            raise small from small.__cause__


def small_failure(error: Exception, *, final: bool) -> ApplicationError | None:
    """Return the failure that is sent in the place of `error`; None if `error` can be sent as it is.

    It has the same type, message and causes, long texts cut, and the end of the stack trace.

    Args:
        error: What an attempt raised.
        final: Whether it was the last attempt. Then only what cannot be encoded is replaced.
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
    """Yield what led to `error`, as Temporal would tell it, but nothing twice."""
    said, seen = {_said(error)}, {id(error)}
    link = origin_of(error)
    while link is not None and id(link) not in seen:  # a user's may go round in a circle
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
    except Exception:  # noqa: BLE001  # whatever of it, a text that is not UTF-8 or a circle of causes
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
    """Tell whether an agent started the activity: for a tool or a hook of the user's, or one of ours."""
    if TOOL_HEADER in input.headers or HOOK_HEADER in input.headers:
        return True
    return str(input.fn.__module__).startswith("strands_temporal")
