"""The signals of a conversation, for senders without an answer, and for runs that have no room for an update.

A signal has no answer, so the query `state` tells what became of the latest ones. A handler takes any
arguments and raises nothing: an error would fail each workflow task from then on.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .._errors import AgentTypeError, AgentValueError, ConversationBusyError
from .._wire.conversations import CANCEL_TURN, CLOSE, SEND, SIGNAL_ID
from .._wire.values import utf8_text
from .conversation_inbox import Inbox
from .conversation_input import cut
from .conversation_turns import Sent
from .failures import as_workflow_failure

KEPT_OUTCOMES = 20
"""Of how many signals the outcome is kept."""

LONGEST_ID = 1_000
"""Most characters of an id that came by signal. The server allows as many for an update's id."""

_ENVELOPE = {"id", "message"}
_LONGEST_REASON = 300


class Signals:
    """Takes the signals of a conversation, and remembers what became of them.

    Args:
        inbox: The conversation's inbox.
        carried: What `carry` returned in the previous run.

    Attributes:
        dropped: How many messages were dropped.
        cancels_turn: Whether a signal has cancelled the turn that runs.
    """

    def __init__(self, inbox: Inbox, carried: Mapping[str, Any] | None) -> None:
        self._inbox = inbox
        value = carried or {}
        self._outcomes: list[dict[str, Any]] = list(value.get("outcomes", ()))
        self.dropped: int = value.get("dropped", 0)
        self.cancels_turn: bool = value.get("cancels_turn", False)
        if self.cancels_turn:
            inbox.cancel.set()

    def open(self) -> None:
        """Register the signals.

        Raises:
            AgentValueError: If the workflow already has one of them.
        """
        handlers: dict[str, Callable[..., None]] = {
            SEND: self._send,
            CANCEL_TURN: self._cancel_turn,
            CLOSE: self._close,
        }
        for name, handler in handlers.items():
            if workflow.get_signal_handler(name) is not None:
                raise AgentValueError(
                    f"Conversation: the workflow already has a signal {name!r}. Give it another name"
                )
            workflow.set_signal_handler(name, handler)

    def shown(self) -> list[dict[str, Any]]:
        """Return what became of the latest signals. See `ConversationState.signals`."""
        return [dict(each) for each in self._outcomes]

    def carry(self) -> dict[str, Any]:
        """Return JSON values for the next run."""
        return {"outcomes": self._outcomes, "dropped": self.dropped, "cancels_turn": self.cancels_turn}

    def end_turn(self) -> None:
        """Note that the turn that ran has ended."""
        if self.cancels_turn:
            self.cancels_turn = False
            for each in self._outcomes:
                if each["outcome"] == "cancelling":
                    each["outcome"] = "cancelled"

    def _send(self, *given: Any) -> None:
        """Take a message. One that cannot be taken is dropped."""
        value = given[0] if given else None
        id_, message = "", value
        if isinstance(value, dict) and cast("dict[str, Any]", value).keys() == _ENVELOPE:
            own, message = cast("dict[str, Any]", value)["id"], value["message"]
            id_ = "" if own is None else str(own)
        if self._inbox.turns.is_known(id_):
            return
        sent = Sent(id_, message)
        try:
            refusal: ApplicationError | None = self._inbox.refusal(sent)
            if isinstance(refusal, ConversationBusyError):
                refusal = self._inbox.no_room(sent)  # nobody could be told to come again: it waits
            if len(given) != 1:
                raise AgentTypeError(f"send: a signal has one argument, the message, not {len(given)}")
            if len(id_) > LONGEST_ID:
                raise AgentValueError(
                    f"send: the id has {len(id_):,} characters, and may have {LONGEST_ID:,}"
                )
            self._inbox.reader.prompt_of(message)
        except Exception as error:  # noqa: BLE001  # also of the user's input_model
            refusal = as_workflow_failure(error)
        if refusal is None:
            self._inbox.take(sent)
            return
        self.dropped += 1
        reason = cut(utf8_text(refusal.message), _LONGEST_REASON)
        self._note(SEND, id_, "dropped", reason=f"{refusal.type}: {reason}")
        workflow.logger.warning(
            "reason=<%s> | the conversation dropped a message that came as a signal", reason
        )

    def _cancel_turn(self, *given: Any) -> None:
        """Stop the turn that runs, also if its rest belongs to the next run."""
        id_ = _id_of(given)
        if self._is_known(CANCEL_TURN, id_):
            return
        if self._inbox.turns.running is None:
            self._note(CANCEL_TURN, id_, "idle")
            return
        self._note(CANCEL_TURN, id_, "cancelling")
        self.cancels_turn = True
        self._inbox.cancel.set()

    def _close(self, *given: Any) -> None:
        """End the conversation after the turns of the messages that were sent before."""
        id_ = _id_of(given)
        if not self._is_known(CLOSE, id_):
            self._inbox.close()
            self._note(CLOSE, id_, "closing")

    def _is_known(self, signal: str, id_: str) -> bool:
        """Tell whether a signal with this id came before: a client may send it again."""
        return bool(id_) and any(each["signal"] == signal and each["id"] == id_ for each in self._outcomes)

    def _note(self, signal: str, id_: str, outcome: str, **more: str) -> None:
        known = cut(utf8_text(id_), LONGEST_ID)
        self._outcomes.append({"signal": signal, "id": known, "outcome": outcome, **more})
        del self._outcomes[:-KEPT_OUTCOMES]


def _id_of(given: tuple[Any, ...]) -> str:
    """Return the id in a signal's argument; "" if there is none."""
    value = given[0] if given else None
    id_ = cast("Mapping[str, Any]", value).get(SIGNAL_ID) if isinstance(value, Mapping) else value
    return cut(utf8_text(id_), LONGEST_ID) if isinstance(id_, str) else ""
