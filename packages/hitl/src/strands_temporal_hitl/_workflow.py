"""`Approvals`: a workflow's questions to people, and the loop that takes their answers to the agent."""

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast, overload

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.multiagent import MultiAgentBase
from strands.multiagent.base import MultiAgentResult
from strands.types.agent import AgentInput
from strands.types.multiagent import MultiAgentInput
from temporalio import workflow

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError
from strands_temporal.workflow import AnsweredUpdates

from ._agents import Invoked, interrupt_ids, invoke, paused_result
from ._announcing import Announcer
from ._carry import ApprovalsCarry, pack, unpack
from ._ledger import NO_DECISION, Ledger
from ._signalled import SignalledDecisions
from ._state import Pause
from ._turn import Turn
from ._types import (
    DECIDE_UPDATE,
    PENDING_QUERY,
    RECORDS_QUERY,
    ApprovalRecord,
    PendingApproval,
    page_of,
    shown,
)
from ._watch import BINDS_WHAT_RUNS, Watches

_STOPS_THE_WAIT = "strands-temporal-hitl-stops-the-wait"
"""Patch of workflows: in histories of releases before it a stop did not end the wait for people."""

_STOPPED = "The agent was stopped"


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
        self._rejected = rejected
        carried = unpack(carry)
        self._ledger = Ledger(approved, rejected, carried.state)
        self._answered = AnsweredUpdates(carried.answered)
        self._signalled = SignalledDecisions(self._ledger)
        self._announcer = Announcer()
        self._watches = Watches(approved)
        self._not_carried: list[str] = []  # graphs and swarms that wait
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

    @overload
    async def run(
        self,
        agent: Agent,
        prompt: AgentInput = None,
        *,
        hand_over_when: Callable[[], bool] | None = None,
        **kwargs: Any,
    ) -> AgentResult: ...

    @overload
    async def run(
        self, agent: MultiAgentBase, prompt: MultiAgentInput, **kwargs: Any
    ) -> MultiAgentResult: ...

    async def run(
        self,
        agent: Agent | MultiAgentBase,
        prompt: Any = None,
        *,
        hand_over_when: Callable[[], bool] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the agent to its end, with people's answers to all it asks.

        Each time the agent pauses, its interrupts wait together: it goes on when all are decided. Several
        agents may run at once. An agent that paused in an earlier run of the workflow, and was carried over
        together with these approvals, goes on where it waits: run it without a prompt.

        People are shown the calls that will run, those of sub-agents and of nodes too, after hooks have
        changed them. A call that is not the one that a person let happen is asked about again. An agent that
        is stopped (`agent.cancel()`, `cancel_signal=`) while people are asked ends as cancelled, and what it
        asked is withdrawn.

        Args:
            agent: The agent; or a graph or swarm, whose nodes' questions then wait.
            prompt: As for `agent.invoke_async`.
            hand_over_when: Condition to stop waiting for people, their questions left open, so that the
                workflow can be continued as new: `workflow.info().is_continue_as_new_suggested`. Looked at
                whenever the workflow wakes up. None waits to the end. Not for graphs and swarms, which cannot
                be carried.
            **kwargs: As for `agent.invoke_async`, in the first call and in each one that resumes it.

        Returns:
            The final result; its stop reason is "interrupt" only if `hand_over_when` became true.

        Raises:
            AgentTypeError: If `hand_over_when` cannot be called, or is given for a graph or swarm.
            AgentValueError: If what the agent waits with and what these approvals carried do not belong
                together.
        """
        _check_condition(hand_over_when, agent)
        pause = self._carried_pause(agent, prompt) if isinstance(agent, Agent) else None
        turn = Turn(pause.granted if pause else [])
        self._watches.stand_all(agent, turn)
        stop = _stop_of(agent, kwargs.get("cancel_signal"))
        invoked = None
        if pause is not None and isinstance(agent, Agent):
            invoked = Invoked(paused_result(agent, pause), [])
        while True:
            if pause is None or invoked is None:
                invoked = await invoke(agent, turn, prompt, kwargs)
                if not invoked.questions:
                    self._end(turn, agent)
                    return invoked.result
                pause = self._ask(agent, invoked, turn)
            if isinstance(agent, Agent) and invoked.stopped and workflow.patched(_STOPS_THE_WAIT):
                agent.cancel()  # it was stopped and asked at once: the stop counts
            waits_here = [] if isinstance(agent, Agent) else [agent.id]
            self._not_carried += waits_here
            await self._wait(pause, hand_over_when, stop)
            for each in waits_here:
                self._not_carried.remove(each)
            if self._ledger.is_open(pause):
                self._ledger.leave(pause)
                return invoked.result
            prompt, pause = self._answers(pause, turn), None

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
            AgentValueError: If two agents that wait could not be told apart in the next run, or a graph or
                swarm waits, which cannot be carried.
        """
        if self._not_carried:
            raise AgentValueError(
                f"approvals.carry: {self._not_carried[0]!r} waits for people, and a graph or swarm cannot go "
                "into another run. Wait for its result before workflow.continue_as_new"
            )
        return pack(self._ledger.state, self._answered.carry(), beside)

    def _ask(self, agent: Agent | MultiAgentBase, invoked: Invoked, turn: Turn) -> Pause:
        return self._ledger.ask(
            agent.agent_id if isinstance(agent, Agent) else agent.id,
            invoked.questions,
            now=workflow.now(),
            deadline=self._deadline,
            run_id=workflow.info().run_id,
            granted=turn.granted,
            strict=lambda: workflow.patched(BINDS_WHAT_RUNS),
        )

    def _end(self, turn: Turn, agent: Agent | MultiAgentBase) -> None:
        """End what a turn that was stopped leaves waiting, where Strands does not."""
        if isinstance(agent, Agent):
            for watch in turn.watches.values():
                watch.end_waiting()

    def _carried_pause(self, agent: Agent, prompt: AgentInput) -> Pause | None:
        """Return the pause that the agent comes with, if any; refuse what would lose or mix up answers."""
        waits_with = interrupt_ids(agent)
        pause = self._ledger.take(agent.agent_id, waits_with) if waits_with else None
        if pause is None and prompt is None and (waits_with or self._ledger.is_left(agent.agent_id)):
            raise AgentValueError(
                f"approvals.run: the agent {agent.agent_id!r} waits with the interrupts "
                f"{sorted(waits_with)}, and these Approvals know other questions of it, or none. Where it "
                "waits since an earlier run of the workflow: Carry both into the next run, "
                "TemporalAgent(carry=agent.carry()) and Approvals(carry=approvals.carry()). Where it paused "
                "outside of approvals.run: answer it there, with agent.invoke_async([...])"
            )
        if pause is not None and prompt is not None:
            self._ledger.leave(pause)
            raise AgentValueError(
                f"approvals.run: the agent {agent.agent_id!r} waits for people since an earlier run. "
                "Call run without a prompt: it goes on with their answers"
            )
        return pause

    def _answers(self, pause: Pause, turn: Turn) -> AgentInput:
        """Return what Strands gets for a pause. Two nodes of a graph may ask under one id: both or none."""
        answers: dict[str, Any] = {}
        for question, record in self._ledger.end(pause):
            # What was withdrawn is answered too, lest a hook asks it again; nothing runs any more.
            response = self._rejected if record.outcome == "withdrawn" else record.response
            if answers.setdefault(question.interrupt_id, response) != response:
                answers[question.interrupt_id] = self._rejected
            turn.decided(question, record)
        return cast(
            "AgentInput",
            [
                {"interruptResponse": {"interruptId": interrupt_id, "response": response}}
                for interrupt_id, response in answers.items()
            ],
        )

    async def _wait(
        self, pause: Pause, hand_over_when: Callable[[], bool] | None, stop: Callable[[], bool]
    ) -> None:
        """Wait until all of a pause is decided, the agent is stopped, or `hand_over_when` is true."""

        def over() -> bool:
            return (
                not self._ledger.is_open(pause) or stop() or (hand_over_when is not None and hand_over_when())
            )

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
        if self._ledger.is_open(pause) and stop():
            self._ledger.close(pause, "withdrawn", _STOPPED, workflow.now())
        self._unmark_unless_pending()

    def _unmark_unless_pending(self) -> None:
        if not self._ledger.pending:
            self._announcer.unmark()

    def _expire(self, pause: Pause) -> None:
        self._ledger.close(pause, "expired", NO_DECISION, workflow.now())

    def _check(self, decision: Any) -> None:
        info = workflow.current_update_info()
        if info is None or not (info.id in self._answered.carry() or self._ledger.record_of(info.id)):
            self._ledger.check(decision, workflow.now())

    async def _decide(self, decision: Any) -> ApprovalRecord:
        async def decide() -> ApprovalRecord:
            info = workflow.current_update_info()
            if info and (taken := self._ledger.record_of(info.id)):  # a signal brought it before
                return taken
            # In a replay it was accepted; a release before this one may have shown another digest.
            seen = workflow.unsafe.is_replaying()
            return self._ledger.decide(decision, workflow.now(), info.id if info else None, seen=seen)

        return await self._answered.once(decide)

    def _pending_query(self) -> list[PendingApproval]:
        return shown(self.pending)

    def _records_query(self, start: int = 0) -> list[ApprovalRecord]:
        return page_of(self._ledger.records, start)


def _stop_of(agent: Agent | MultiAgentBase, signal: threading.Event | None) -> Callable[[], bool]:
    """Return what tells whether somebody has stopped the agent."""
    signals = [each for each in (signal, getattr(agent, "cancel_signal", None)) if each is not None]

    def stopped() -> bool:
        return any(each.is_set() for each in signals) and workflow.patched(_STOPS_THE_WAIT)

    return stopped


def _check_condition(condition: object, agent: Agent | MultiAgentBase) -> None:
    if condition is not None and not isinstance(agent, Agent):
        raise AgentTypeError(
            f"approvals.run: hand_over_when= is for agents. A {type(agent).__name__} cannot be carried into "
            "another run of the workflow"
        )
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
