"""The messages of clients about client calls: their form, and how one is refused."""

from typing import Any, cast

from temporalio.exceptions import ApplicationError

from .._wire.client_tools import MALFORMED

_LONGEST_CLAIM = 3_600.0  # seconds
_INFINITY = float("inf")

_LONGEST_NAME = 1_000
"""Most characters of a client's name: records keep it, and go into the next run."""

_LONGEST_QUOTE = 200


def refusal(kind: str, message: str) -> ApplicationError:
    """Return the error with which a client's message is refused."""
    return ApplicationError(message, type=kind, non_retryable=True)


def claim_of(message: Any) -> tuple[str, str, float]:
    """Return a call's id, the client that wants to run it, and for how many seconds. Zero gives it back.

    Raises:
        ApplicationError: If the message is malformed.
    """
    given = _object(message, "id", "by")
    seconds = given.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < _INFINITY:
        raise refusal(MALFORMED, f"A claim needs 'seconds', a number from 0 on, not {quoted(seconds)}")
    return given["id"], given["by"], float(min(seconds, _LONGEST_CLAIM))  # an integer may be too large for it


def result_of(message: Any) -> dict[str, Any]:
    """Return a message that has the `id` of a call and either its `result` or its `error`.

    Raises:
        ApplicationError: If the message is malformed.
    """
    given = _object(message, "id")
    if ("result" in given) == ("error" in given):
        raise refusal(MALFORMED, "Send either 'result', a JSON value, or 'error', a text")
    if "error" in given and not isinstance(given["error"], str):
        raise refusal(MALFORMED, f"'error' is a text, not {quoted(given['error'])}")
    return given


def refused_of(message: Any) -> dict[str, Any]:
    """Return a message that has the `id` of a call that a client declines, and perhaps its `reason`.

    Raises:
        ApplicationError: If the message is malformed.
    """
    given = _object(message, "id")
    if not isinstance(given.get("reason", ""), str):
        raise refusal(MALFORMED, f"'reason' is a text, not {quoted(given['reason'])}")
    return given


def quoted(value: Any) -> str:
    """Return a value of a message as a refusal shows it. One that is too large fails the workflow task."""
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def _object(message: Any, *texts: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise refusal(MALFORMED, f"{quoted(message)} is not an object with {', '.join(map(repr, texts))}")
    given = cast("dict[str, Any]", message)
    for name in texts:
        if not isinstance(given.get(name), str) or not given[name]:
            raise refusal(MALFORMED, f"{name!r} is a text, not {quoted(given.get(name))}")
    by = given.get("by")
    if isinstance(by, str) and len(by) > _LONGEST_NAME:
        raise refusal(
            MALFORMED, f"'by' has {len(by):,} characters. A client's name has {_LONGEST_NAME} at most"
        )
    return given
