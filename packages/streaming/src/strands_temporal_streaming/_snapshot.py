"""The present state of a conversation, as the workflow answers a query, and as a reader gets it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from temporalio import workflow

from strands_temporal.extension import reading

from ._control import CALL_METADATA, STARTED_METADATA
from ._cut import as_json
from ._items import metadata_text, payload_of, value_of
from ._json import from_json, to_json
from ._limits import BoundedLog
from ._snapshot_types import RunningCall, Snapshot
from ._state import LiveState

SNAPSHOT_QUERY = "strands_temporal_stream_snapshot"
"""Query that returns the present state, as the JSON object of a `Snapshot`."""

MESSAGES = 50
"""Most messages of a snapshot."""

MESSAGES_CHARACTERS = 256 * 1024
"""Most characters of their JSON. Temporal refuses query results above 2 MiB, and warns above 512 KiB."""

_PLACES = "places"
"""Key of the places of calls, beside the fields of the snapshot."""

_TEXT_CHARACTERS = 100_000
"""Most characters of a running call's text, and of its reasoning."""


def snapshot_of(
    state: LiveState, log: BoundedLog, messages: Sequence[Any], agent: str, topic: str | None
) -> dict[str, Any]:
    """Return the JSON object of a `Snapshot`. Runs in the workflow, in a query.

    Args:
        state: The state after all events.
        log: The stream, which has the text of the running calls.
        messages: The conversation of the outermost agent.
        agent: Its name.
        topic: Its topic.
    """
    shown, room, cut = list[Any](), MESSAGES_CHARACTERS, False
    for message in reversed(messages[-MESSAGES:]):
        value, too_large = as_json(message, MESSAGES_CHARACTERS)
        if too_large:
            value = {"role": message.get("role", "user"), "content": [{"text": "(too large to show)"}]}
            cut = True
        room -= len(str(value))
        if room < 0 and shown:
            break
        shown.append(value)
    stop = log.stop
    snapshot = Snapshot(
        agent=agent,
        turn=state.turn,
        offset=stop - 1,
        seq=stop - 1,
        time=workflow.now().isoformat(timespec="milliseconds"),
        status=state.status,
        messages=tuple(reversed(shown)),
        first_message=len(messages) - len(shown),
        agents=tuple(state.agents.values()),
        questions=tuple(state.questions.values()),
        tool_calls=tuple(state.tools.values()),
        calls=tuple(_calls(state, log, topic)),
        usage=dict(state.usage),
        truncated=cut,
    )
    return {**to_json(snapshot), _PLACES: {call: list(place) for call, place in state.places.items()}}


class Present(NamedTuple):
    """The answer to the query.

    Attributes:
        snapshot: The present state.
        places: Agent, path and turn of the last model calls, by the calls' ids. A reader that begins in the
            middle of a call has not read them.
    """

    snapshot: Snapshot
    places: dict[str, tuple[str, tuple[str, ...], int]]


def present_from(value: Mapping[str, Any]) -> Present | None:
    """Return the state in the answer to the query; None if there is none.

    Raises:
        AgentValueError: If the places of calls in it are damaged.
    """
    event = from_json(value)
    if not isinstance(event, Snapshot):
        return None
    with reading("The present state of the conversation"):
        places: dict[str, Any] = value.get(_PLACES) or {}
        return Present(
            event, {call: (name, tuple(path), turn) for call, (name, path, turn) in places.items()}
        )


def _calls(state: LiveState, log: BoundedLog, topic: str | None) -> list[RunningCall]:
    """Return the running calls with the output of their newest attempts."""
    if not state.calls:
        return []
    start = min(offset for _, offset in state.calls.values())
    pieces: dict[str, list[tuple[str, Any]]] = {name: [] for name in state.calls}
    first, converter = None, workflow.payload_converter()
    for item in log.items(start):
        first = item.offset if first is None else first
        if item.topic != topic:
            continue
        payload = payload_of(item)
        call = metadata_text(payload, CALL_METADATA).rpartition("/")[0]
        if call in pieces:
            value = value_of(payload, converter)
            pieces[call].append((metadata_text(payload, STARTED_METADATA), value))
    return [
        _with_text(call, pieces[name], is_cut=first is None or first > offset)
        for name, (call, offset) in state.calls.items()
    ]


def _with_text(call: RunningCall, pieces: list[tuple[str, Any]], *, is_cut: bool) -> RunningCall:
    newest = max((started for started, _ in pieces), default="")
    text = reasoning = ""
    for started, event in pieces:
        delta = _delta(event) if started == newest else {}
        text += _str(delta.get("text"))
        thought = delta.get("reasoningContent")
        reasoning += _str(cast("Any", thought).get("text")) if isinstance(thought, Mapping) else ""
    too_long = max(len(text), len(reasoning)) > _TEXT_CHARACTERS
    return replace(
        call,
        text=text[-_TEXT_CHARACTERS:],
        reasoning=reasoning[-_TEXT_CHARACTERS:],
        truncated=is_cut or too_long,
    )


def _delta(event: Any) -> Mapping[str, Any]:
    block = event.get("contentBlockDelta") if isinstance(event, Mapping) else None
    delta = cast("Any", block).get("delta") if isinstance(block, Mapping) else None
    return cast("Mapping[str, Any]", delta) if isinstance(delta, Mapping) else {}


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
