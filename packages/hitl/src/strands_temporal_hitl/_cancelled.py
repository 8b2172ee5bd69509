"""Notes which intervention or hook cancelled a call. Runs in the workflow."""

from strands.hooks import BeforeToolCallEvent
from strands.interventions.actions import Confirm, Deny, Guide, InterventionAction, default_evaluate
from temporalio import workflow

from strands_temporal.extension import InterventionNote, RunNote, listen_to_notes

from ._in_force import HOOK, INTERVENTION
from ._ledger import Ledger
from ._state import Place
from ._types import ShownCall


class CancelledCalls:
    """Records the calls that Strands' own guards stop, beside those that people and policies decide.

    Args:
        ledger: The workflow's ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._by: dict[int, str] = {}  # names of handlers, by the ids of the events that they decided
        listen_to_notes(self._listen)

    def handler_of(self, event: BeforeToolCallEvent) -> str:
        """Return the name of the intervention handler that cancels a call; "" if none does.

        Args:
            event: The event, after all its callbacks.
        """
        return self._by.pop(id(event), "")

    def note(self, place: Place, call: ShownCall, handler: str, reason: str) -> None:
        """Record a call that was cancelled.

        Args:
            place: The call's place.
            call: The call.
            handler: Name of the handler; "" for a hook.
            reason: What the model reads.
        """
        layer = INTERVENTION if handler else HOOK
        now = workflow.now()
        self._ledger.note_cancelled(place, call, layer=layer, rule=handler, reason=reason, now=now)

    def _listen(self, note: RunNote) -> None:
        if not isinstance(note, InterventionNote) or not isinstance(note.event, BeforeToolCallEvent):
            return
        if note.error is not None or _stops(note.action):
            self._by[id(note.event)] = note.handler.name


def _stops(action: InterventionAction | None) -> bool:
    """Tell whether a handler's action alone cancels a call: without a question."""
    if isinstance(action, Confirm):  # with a response it asks nobody
        evaluate = action.evaluate or default_evaluate
        return action.response is not None and not evaluate(action.response)
    return isinstance(action, (Deny, Guide))
