"""`Approvals`: a workflow's questions to people, and the loop that takes their answers to the agent."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.types.agent import AgentInput
from temporalio import workflow

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError
from strands_temporal.workflow import AnsweredUpdates

from ._agents import Reasons, interrupt_ids, invoke, paused_result
from ._announcing import Announcer
from ._carry import ApprovalsCarry, pack, unpack
from ._ledger import NO_DECISION, Ledger
from ._state import Pause
from ._types import (
    DECIDE_UPDATE,
    PENDING_QUERY,
    RECORDS_QUERY,
    ApprovalRecord,
    PendingApproval,
    shown,
)


class Approvals:
    """Asks people, in a workflow, what an agent's interrupts ask, and takes their answers to the agent.

    Make one per workflow, in its `__init__`, and let it run the agents:

        self.approvals = Approvals(deadline=timedelta(days=2))
        ...
        result = await self.approvals.run(agent, prompt)

    It answers the update `decide_approval` and the queries `pending_approvals` and `approval_records`, which
    `ApprovalsClient` and the command line use from any process. With `HITLPlugin` on the worker the workflow
    is also found by search attribute, and notifiers are told of each pause.

    Args:
        deadline: How long a question waits; then it is rejected, and the record says so. None waits for as
            long as the workflow lives.
        approved: What the interrupt's response is after an approval. `True` is what Strands'
            `HumanInTheLoop` and its other interventions take for a yes.
        rejected: What it is after a rejection, or at the deadline: `False`, which they take for a no. The
            reason does not travel in it; it is put beside the tool's result, where the model reads it.
        carry: What `carry()` returned in the run before this one (continue-as-new). Questions keep the
            deadlines that they had there.

    Raises:
        AgentTypeError: If `deadline` is not a timedelta, or `carry` not an `ApprovalsCarry`.
        AgentValueError: If `deadline` is not positive, if `approved` or `rejected` cannot be an answer, if
            `carry` is damaged, or if the workflow has an `Approvals` already.
    """

    def __init__(
        self,
        *,
        deadline: timedelta | None = None,
        approved: Any = True,
        rejected: Any = False,
        carry: ApprovalsCarry | None = None,
    ) -> None:
        _check_deadline(deadline)
        _check_answers(approved, rejected)
        if workflow.get_update_handler(DECIDE_UPDATE) is not None:
            raise AgentValueError(
                "This workflow already has an Approvals, whose update and queries a second one would take "
                "over. Give the same one to all its agents"
            )
        self._deadline = deadline
        carried = unpack(carry)
        self._ledger = Ledger(approved, rejected, carried.state)
        self._answered = AnsweredUpdates(carried.answered)
        self._announcer = Announcer()
        self._reasons = Reasons()
        workflow.set_update_handler(DECIDE_UPDATE, self._decide, validator=self._check)
        workflow.set_query_handler(PENDING_QUERY, self._pending_query)
        workflow.set_query_handler(RECORDS_QUERY, self._records_query)

    @property
    def pending(self) -> list[PendingApproval]:
        """What waits for a person, the oldest first."""
        return self._ledger.pending

    @property
    def records(self) -> list[ApprovalRecord]:
        """The audit trail: who decided what, when. JSON values, so that a workflow may return it."""
        return list(self._ledger.records)

    async def run(
        self,
        agent: Agent,
        prompt: AgentInput = None,
        *,
        hand_over_when: Callable[[], bool] | None = None,
        **kwargs: Any,
    ) -> AgentResult:
        """Run the agent to its end, with people's answers to all it asks.

        Each time the agent pauses, its interrupts wait together: it goes on when all are decided. Several
        agents may run at once. An agent that paused in an earlier run of the workflow, and was carried over
        together with these approvals, goes on where it waits: run it without a prompt.

        Args:
            agent: The agent.
            prompt: As for `agent.invoke_async`.
            hand_over_when: Condition to stop waiting for people, their questions left open, so that the
                workflow can be continued as new: `workflow.info().is_continue_as_new_suggested`. Looked at
                whenever the workflow wakes up. None waits to the end.
            **kwargs: As for `agent.invoke_async`, in the first call and in each one that resumes it.

        Returns:
            The final result; its stop reason is "interrupt" only if `hand_over_when` became true.

        Raises:
            AgentTypeError: If `hand_over_when` cannot be called.
            AgentValueError: If what the agent waits with and what these approvals carried do not belong
                together.
        """
        _check_condition(hand_over_when)
        reasons = self._reasons.of(agent)
        reasons.clear()
        pause = self._carried_pause(agent, prompt)
        result = paused_result(agent, pause) if pause else None
        while True:
            if pause is None or result is None:
                result, tool_uses = await invoke(agent, prompt, kwargs)
                if result.stop_reason != "interrupt" or not result.interrupts:
                    return result
                pause = self._ledger.ask(
                    agent.agent_id,
                    result.interrupts,
                    tool_uses,
                    now=workflow.now(),
                    deadline=self._deadline,
                    run_id=workflow.info().run_id,
                )
            await self._wait(pause, hand_over_when)
            if self._ledger.is_open(pause):
                self._ledger.leave(pause)
                return result
            prompt, pause = self._answers(pause, reasons), None

    def carry(self, *beside: AgentCarry) -> ApprovalsCarry:
        """Return all of this for the next run of the workflow, as one value beside the agents' carries.

        It holds what waits (with its deadlines), decisions that no agent was given yet, early decisions, the
        audit trail, and what recent updates were answered, so that one that is sent again is harmless. Not in
        it: the arguments of `Approvals`, which the next run gives again.

        Args:
            *beside: The agents' carries that go into the same input. Not given, there is room for the largest
                one, and little for this.

        Raises:
            CarryTooLargeError: If the server would end the workflow for the size of its next run's input.
            AgentTypeError: If something in `beside` is not an `AgentCarry`.
            AgentValueError: If two agents that wait could not be told apart in the next run.
        """
        return pack(self._ledger.state, self._answered.carry(), beside)

    def _carried_pause(self, agent: Agent, prompt: AgentInput) -> Pause | None:
        """Return the pause that the agent comes with, if any; refuse what would lose or mix up answers."""
        waits_with = interrupt_ids(agent)
        pause = self._ledger.take(agent.agent_id, waits_with) if waits_with else None
        if pause is None and prompt is None and (waits_with or self._ledger.is_left(agent.agent_id)):
            raise AgentValueError(
                f"approvals.run: the agent {agent.agent_id!r} waits with the interrupts "
                f"{sorted(waits_with)}, and these Approvals carried other questions for it, or none. "
                "Carry both into the next run: TemporalAgent(carry=agent.carry()) and "
                "Approvals(carry=approvals.carry())"
            )
        if pause is not None and prompt is not None:
            self._ledger.leave(pause)
            raise AgentValueError(
                f"approvals.run: the agent {agent.agent_id!r} waits for people since an earlier run. "
                "Call run without a prompt: it goes on with their answers"
            )
        return pause

    def _answers(self, pause: Pause, reasons: dict[str, str]) -> AgentInput:
        answers: list[dict[str, Any]] = []
        for question, record in self._ledger.end(pause):
            answers.append(
                {"interruptResponse": {"interruptId": question.interrupt_id, "response": record.response}}
            )
            if record.outcome in ("rejected", "expired") and record.reason and question.tool_use_id:
                reasons[question.tool_use_id] = record.reason
        return cast("AgentInput", answers)

    async def _wait(self, pause: Pause, hand_over_when: Callable[[], bool] | None) -> None:
        """Wait until all of a pause is decided, or `hand_over_when` is true."""

        def over() -> bool:
            return not self._ledger.is_open(pause) or (hand_over_when is not None and hand_over_when())

        left = None if pause.deadline is None else pause.deadline - workflow.now()
        if left is not None and left <= timedelta(0):  # it passed between two runs
            self._expire(pause)
        if not over():
            announcing = asyncio.create_task(self._announcer.announce(pause, self._ledger.still_open))
            # Not `finally`: when a worker drops a cached workflow it closes this coroutine outside of it.
            try:
                await workflow.wait_condition(over, timeout=left)
            except asyncio.TimeoutError:
                self._expire(pause)
            except (asyncio.CancelledError, Exception):
                announcing.cancel()
                self._ledger.close(pause, "withdrawn", "The agent's run was cancelled", workflow.now())
                self._ledger.end(pause)
                self._unmark_unless_pending()
                raise
            announcing.cancel()
            await workflow.wait([announcing])
            if not announcing.cancelled():
                announcing.result()
        self._unmark_unless_pending()

    def _unmark_unless_pending(self) -> None:
        if not self._ledger.pending:
            self._announcer.unmark()

    def _expire(self, pause: Pause) -> None:
        self._ledger.close(pause, "expired", NO_DECISION, workflow.now())

    def _check(self, decision: Any) -> None:
        info = workflow.current_update_info()
        if info is None or info.id not in self._answered.carry():
            self._ledger.check(decision, workflow.now())

    async def _decide(self, decision: Any) -> ApprovalRecord:
        async def decide() -> ApprovalRecord:
            info = workflow.current_update_info()
            return self._ledger.decide(decision, workflow.now(), info.id if info else None)

        return await self._answered.once(decide)

    def _pending_query(self) -> list[PendingApproval]:
        return shown(self.pending)

    def _records_query(self) -> list[ApprovalRecord]:
        return self.records


def _check_condition(condition: object) -> None:
    if condition is not None and not callable(condition):
        raise AgentTypeError(
            f"approvals.run: hand_over_when={condition!r} is not a function. Write "
            "hand_over_when=workflow.info().is_continue_as_new_suggested"
        )


def _check_deadline(deadline: object) -> None:
    if deadline is None:
        return
    if not isinstance(deadline, timedelta):
        raise AgentTypeError(
            f"Approvals: deadline={deadline!r} is not a timedelta. Write timedelta(hours=...)"
        )
    if deadline <= timedelta(0):
        raise AgentValueError(f"Approvals: deadline={deadline!r} is not positive")


def _check_answers(approved: Any, rejected: Any) -> None:
    for name, value in (("approved", approved), ("rejected", rejected)):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AgentValueError(f"Approvals: {name}={value!r} is not JSON") from error
        if value is None:
            raise AgentValueError(f"Approvals: {name}=None would leave the interrupt unanswered for Strands")
    if approved == rejected:
        raise AgentValueError(f"Approvals: approved and rejected are both {approved!r}")
