"""What hooks and interventions are deciding in a run: events whose callbacks run, and calls that wait."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from strands_temporal.extension import InterventionNote

from ._decision_types import Decision
from ._json import from_json, to_json


@dataclass
class Values:
    """What hooks may change of an event.

    Attributes:
        cancel: What makes it cancelled.
        retry: Whether it is done again.
        rest: The rest.
        messages: How many messages the agent has.
    """

    cancel: Any
    retry: bool
    rest: Any
    messages: int


@dataclass
class Seen:
    """An event whose callbacks run.

    Attributes:
        values: Its values so far, each with who may change them next.
        notes: What interventions have decided about it.
    """

    values: list[tuple[str, Values]] = field(default_factory=list[tuple[str, Values]])
    notes: list[InterventionNote] = field(default_factory=list[InterventionNote])


class Deciding:
    """The decisions in progress. `run_local(Deciding)` returns the run's object.

    Attributes:
        seen: The events whose callbacks run, by their `id()`.
        askers: Names of the handlers that asked a question themselves, by its id.
        asking: The decisions with which tool calls wait for answers, by the calls' ids.
    """

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}
        self.askers: dict[str, str] = {}
        self.asking: dict[str, list[Decision]] = {}

    def asks(self, decision: Decision) -> bool:
        """Remember that a call waits with a question. Return False if that is known."""
        known = self.asking.setdefault(decision.tool_use_id or "", [])
        if any(each.name == decision.name and each.kind == decision.kind for each in known):
            return False
        known.append(replace(decision, reason=""))
        return True

    def allowed(self, tool_use_id: str) -> list[Decision]:
        """Return the decisions that allow a call that waited, alone or with its message: it begins to run."""
        waited = [*self.asking.pop("", []), *self.asking.pop(tool_use_id, [])]
        return [replace(each, outcome="allowed") for each in waited]

    def end_turn(self) -> None:
        """Forget what no longer matters."""
        for kept in (self.seen, self.askers, self.asking):
            kept.clear()

    def carry(self) -> list[Any]:
        """Return what the next run must know, as JSON values."""
        return [to_json(each) for waiting in self.asking.values() for each in waiting]

    def restore(self, carried: Any) -> None:
        """Take over what `carry` returned in the previous run."""
        for each in cast("list[Any]", carried) if isinstance(carried, list) else []:
            decision = from_json(each)
            if isinstance(decision, Decision):
                self.asks(decision)
