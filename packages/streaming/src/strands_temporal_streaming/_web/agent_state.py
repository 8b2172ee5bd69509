"""The agent's state, as AG-UI shares it: a snapshot, and JSON patches of what changed since."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ag_ui.core import BaseEvent, StateDeltaEvent, StateSnapshotEvent

from .._life_types import StateChanged


class AgentState:
    """The outermost agent's state, as the reader has it."""

    def __init__(self) -> None:
        self._shown: dict[str, Any] | None = None

    def begin(self, state: Mapping[str, Any] | None) -> StateSnapshotEvent:
        """Show the state at the begin of a turn. None is a state that the stream does not tell."""
        self._shown = None if state is None else dict(state)
        return self.snapshot()

    def snapshot(self) -> StateSnapshotEvent:
        """Return the whole state."""
        return StateSnapshotEvent(snapshot=self._shown or {})

    def changed(self, event: StateChanged) -> Iterator[BaseEvent]:
        """Map a change."""
        if event.path or event.truncated or self._shown is None:
            return  # the snapshot at the end of the run has it
        changes = [
            {"op": "add", "path": _pointer(key), "value": value} for key, value in event.changes.items()
        ]
        removed = [key for key in event.removed if key in self._shown]
        changes += [{"op": "remove", "path": _pointer(key)} for key in removed]
        self._shown = {k: v for k, v in {**self._shown, **event.changes}.items() if k not in removed}
        if changes:
            yield StateDeltaEvent(delta=cast("Any", changes))


def _pointer(key: str) -> str:
    """Return the JSON pointer of a key of an object."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
