"""Turns the value that an activity returned into the result of a tool call.

Strands' own decorator makes the result from the object itself. So a string, a dict, a Pydantic model or a
complete tool result gives the same result as in a plain agent.
"""

from typing import Any

from strands import ToolContext, tool

from .._wire.failure_sizes import text_of
from .._wire.sizes import LARGEST_PAYLOAD
from .._wire.tool_call import ToolOutcome
from .._wire.tool_failures import ToolResultError
from .._wire.values import encode
from .results import result_size


@tool(context=True)
async def _returned(tool_context: "ToolContext[Any]") -> Any:
    """Return the given value. Strands' decorator around it turns the value into a tool's result."""
    return tool_context.invocation_state["value"]


async def outcome_of(value: Any, state: dict[str, Any] | None) -> dict[str, Any]:
    """Return the answer to send to the workflow for the value that a tool's activity returned.

    Args:
        value: The value that the activity returned.
        state: The activity's changes to the agent's state and the invocation state, as in
            `ToolOutcome.state`.

    Raises:
        ToolResultError: If `value` is a complete tool result with something that cannot be sent, or if the
            result is too large.
    """
    result = await _strands_result(value)
    try:
        wire = encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolResultError(f"The tool's result cannot cross to the workflow. {text_of(error)}") from error
    match wire:
        case {"status": "success", "content": [{"text": text, **more_of_block}], **more} if not (
            more or more_of_block
        ):
            answer = ToolOutcome(text=text, state=state).to_wire()
        case _:
            answer = ToolOutcome(result=wire, state=state).to_wire()
    size = await result_size(answer)
    if size > LARGEST_PAYLOAD:
        raise ToolResultError(
            f"The tool's result is too large for Temporal: {size:,} bytes, at most {LARGEST_PAYLOAD:,}"
        )
    return answer


async def _strands_result(value: Any) -> dict[str, Any]:
    use: Any = {"toolUseId": "", "name": _returned.tool_name, "input": {}}
    result: dict[str, Any] = {}
    async for event in _returned.stream(use, {"agent": None, "value": value}):
        result = dict(event.tool_result)
    result.pop("toolUseId", None)
    return result
