"""What clients send to a conversation: its updates and its signal."""

from collections.abc import Callable
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .._errors import (
    AgentTypeError,
    AgentValueError,
    ConversationBusyError,
    ConversationClosedError,
    ConversationError,
    TurnHandedOverError,
    TurnLimitReachedError,
)
from .._upstream.cancel_signal import CancelSignal
from .._wire.conversations import CANCEL_TURN, CLOSE, SEND, ConversationState, EndReason, TurnResult
from .conversation_input import answers_interrupts, prompt_of
from .conversation_options import ConversationSettings
from .conversation_turns import Sent, Turns
from .failures import as_workflow_failure
from .log_lines import log_line

_ENVELOPE = {"id", "message"}


class Inbox:
    """Takes what clients send to a conversation, and answers them.

    Args:
        turns: The conversation's messages.
        settings: Its options.
        state: Returns its state.

    Attributes:
        reason: Why the conversation ends, when the messages that wait have had their turns.
        ended: Whether it has ended.
        handing_over: Whether the workflow is about to continue as new.
        has_worked: Whether the agent has worked in this run of the workflow.
        cancel: The cancel signal of the turn that runs.
    """

    def __init__(
        self, turns: Turns, settings: ConversationSettings, state: Callable[[], ConversationState]
    ) -> None:
        self._turns = turns
        self._settings = settings
        self._state = state
        self.reason: EndReason | None = None
        self.ended = False
        self.handing_over = False
        self.has_worked = False
        self.cancel = CancelSignal()

    def open(self) -> None:
        """Register the updates and the signal.

        Raises:
            AgentValueError: If the workflow already has one of them.
        """
        for name in (SEND, CANCEL_TURN, CLOSE):
            if workflow.get_update_handler(name) is not None:
                raise AgentValueError(
                    f"Conversation: the workflow already has an update {name!r}. A workflow can have one "
                    "Conversation, and its own updates need other names"
                )
        if workflow.get_signal_handler(SEND) is not None:
            raise AgentValueError(
                f"Conversation: the workflow already has a signal {SEND!r}. Give it another name"
            )
        workflow.set_update_handler(SEND, self._send, validator=self._check_message)
        workflow.set_update_handler(CANCEL_TURN, self._cancel_turn)
        workflow.set_update_handler(CLOSE, self._close)
        workflow.set_signal_handler(SEND, self._take_signal)

    def refusal(self) -> ConversationError | None:
        """Return why the conversation takes no message now; None if it does."""
        if self.ended or self.reason is not None:
            return closed(self.reason)
        turns, settings = self._turns, self._settings
        joins = settings.while_busy == "steer" and turns.running is not None
        if settings.max_turns is not None and turns.taken >= settings.max_turns and not joins:
            return turn_limit(settings.max_turns)
        if settings.while_busy == "reject" and (turns.running is not None or turns.waiting):
            return ConversationBusyError(
                f"The conversation is busy with turn {turns.turn}, and while_busy='reject'. Send again when "
                f"it has ended, or stop it with the update {CANCEL_TURN!r}"
            )
        return None

    def _check_message(self, message: Any) -> None:
        update = workflow.current_update_info()
        if update is not None and self._turns.is_known(update.id):
            return
        if refusal := self.refusal():
            raise refusal
        prompt_of(message, self._settings.input_model)

    async def _send(self, message: Any) -> TurnResult:
        update = workflow.current_update_info()
        id_ = update.id if update else ""
        sent = self._turns.find(id_) or self._take(Sent(id_, message))
        await workflow.wait_condition(lambda: sent.answer is not None or self.handing_over)
        if sent.answer is None:
            raise _handed_over()
        if sent.answer.error is not None:
            raise sent.answer.error
        return sent.answer.result or TurnResult(0, "", "")

    def _take_signal(self, *given: Any) -> None:
        """Take a message from a signal, which has no answer: one that cannot be taken is logged.

        It raises nothing, and takes any arguments: an error would fail each workflow task from then on.
        """
        value = given[0] if given else None
        id_, message = "", value
        if isinstance(value, dict) and cast("dict[str, Any]", value).keys() == _ENVELOPE:
            own, message = cast("dict[str, Any]", value)["id"], value["message"]
            id_ = "" if own is None else str(own)
        if self._turns.is_known(id_):
            return
        refusal: ApplicationError | None = self.refusal()
        if isinstance(refusal, ConversationBusyError):
            refusal = None  # nobody could be told to come again: it waits
        try:
            if len(given) != 1:
                raise AgentTypeError(f"send: a signal has one argument, the message, not {len(given)}")
            prompt_of(message, self._settings.input_model)
        except Exception as error:  # noqa: BLE001  # also of the user's input_model
            refusal = as_workflow_failure(error)
        if refusal is not None:
            log_line("the conversation dropped a message that came as a signal", reason=refusal.message)
            return
        self._take(Sent(id_, message))

    def _take(self, sent: Sent) -> Sent:
        turns = self._turns
        steers = self._settings.while_busy == "steer" and turns.running is not None
        steers = steers and not answers_interrupts(sent.message)  # which only a turn of its own can take
        (turns.steering if steers else turns.queue).append(sent)
        return sent

    async def _cancel_turn(self) -> bool:
        running = self._turns.running
        if running is None:
            return False
        self.cancel.set()
        await workflow.wait_condition(lambda: self._turns.running is not running or self.handing_over)
        if self._turns.running is running:
            raise _handed_over()
        return True

    async def _close(self) -> ConversationState:
        if self.reason is None:
            self.reason = "closed"
        return self._state()


def closed(reason: str | None) -> ConversationClosedError:
    """Return the error for a conversation that takes no more messages."""
    why = {"closed": "was closed", "idle": "has ended: no message came in time"}.get(str(reason), "has ended")
    return ConversationClosedError(f"The conversation {why}. Start another one")


def turn_limit(most: int | None) -> TurnLimitReachedError:
    """Return the error for a conversation that has had its turns."""
    return TurnLimitReachedError(f"The conversation has had its turns: max_turns={most}. Start another one")


def _handed_over() -> TurnHandedOverError:
    return TurnHandedOverError(
        "The workflow continues as new, and its next run answers this. Send it again with the same update "
        "id: it joins its turn there. ConversationClient does so by itself"
    )
