"""Cuts failures down to a size that Temporal accepts: shorter texts, no causes that are too large.

The server replaces an activity's failure above 2 MiB with a remark about its size. One above 4 MiB never
arrives, and the activity times out. A workflow's failure above 2 MiB fails its workflow task forever.
"""

from typing import cast

from temporalio.exceptions import ApplicationError

from .values import json_size, utf8_text

LONGEST_TEXT = 100_000
"""Most characters that an error's text may have. A failure may hold the text several times, in its causes."""

LARGEST_FAILURE = 4 * LONGEST_TEXT
"""Most characters that a failure may have with its causes and details. Temporal's limit is higher and leaves
room for stack traces, escapes and a codec."""


def text_of(error: BaseException) -> str:
    """Return the text of `error`, cut to size, or its class name if the text is empty.

    Parts of the text that are not UTF-8 are escaped.
    """
    return cut(utf8_text(str(error) or type(error).__name__))


def origin_of(error: BaseException) -> BaseException | None:
    """Return the cause of `error`, else its context, as Python and Temporal show it."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def is_sendable(error: BaseException) -> bool:
    """Tell whether Temporal accepts `error`, with its causes, as a failure."""
    size, link, seen = 0, cast("BaseException | None", error), set[int]()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        size += len(str(link))
        if isinstance(link, ApplicationError):
            size += len(link.message) + json_size(link.details)
        link = link.__cause__
    return size <= LARGEST_FAILURE


def shortened(error: Exception) -> ApplicationError:
    """Return `error` as a failure of the same type that Temporal accepts: text cut, causes left out."""
    if not isinstance(error, ApplicationError):
        return ApplicationError(text_of(error), type=type(error).__name__)
    return with_text(error, cut(error.message), keep_details=json_size(error.details) <= LONGEST_TEXT)


def with_text(error: ApplicationError, text: str, *, keep_details: bool) -> ApplicationError:
    """Return a failure like `error` with a different text, without its causes."""
    return ApplicationError(
        text,
        *(error.details if keep_details else ()),
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )


def cut(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    left_out = len(text) - LONGEST_TEXT
    half = LONGEST_TEXT // 2
    return f"{text[:half]}... ({left_out:,} characters left out: too large for Temporal) ...{text[-half:]}"
