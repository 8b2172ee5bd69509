"""Holds parts of a tool's context in the workflow; the worker has them, or asks for them by query.

Agent state and invocation state would enter history with each call of a tool. So what is large is never sent,
and what a worker got with an earlier call of this run is not sent again.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._wire.tool_context import HELD_PARTS
from .transcripts import SentTranscripts


class ContextPayload(NamedTuple):
    """A tool's context as it is sent.

    Attributes:
        wire: The values of a `ToolContext`, without those held in the workflow. Answers may be added to it.
        held: Number and digest by which the worker asks for the held values; None if nothing is held.
    """

    wire: dict[str, Any]
    held: list[Any] | None


@contextmanager
def held_context(context: Mapping[str, Any], *, complete: bool = True) -> Generator[ContextPayload]:
    """Yield a tool's context as it is sent. During the block the worker can ask for the held values.

    Args:
        context: The mapping that `tool_context_payload` returned.
        complete: Whether the worker has `StrandsPlugin`, which completes the context. Otherwise all values
            are sent.
    """
    if not complete:
        yield ContextPayload(dict(context), None)
        return
    parts = {name: context[name] for name in HELD_PARTS if context.get(name)}
    with SentTranscripts.of_this_run().hold(parts, kept=True) as held:
        wire = {name: value for name, value in context.items() if value and (not held or name not in parts)}
        yield ContextPayload(wire, held)
