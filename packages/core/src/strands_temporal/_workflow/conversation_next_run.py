"""What a conversation gives to the next run of its workflow, and whether that fits into a run's input."""

from collections.abc import Callable

from temporalio import workflow

from .._errors import CarryTooLargeError
from .._upstream.run_local import run_local
from .._wire.conversations import ConversationStart
from .._wire.sizes import LARGEST_PAYLOAD
from .conversation_turns import Sent, Turns
from .gate import Gate
from .hand_over_room import RecordedCheck
from .turn_cut import history_is_nearly_full

_PER_MESSAGE = 200  # bytes of the carry for a message, beside its text


class NextRun:
    """The input of the next run.

    Args:
        make: Returns the next run's whole input, as the conversation is now.
        turns: The conversation's messages.
    """

    def __init__(self, make: Callable[[], ConversationStart], turns: Turns) -> None:
        self._make = make
        self._turns = turns
        self._recorded = RecordedCheck(self.check, "strands-temporal-conversation-too-large")
        self._left: int | None = None  # bytes, before the messages that came since it was computed
        self._waiting = 0  # bytes and number of messages that waited then
        self._waiting_bytes = 0

    def check(self) -> None:
        """Raise `CarryTooLargeError` if the input would be too large."""
        self._check(self._make())

    def may_begin(self) -> bool:
        """Tell whether the next run can begin. If not, warn: the conversation goes on in this run.

        Raises:
            CarryTooLargeError: If this run has no room left either.
        """
        too_large = self._recorded.too_large()
        if too_large is None:
            return True
        if history_is_nearly_full():
            raise too_large
        workflow.logger.warning(
            "the conversation should go on in the next run, and goes on in this one: %s", too_large
        )
        return False

    def has_room(self, sent: Sent) -> bool:
        """Tell whether the input has room for one more message. For messages that come after the check."""
        turns = self._turns
        if self._left is None:
            self._left = LARGEST_PAYLOAD - _size(self._make())
            self._waiting, self._waiting_bytes = turns.waiting, turns.waiting_bytes
        count = turns.waiting - self._waiting + 1
        size = turns.waiting_bytes - self._waiting_bytes + sent.size
        return count * _PER_MESSAGE + size * 4 // 3 <= self._left  # what does not compress grows by a third

    def begin(self) -> None:
        """Continue as new. Nothing may be awaited before: a message could come.

        Raises:
            CarryTooLargeError: If the input is too large after all.
        """
        start = self._make()
        if not workflow.unsafe.is_replaying():
            self._check(start)
        workflow.continue_as_new(start)

    def _check(self, start: ConversationStart) -> None:
        size = _size(start)
        if size <= LARGEST_PAYLOAD:
            return
        carry = len(start.carry.data) if start.carry else 0
        raise CarryTooLargeError(
            f"The next run's input has {size:,} bytes, {carry:,} of them for the conversation itself, and "
            f"Temporal takes {LARGEST_PAYLOAD:,}. Trim the conversation: use a conversation manager, fewer "
            "or smaller tool results, or images by reference, and smaller arguments in the ConversationStart"
        )


def _size(start: ConversationStart) -> int:
    """Return how many bytes the worker's client sends for a run's input; 0 if they go to external storage."""
    return run_local(Gate).size([start])
