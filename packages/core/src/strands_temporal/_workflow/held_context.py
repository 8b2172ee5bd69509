"""Holds the large parts of a tool's context in the workflow; the worker asks for them by query.

Agent state and invocation state may be large. Sent with each tool call, they would enter history each time.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from .._wire.tool_call import HELD_HEADER
from .._wire.tool_context import HELD_PARTS
from .transcripts import SentTranscripts


class ContextPayload(NamedTuple):
    """A tool's context as it is sent.

    Attributes:
        wire: The values of a `ToolContext`, without those held in the workflow. Answers may be added to it.
        headers: Headers for the activity. They tell the worker how to ask for the held values.
    """

    wire: dict[str, Any]
    headers: dict[str, Payload]


@contextmanager
def held_context(context: Mapping[str, Any], *, complete: bool = True) -> Generator[ContextPayload]:
    """Yield a tool's context as it is sent. During the block the worker can ask for the large values.

    Args:
        context: The mapping that `tool_context_payload` returned.
        complete: Whether the worker has `StrandsPlugin`, which completes the context. Otherwise all values
            are sent.
    """
    large = {name: context[name] for name in HELD_PARTS if context.get(name)} if complete else {}
    with SentTranscripts.of_this_run().hold(large) as held:
        if held is None:
            yield ContextPayload(dict(context), {})
            return
        wire = {name: value for name, value in context.items() if name not in large}
        yield ContextPayload(wire, {HELD_HEADER: PayloadConverter.default.to_payload(held)})
