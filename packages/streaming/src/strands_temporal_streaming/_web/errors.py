"""The errors that front ends get, as AG-UI's `RUN_ERROR`."""

from typing import NoReturn

BAD_REQUEST = "BAD_REQUEST"
NOT_ALLOWED = "NOT_ALLOWED"
NOT_FOUND = "NOT_FOUND"
TOO_LARGE = "TOO_LARGE"
UNKNOWN_TOOL = "UNKNOWN_TOOL"
THREAD_ENDED = "THREAD_ENDED"
THREAD_WAITS = "THREAD_WAITS"
NOTHING_WAITS = "NOTHING_WAITS"
NO_STREAM = "NO_STREAM"
UNREACHABLE = "UNREACHABLE"
STREAM_GAP = "STREAM_GAP"


class WebError(Exception):
    """A request cannot be served.

    Attributes:
        code: What is wrong, for programs.
        status: HTTP status, if the response has not begun.
    """

    def __init__(self, message: str, code: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status


def refuse(message: str, code: str = BAD_REQUEST, status: int = 400) -> NoReturn:
    """Raise a `WebError`."""
    raise WebError(message, code, status)
