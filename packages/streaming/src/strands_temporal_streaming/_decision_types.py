"""The events of what hooks, interventions and people decide."""

from dataclasses import dataclass
from typing import Any

from ._types import LifeEvent


@dataclass(frozen=True, kw_only=True)
class Decision(LifeEvent):
    """A hook or an intervention changed what the agent was about to do.

    Attributes:
        kind: `hook` or `intervention`.
        name: Name of the hook's event, or of the intervention handler.
        tool_use_id: The tool call that it is about; None for a model call or a turn.
        outcome: `cancelled`, `retried`, `interrupted`, `changed` or `allowed`.
        reason: What was given as the reason; its beginning if it is long.
    """

    kind: str = ""
    name: str = ""
    tool_use_id: str | None = None
    outcome: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class QuestionAsked(LifeEvent):
    """The agent waits for an answer to an interrupt.

    Attributes:
        id: Id of the interrupt.
        name: Its name.
        reason: Its reason in JSON values; if `truncated`, the beginning of its JSON text.
        truncated: Whether `reason` is only the beginning.
        tool_use_id: The tool call that it is about; None if it is about none.
        deadline: Until when an answer is waited for, ISO 8601 in UTC; None without a deadline.
    """

    id: str = ""
    name: str = ""
    reason: Any = None
    truncated: bool = False
    tool_use_id: str | None = None
    deadline: str | None = None


@dataclass(frozen=True, kw_only=True)
class QuestionDecided(LifeEvent):
    """A question has its answer.

    Attributes:
        id: Id of the interrupt.
        name: Its name.
        outcome: How it was decided: `approved`, `rejected`, `answered`, `expired` and so on; empty if the
            answer came without a decision (an `interruptResponse` in a prompt).
        by: Who decided; empty if unknown.
        at: When, ISO 8601 in UTC; empty if unknown.
        answer: The answer in JSON values; if `truncated`, the beginning of its JSON text.
        truncated: Whether `answer` is only the beginning.
    """

    id: str = ""
    name: str = ""
    outcome: str = ""
    by: str = ""
    at: str = ""
    answer: Any = None
    truncated: bool = False
