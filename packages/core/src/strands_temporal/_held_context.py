"""The parts of a tool's context that need not go along: they cross otherwise, or the worker asks for them.

Agent state and invocation state may be large, and each tool call would bring them into history again. A
tool's input stands there already, as the activity's arguments.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from temporalio import worker
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from ._tool_context import ToolContext
from ._transcript_query import TranscriptQueries
from ._transcripts_sent import SentTranscripts
from ._types import BESIDE_HEADER, HELD_HEADER
from ._wire import decode

_PARTS = ("invocation_state", "state")
_SHORT_TEXT = 128  # a text that is shorter may cross twice


class CrossingContext(NamedTuple):
    """A tool's context as it crosses.

    Attributes:
        wire: The values of a `ToolContext`, what crosses otherwise left out. Answers may be put into it.
        headers: Headers for the activity, by which the worker completes the context.
    """

    wire: dict[str, Any]
    headers: dict[str, Payload]


@contextmanager
def crossing_context(
    context: Mapping[str, Any], *, arguments: Mapping[str, Any] | None = None, complete: bool = True
) -> Generator[CrossingContext]:
    """Yield a tool's context as it crosses; the worker asks for what is large of it in the block.

    Args:
        context: What `wire_context` returned.
        arguments: Texts among the activity's arguments, by name; None if the input crosses in the context.
        complete: The worker has `StrandsPlugin`, which completes the context; else all goes along.
    """
    if not complete:
        yield CrossingContext(dict(context), {})
        return
    tool_use: dict[str, Any] = dict(context["tool_use"])
    wire, headers = {**context, "tool_use": tool_use}, dict[str, Payload]()
    large = {name: context[name] for name in _PARTS if context.get(name)}
    if arguments is not None:
        tool_use["input"], beside = _without(tool_use["input"], arguments)
        large["input"] = tool_use["input"]
        if beside:
            headers[BESIDE_HEADER] = PayloadConverter.default.to_payload(beside)
    with SentTranscripts.of_this_run().hold(large) as held:
        if held is not None:
            for name in large:
                (tool_use if name == "input" else wire).pop(name)
            headers[HELD_HEADER] = PayloadConverter.default.to_payload(held)
        yield CrossingContext(wire, headers)


async def complete_context(
    context: ToolContext, input: worker.ExecuteActivityInput, queries: TranscriptQueries
) -> None:
    """Put into a context what crossed otherwise. Runs on the worker.

    Args:
        context: The context among the activity's arguments.
        input: The activity.
        queries: By which the workflow is asked.
    """
    held, beside = input.headers.get(HELD_HEADER), input.headers.get(BESIDE_HEADER)
    if held is not None:
        told: dict[str, Any] = await queries.held(PayloadConverter.default.from_payload(held))
        for name in _PARTS:
            if name in told:
                object.__setattr__(context, name, decode(told[name]))
        if "input" in told:
            context.tool_use["input"] = decode(told["input"])
    if beside is not None:
        for name, place in PayloadConverter.default.from_payload(beside).items():
            context.tool_use["input"][name] = input.args[place]


def _without(given: Any, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, int]]:
    """Return a tool's input without the texts that cross as arguments, and the places of those by name."""
    if not isinstance(given, dict):
        return given, {}
    values = cast("dict[str, Any]", given)
    places = {name: place for place, name in enumerate(arguments)}
    beside = {
        name: places[name]
        for name, value in values.items()
        if type(value) is str and len(value) > _SHORT_TEXT and arguments.get(name) == value
    }
    return {name: None if name in beside else value for name, value in values.items()}, beside
