"""Finds a call of an agent that workflow code did not await.

Such a workflow would complete with the text "<coroutine object ...>" as its result, or fail its workflow task
forever with "'coroutine' object has no attribute ...".
"""

import inspect
import re
from typing import Any

from .._errors import AgentTypeError, coded

_SHOWN = re.compile(r"<(?:coroutine|async_generator) object (?:\w+\.)*(\w+) at 0x[0-9a-f]+>")
"""How Python shows a coroutine in a string."""

_CALLS = frozenset({"invoke_async", "stream_async", "structured_output_async", "run"})
_PACKAGES = ("strands", "strands_temporal", "strands_temporal_hitl", "strands_temporal_mcp")


def check_awaited(result: object, what: str) -> None:
    """Refuse a result that is, or shows, a call of an agent that was not awaited.

    Args:
        result: The result of a workflow or of an update.
        what: Name of the function that returned it, for the message.

    Raises:
        AgentTypeError: The result is such a call.
    """
    call = _call_of(result)
    if call is None and isinstance(result, str) and (shown := _SHOWN.fullmatch(result)):
        call = shown[1] if shown[1] in _CALLS else None
    if call is not None:
        raise AgentTypeError(_text(what, call))


def unawaited_error(error: BaseException) -> RuntimeError | None:
    """Return a clearer error if `error` is an `AttributeError` of a call that was not awaited, else None.

    The new error fails the workflow task, as the `AttributeError` does, so that a deploy can fix the code.
    """
    if isinstance(error, AttributeError) and (call := _call_of(error.obj)):
        return RuntimeError(_text("The workflow", call))
    return None


def _call_of(value: Any) -> str | None:
    """Return the name of the call if `value` is a coroutine of Strands or of this package."""
    if inspect.iscoroutine(value):
        frame, name = value.cr_frame, value.__name__
    elif inspect.isasyncgen(value):
        frame, name = value.ag_frame, value.__name__
    else:
        return None
    package = "" if frame is None else str(frame.f_globals.get("__name__")).partition(".")[0]
    return name if package in _PACKAGES else None


def _text(what: str, call: str) -> str:
    how = "async for event in" if call == "stream_async" else "await"
    owner = "approvals" if call == "run" else "agent"
    text = f"{what} used {call}(...) without awaiting it. Write `{how} {owner}.{call}(...)`"
    return coded("ST107", text)
