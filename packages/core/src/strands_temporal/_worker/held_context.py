"""Completes a tool's context with the parts that the workflow held back."""

from collections.abc import Mapping
from typing import Any

from temporalio.api.common.v1 import Payload

from .._wire.reading import header_value
from .._wire.tool_call import HELD_HEADER
from .._wire.tool_context import HELD_PARTS, ToolContext
from .._wire.values import decode
from .transcript_queries import TranscriptQueries


async def complete_context(
    context: ToolContext, headers: Mapping[str, Payload], queries: TranscriptQueries
) -> None:
    """Ask the workflow for the parts that it holds, and put these parts into the context."""
    held = headers.get(HELD_HEADER)
    if held is None:
        return
    told: dict[str, Any] = await queries.held(header_value(held, "The header of a tool's context"))
    for name in HELD_PARTS:
        if name in told:
            setattr(context, name, decode(told[name]))
