"""What clients send to a conversation: which messages it takes, and its updates."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from .._errors import (
    AgentValueError,
    ConversationBusyError,
    ConversationClosedError,
    ConversationError,
    ConversationFullError,
    TurnHandedOverError,
    TurnLimitReachedError,
)
from .._upstream.cancel_signal import CancelSignal
from .._wire.conversations import CANCEL_TURN, CLOSE, SEND, ConversationState, EndReason, TurnResult
from .conversation_input import PromptReader, answers_interrupts
from .conversation_options import ConversationSettings
from .conversation_turns import WAITING_BYTES, WAITING_MESSAGES, Sent, Turns


class Inbox:
    """Takes what clients send to a conversation, and answers them.

    Args:
        turns: The conversation's messages.
        settings: Its options.
        state: Returns its state.
        has_room: Tells whether the next run's input has room for one more message. Asked while the workflow
            is about to continue as new.

    Attributes:
        turns: The conversation's messages.
        settings: Its options.
        reader: Reads the messages.
        reason: Why the conversation ends, when the messages that wait have had their turns.
        ended: Whether it has ended.
        handing_over: Whether the workflow is about to continue as new.
        work: How many calls of models and tools, and ends of turns, there were in this run of the workflow.
        cancel: The cancel signal of the turn that runs.
    """

    def __init__(
        self,
        turns: Turns,
        settings: ConversationSettings,
        state: Callable[[], ConversationState],
        has_room: Callable[[Sent], bool],
    ) -> None:
        self.turns = turns
        self.settings = settings
        self.reader = PromptReader(settings.input_model)
        self._state = state
        self._has_room = has_room
        self.reason: EndReason | None = None
        self.ended = False
        self.handing_over = False
        self.work = 0
        self.cancel = CancelSignal()

    def open(self) -> None:
        """Register the updates.

        Raises:
            AgentValueError: If the workflow already has one of them.
        """
        for name in (SEND, CANCEL_TURN, CLOSE):
            if workflow.get_update_handler(name) is not None:
                raise AgentValueError(
                    f"Conversation: the workflow already has an update {name!r}. A workflow can have one "
                    "Conversation, and its own updates need other names"
                )
        workflow.set_update_handler(SEND, self._send, validator=self._check_message)
        workflow.set_update_handler(CANCEL_TURN, self._cancel_turn)
        workflow.set_update_handler(CLOSE, self._close)

    def refusal(self, sent: Sent) -> ConversationError | None:
        """Return why the conversation does not take a message now; None if it does."""
        if self.ended or self.reason is not None:
            return closed(self.reason)
        turns, settings = self.turns, self.settings
        joins = settings.while_busy == "steer" and turns.running is not None
        if settings.max_turns is not None and turns.taken >= settings.max_turns and not joins:
            return turn_limit(settings.max_turns)
        if settings.while_busy == "reject" and (turns.running is not None or turns.waiting):
            return ConversationBusyError(
                f"The conversation is busy with turn {turns.turn}, and while_busy='reject'. Send again when "
                f"it has ended, or stop it with the update {CANCEL_TURN!r}"
            )
        return self.no_room(sent)

    def no_room(self, sent: Sent) -> ConversationError | None:
        """Return why a message cannot wait, because of its size or of the messages that wait already."""
        turns = self.turns
        if not turns.has_room(sent):
            return ConversationFullError(
                f"{turns.waiting:,} messages wait for their turns, with {turns.waiting_bytes:,} bytes, and "
                f"one of {sent.size:,} bytes cannot. {WAITING_MESSAGES:,} messages with {WAITING_BYTES:,} "
                "bytes may wait. Send it again when some of them had their turns"
            )
        if self.handing_over and not self._has_room(sent):
            return handed_over()
        return None

    def take(self, sent: Sent) -> Sent:
        """Let a message wait for its turn, or for the next call of the model."""
        turns = self.turns
        steers = self.settings.while_busy == "steer" and turns.running is not None
        steers = steers and not answers_interrupts(sent.message)  # which only a turn of its own can take
        (turns.steering if steers else turns.queue).append(sent)
        return sent

    def close(self) -> None:
        """End the conversation after the turns of the messages that were sent before."""
        if self.reason is None:
            self.reason = "closed"

    def _check_message(self, message: Any) -> None:
        update = workflow.current_update_info()
        id_ = update.id if update else ""
        if self.turns.is_known(id_):
            return
        if refusal := self.refusal(Sent(id_, message)):
            raise refusal
        self.reader.prompt_of(message)

    async def _send(self, message: Any) -> TurnResult:
        update = workflow.current_update_info()
        id_ = update.id if update else ""
        sent = self.turns.find(id_) or self.take(Sent(id_, message))
        await workflow.wait_condition(lambda: sent.answer is not None or self.handing_over)
        if sent.answer is None:
            raise handed_over()
        if sent.answer.error is not None:
            raise sent.answer.error
        return sent.answer.result or TurnResult(0, "", "")

    async def _cancel_turn(self) -> bool:
        running = self.turns.running
        if running is None:
            return False
        self.cancel.set()
        await workflow.wait_condition(lambda: self.turns.running is not running or self.handing_over)
        if self.turns.running is running:
            raise handed_over()
        return True

    async def _close(self) -> ConversationState:
        self.close()
        return self._state()


def closed(reason: str | None) -> ConversationClosedError:
    """Return the error for a conversation that takes no more messages."""
    why = {"closed": "was closed", "idle": "has ended: no message came in time"}.get(str(reason), "has ended")
    return ConversationClosedError(f"The conversation {why}. Start another one")


def turn_limit(most: int | None) -> TurnLimitReachedError:
    """Return the error for a conversation that has had its turns."""
    return TurnLimitReachedError(f"The conversation has had its turns: max_turns={most}. Start another one")


def handed_over() -> TurnHandedOverError:
    """Return the error for a request that the next run answers."""
    return TurnHandedOverError(
        "The workflow continues as new, and its next run answers this. Send it again with the same update "
        "id: it joins its turn there. ConversationClient does so by itself"
    )
