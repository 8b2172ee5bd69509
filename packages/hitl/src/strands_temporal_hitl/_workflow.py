"""`Approvals`: a workflow's questions to people, and the loop that takes their answers to the agent."""

import asyncio
import json
import weakref
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterToolCallEvent
from strands.interrupt import Interrupt
from strands.types.agent import AgentInput
from strands.types.tools import ToolUse
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from strands_temporal import ActivityOptions, AgentTypeError, AgentValueError
from strands_temporal.workflow import execute_activity

from ._ledger import NO_DECISION, Ledger, Question
from ._types import (
    DECIDE_UPDATE,
    IS_PENDING,
    NOTIFY_ACTIVITY,
    PENDING,
    PENDING_QUERY,
    RECORDS_QUERY,
    SETUP_ACTIVITY,
    ApprovalRecord,
    PendingApproval,
    Setup,
)

_NO_PLUGIN = "NotFoundError"
"""Temporal's type of failure where a worker does not have an activity."""

# Both are tried for as long as the agent waits, and end with the wait: a worker or a receiver that is down
# for a night must not leave a question unseen.
_SETUP_OPTIONS: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(
        maximum_interval=timedelta(minutes=1), non_retryable_error_types=[_NO_PLUGIN]
    ),
}
_NOTIFY_OPTIONS: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(minutes=5)),
}


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
        records: The audit trail of an earlier run of this workflow (continue-as-new), to go on from.

    Raises:
        AgentTypeError: If `deadline` is not a timedelta.
        AgentValueError: If `deadline` is not positive, if `approved` or `rejected` cannot be an answer, or if
            the workflow has an `Approvals` already.
    """

    def __init__(
        self,
        *,
        deadline: timedelta | None = None,
        approved: Any = True,
        rejected: Any = False,
        records: Iterable[ApprovalRecord] = (),
    ) -> None:
        _check_deadline(deadline)
        _check_answers(approved, rejected)
        if workflow.get_update_handler(DECIDE_UPDATE) is not None:
            raise AgentValueError(
                "This workflow already has an Approvals, whose update and queries a second one would take "
                "over. Give the same one to all its agents"
            )
        self._deadline = deadline
        self._ledger = Ledger(approved, rejected, records)
        self._setup: Setup | None = None
        self._setup_lock = asyncio.Lock()
        # A run that was continued as new while somebody was asked hands the mark on.
        self._indexed = PENDING in workflow.info().typed_search_attributes
        # Reasons of rejections by tool call, for the hook that shows them to the model.
        self._reasons: weakref.WeakKeyDictionary[Agent, dict[str, str]] = weakref.WeakKeyDictionary()
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

    async def run(self, agent: Agent, prompt: AgentInput = None, **kwargs: Any) -> AgentResult:
        """Run the agent to its end, with people's answers to all it asks.

        Each time the agent pauses, its interrupts wait together: it goes on when all are decided. Several
        agents may run at once.

        Args:
            agent: The agent.
            prompt: As for `agent.invoke_async`.
            **kwargs: As for `agent.invoke_async`, in the first call and in each one that resumes it.

        Returns:
            The final result; its stop reason is not "interrupt".
        """
        reasons = self._reasons_of(agent)
        reasons.clear()
        result, tool_uses = await _invoke(agent, prompt, kwargs)
        while result.stop_reason == "interrupt" and result.interrupts:
            answers = await self._answers(result.interrupts, tool_uses, reasons)
            result, tool_uses = await _invoke(agent, cast("AgentInput", answers), kwargs)
        return result

    async def _answers(
        self, interrupts: Sequence[Interrupt], tool_uses: dict[str, ToolUse], reasons: dict[str, str]
    ) -> list[dict[str, Any]]:
        questions = self._ledger.ask(interrupts, tool_uses, workflow.now(), self._deadline)
        if self._ledger.is_open(questions):
            await self._wait(questions)
        answers: list[dict[str, Any]] = []
        for question in questions:
            record = self._ledger.answer(question)
            answers.append(
                {"interruptResponse": {"interruptId": question.interrupt_id, "response": record.response}}
            )
            if record.outcome in ("rejected", "expired") and record.reason and question.tool_use_id:
                reasons[question.tool_use_id] = record.reason
        return answers

    async def _wait(self, questions: list[Question]) -> None:
        announcing = asyncio.create_task(self._announce(questions))
        # Not `finally`: when a worker drops a cached workflow it closes this coroutine outside the workflow.
        try:
            await workflow.wait_condition(lambda: not self._ledger.is_open(questions), timeout=self._deadline)
        except asyncio.TimeoutError:
            self._ledger.close(questions, "expired", NO_DECISION, workflow.now())
        except asyncio.CancelledError:
            self._ledger.close(questions, "withdrawn", "The agent's run was cancelled", workflow.now())
            self._end_announcing(announcing)
            raise
        self._end_announcing(announcing)
        await workflow.wait([announcing])
        if not announcing.cancelled():
            announcing.result()

    def _end_announcing(self, announcing: "asyncio.Task[None]") -> None:
        announcing.cancel()
        if self._indexed and not self._ledger.pending:
            self._indexed = False
            workflow.upsert_search_attributes([PENDING.value_unset()])

    async def _announce(self, questions: list[Question]) -> None:
        setup = await self._get_setup()
        if setup.search_attribute and not self._indexed:
            self._indexed = True
            workflow.upsert_search_attributes([PENDING.value_set(IS_PENDING)])
        waiting = [question.pending for question in questions if self._ledger.is_open([question])]
        await asyncio.gather(*(_notify(name, waiting) for name in setup.notifiers if waiting))

    async def _get_setup(self) -> Setup:
        """Return what the workers offer, asked once: the history keeps the answer for every replay."""
        async with self._setup_lock:
            if self._setup is None:
                self._setup = await _ask_worker()
            return self._setup

    def _reasons_of(self, agent: Agent) -> dict[str, str]:
        reasons = self._reasons.get(agent)
        if reasons is None:
            reasons = self._reasons[agent] = {}
            shown = reasons

            def show_reason(event: AfterToolCallEvent) -> None:
                reason = shown.pop(event.tool_use["toolUseId"], None)
                content = event.result["content"]
                if reason is not None and not any(reason in str(block.get("text")) for block in content):
                    event.result = {**event.result, "content": [*content, {"text": f"Rejected: {reason}"}]}

            agent.add_hook(show_reason, AfterToolCallEvent)
        return reasons

    def _check(self, decision: Any) -> None:
        self._ledger.check(decision, workflow.now())

    def _decide(self, decision: Any) -> ApprovalRecord:
        info = workflow.current_update_info()
        return self._ledger.decide(decision, workflow.now(), info.id if info else None)

    def _pending_query(self) -> list[PendingApproval]:
        return self.pending

    def _records_query(self) -> list[ApprovalRecord]:
        return self.records


async def _invoke(
    agent: Agent, prompt: AgentInput, kwargs: dict[str, Any]
) -> tuple[AgentResult, dict[str, ToolUse]]:
    """Call the agent as `invoke_async` does; also return the tool calls of its interrupts, by their ids.

    The events say which call an interrupt belongs to; the result does not, and the id is not for parsing.
    """
    event: dict[str, Any] = {}
    tool_uses: dict[str, ToolUse] = {}
    async for event in agent.stream_async(prompt, **kwargs):
        if "tool_interrupt_event" in event:
            raised = event["tool_interrupt_event"]
            tool_uses |= {interrupt.id: raised["tool_use"] for interrupt in raised["interrupts"]}
    return event["result"], tool_uses


async def _ask_worker() -> Setup:
    try:
        return await execute_activity(SETUP_ACTIVITY, [], _SETUP_OPTIONS, result_type=Setup)
    except FailureError as error:
        workflow.logger.warning(
            "error=<%s> | no HITLPlugin on this workflow's worker: nobody is notified, and its approvals are "
            "found by workflow type only",
            error,
        )
        return Setup()


async def _notify(name: str, waiting: list[PendingApproval]) -> None:
    try:
        await execute_activity(NOTIFY_ACTIVITY, [name, waiting], {**_NOTIFY_OPTIONS, "summary": name})
    except FailureError as error:  # the question waits all the same
        workflow.logger.warning("notifier=<%s>, error=<%s> | nobody was notified", name, error)


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
