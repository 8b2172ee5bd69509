"""The part of this package in each `Conversation`: people's answers to the agent's interrupts."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, Literal

from strands import Agent
from strands.agent.agent_result import AgentResult
from typing_extensions import override

from strands_temporal import AgentCarry, AgentTypeError
from strands_temporal.extension import ConversationPart, read_as

from ._carry import ApprovalsCarry
from ._workflow import Approvals


class ApprovalsPart(ConversationPart):
    """Makes the conversation's `Approvals`, and runs the agent with them.

    Args:
        agent: The conversation's agent.
        carried: What `carry` returned in the previous run.
        make: The user's function for the conversation's option `approvals`, or None.

    Raises:
        AgentTypeError: If `make` returns no `Approvals`.
        AgentValueError: If the workflow has an `Approvals` already, or `carried` is damaged.
    """

    runs_agent: ClassVar[bool] = True

    def __init__(self, agent: Agent, carried: Any = None, make: Callable[[Any], Any] | None = None) -> None:
        super().__init__(agent, carried, make)
        carry = None if carried is None else read_as(ApprovalsCarry, carried)
        approvals = Approvals(carry=carry) if make is None else make(carry)
        if not isinstance(approvals, Approvals):
            raise AgentTypeError(
                f"Conversation(approvals=...): the function returned {approvals!r}, not an Approvals. Write "
                "approvals=lambda carry: Approvals(carry=carry)"
            )
        self._approvals = approvals

    @override
    async def run(
        self, agent: Agent, prompt: Any, *, stop_waiting_when: Callable[[], bool], **kwargs: Any
    ) -> AgentResult:
        """See base class."""
        return await self._approvals.run(agent, prompt, stop_waiting_when=stop_waiting_when, **kwargs)

    @override
    def status(self) -> Literal["waiting_for_people"] | None:
        """See base class."""
        return "waiting_for_people" if self._approvals.pending else None

    @override
    def carry(self, *agent_carries: AgentCarry) -> dict[str, Any]:
        """See base class."""
        return asdict(self._approvals.carry(*agent_carries))
