"""What a turn waits for, in AG-UI: questions are interrupts, client tools' calls are pending calls."""

from collections.abc import Sequence
from typing import Any

from ag_ui.core import Interrupt, RunFinishedInterruptOutcome, RunFinishedSuccessOutcome

from .._decision_types import QuestionAsked
from .._types import PendingInterrupt
from .transcript import ToolCalls

CLIENT_TOOL = "strands-temporal-client-tool"
"""Name of the interrupt with which a client tool's call waits (`is_client_call` in core)."""


def is_client_call(interrupt: PendingInterrupt) -> bool:
    """Tell whether an interrupt is a client tool's call, not a question."""
    return interrupt.name.partition(" ")[0] == CLIENT_TOOL


class Questions:
    """The questions of a turn, with what the agent told when it asked them."""

    def __init__(self) -> None:
        self._asked: dict[str, QuestionAsked] = {}

    def asked(self, event: QuestionAsked) -> None:
        """Remember a question."""
        self._asked[event.id] = event

    def outcome(self, waiting: Sequence[PendingInterrupt], tools: ToolCalls) -> Any:
        """Return the outcome of a run that ends because the turn waits.

        Args:
            waiting: What it waits for.
            tools: The turn's tool calls.
        """
        questions = [one for one in waiting if not is_client_call(one)]
        if questions:
            return RunFinishedInterruptOutcome(interrupts=[self._interrupt(one, tools) for one in questions])
        calls = [tools.shown_id(_tool_use_of(one.id)) for one in waiting]
        pending = [id_ for id_ in calls if id_ is not None]
        return RunFinishedSuccessOutcome(pending_tool_call_ids=pending or None)

    def _interrupt(self, one: PendingInterrupt, tools: ToolCalls) -> Interrupt:
        asked = self._asked.get(one.id)
        tool_use_id = (asked.tool_use_id if asked else None) or _tool_use_of(one.id)
        return Interrupt(
            id=one.id,
            reason=one.name,
            message=one.reason if isinstance(one.reason, str) else None,
            tool_call_id=tools.shown_id(tool_use_id),
            expires_at=asked.deadline if asked else None,
            metadata={"reason": one.reason},
        )


def _tool_use_of(interrupt_id: str) -> str | None:
    """Return the tool call in an id of Strands, such as `v1:tool_call:<tool use id>:<uuid>`."""
    parts = interrupt_id.split(":", 2)
    return parts[2].rpartition(":")[0] or None if len(parts) == 3 and parts[0] == "v1" else None
