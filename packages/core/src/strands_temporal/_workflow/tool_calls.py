"""Calls the activity behind a tool, and calls it again after each interrupt that has an answer."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from strands import ToolContext
from strands.interrupt import InterruptException
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from .._wire.tool_call import PROGRESS_HEADER, ToolOutcome
from .._wire.tool_failures import from_tool_failure
from .activities import execute_activity
from .agent_watch import note_attempt, tool_call_summary
from .current_tool import TOOL_PROGRESS
from .held_context import ContextPayload, held_context
from .idempotency import idempotency_key, tool_header
from .options import ActivityOptions
from .tool_context import resolve_interrupt, tool_context_payload


async def call_tool_activity(
    activity_type: str,
    context: "ToolContext[Any]",
    given: Mapping[str, Any],
    arguments: Callable[[dict[str, Any]], list[Any]],
    options: ActivityOptions,
    *,
    state: dict[str, Any] | None,
    complete: bool = True,
) -> Any:
    """Return the value of the activity that answers a tool call.

    If the activity raises an interrupt that has an answer, the activity is scheduled again with the answer.

    Args:
        activity_type: Activity type.
        context: The call, as Strands gives it to a tool.
        given: The tool's validated arguments, which are part of the idempotency key.
        arguments: Makes the activity's arguments from the values of its `ToolContext`.
        options: Activity options.
        state: The invocation state to send; None for an activity without a context.
        complete: Whether the worker has `StrandsPlugin`, and can ask for a large context.

    Raises:
        AgentCancelledError: If the agent's cancel signal was set before the activity returned a result.
        InterruptException: If an interrupt has no answer yet.
        Exception: The exception that `from_tool_failure` makes of the activity's failure.
    """
    options = {"summary": tool_call_summary(context.agent, context.tool_use), **options}
    key = idempotency_key(context, given)
    with _crossing(context, state, complete) as (payload, held):
        header = tool_header(key, context, activity_type, held)
        while True:
            try:
                value = await execute_activity(
                    activity_type,
                    arguments(payload),
                    options,
                    restore=from_tool_failure,
                    cancel_signal=context.cancel_signal,
                    tool_header=header,
                    headers=_progress_header(),
                )
            except InterruptException as error:  # noqa: PERF203  # a try for each question
                payload["answers"] = resolve_interrupt(context, error, payload.get("answers", {}))
            else:
                outcome = ToolOutcome.from_wire(value)
                if outcome is not None:
                    note_attempt(context.agent, context.tool_use["toolUseId"], outcome.attempt)
                return value


def _progress_header() -> dict[str, Payload]:
    about = TOOL_PROGRESS.get()
    return {} if about is None else {PROGRESS_HEADER: PayloadConverter.default.to_payload(about)}


def _crossing(
    context: "ToolContext[Any]", state: dict[str, Any] | None, complete: bool
) -> "contextlib.AbstractContextManager[ContextPayload]":
    if state is None:  # keeps the answers here; the activity does not get them
        return contextlib.nullcontext(ContextPayload({}, None))
    return held_context(tool_context_payload(context, state), complete=complete)
