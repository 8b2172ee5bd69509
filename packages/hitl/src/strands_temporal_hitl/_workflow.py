"""`Approvals`: a workflow's questions to people, and the loop that gives their answers to the agent."""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, overload

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.multiagent import MultiAgentBase
from strands.multiagent.base import MultiAgentResult
from strands.types.agent import AgentInput
from strands.types.multiagent import MultiAgentInput
from temporalio import workflow

from strands_temporal import AgentCarry, AgentValueError
from strands_temporal.extension import client_calls, tells_questions_of
from strands_temporal.workflow import DeduplicatedUpdates, TeamCarry

from ._agents import Invoked, id_of, interrupt_ids, invoke, paused_result, waiting_calls
from ._allowed import AllowedDecisions
from ._audit import AuditChain
from ._audit_query import AuditQuery
from ._calendars import Calendar
from ._cancelled import CancelledCalls
from ._carry import ApprovalsCarry, pack, unpack
from ._changes import PolicyChanges
from ._checks import check_answers, check_condition, checked_person
from ._deciders import Deciders, given_deciders
from ._decision import Verdict
from ._errors import ApprovalExpiredError
from ._in_force import PolicyInForce
from ._judging import Judging
from ._ledger import Ledger
from ._operators import RECORDS_TAKE_A_NUMBER, OperatorView
from ._patched import PatchedOnce
from ._policy import ApprovalPolicy
from ._proofs import Proofs
from ._protocol import DECIDE_UPDATE, PENDING_QUERY, RECORDS_QUERY
from ._shown import page_of, shown
from ._signalled import SignalledDecisions
from ._state import Granted, Pause
from ._times_given import AtDeadline, given_times
from ._turn import Turn
from ._types import ApprovalRecord, PendingApproval
from ._waiting import STOPS_THE_WAIT, WaitingForPeople, stop_of
from ._watch import BINDS_WHAT_RUNS
from ._watches import Watches

NAMES_DECIDERS = "strands-temporal-hitl-names-deciders"
"""Prefix of patch ids, each with a number. A run whose code named no deciders at first replays without them,
up to the first question that is asked live."""

EARLY_MISFITS = "strands-temporal-hitl-early-misfits"
"""Prefix of patch ids, one per early decision that its question does not take."""


TIMED = "strands-temporal-hitl-timed"
"""Prefix of patch ids, each with a number. A run whose code had no reminders, no other step at the deadline
and no calendar at first replays without them, up to the first pause that it meets live."""


class Approvals:
    """Asks people about an agent's interrupts, and gives their answers to the agent. Runs in a workflow.

    Make one per workflow, in its `__init__`, and let it run the agents:

        self.approvals = Approvals(deadline=timedelta(days=2))
        ...
        result = await self.approvals.run(agent, prompt)

    It answers the update `decide_approval` and the queries `pending_approvals` and `approval_records`, which
    `ApprovalsClient` and the command line use from any process. With `HITLPlugin` on the worker the workflow
    is also found by search attribute, and notifiers are told of each pause.

    Args:
        deadline: How long a question waits. Then it is rejected, and the record says so, or what
            `at_deadline` says happens. None waits as long as the workflow runs.
        approved: The interrupt's response after an approval. Strands' `HumanInTheLoop` and its other
            interventions take `True` for a yes.
        rejected: The interrupt's response after a rejection, or at the deadline. The interventions take
            `False` for a no. The response does not contain the reason: the model reads that in the tool's
            result.
        carry: The value that `carry()` returned in the previous run (continue-as-new). Questions keep their
            deadlines.
        allowed_decisions: The kinds of decision that people may make: some of "approve", "reject", "edit" and
            "respond". Or a mapping from names of tools to kinds, with "*" for the other tools and for
            questions about no tool. None allows all. An edit is only possible for a call of one tool, before
            it runs. If nothing is left for a question, people may reject it.
        policy: Judges each call before it runs: it runs, a person is asked, or it is denied. None asks only
            what hooks, interventions and tools ask. Give it in the workflow's input: if it is in the code and
            a deploy changes it, running workflows may fail to replay.
        at_deadline: What happens to a question that nobody decided in time. "deny": it is rejected.
            "approve": it is approved, and the model is told; a question that takes no approval is rejected.
            "escalate": `escalate_to` decides. "fail": `run` raises `ApprovalExpiredError`. A rule of the
            policy may say something else for its questions (`time`), as for the arguments below.
        remind: When the notifiers are told again: a list of spans from the question on, or one span, which
            repeats until the question is decided, at most 100 times.
        escalate_to: With "escalate": who decides from the deadline on: `Deciders(groups=["managers"])`, or
            their JSON. Votes of people who may still decide stay.
        escalation_deadline: How long the question waits for them, by default as long as before. Then it is
            rejected.
        calendars: In which time a span may be counted, by name: `{"office": business_hours(...)}`.
        calendar: Name of the calendar for all spans above. None counts all time.
        verified: Whether each decision and each change of the policy needs a proof of who makes it, which the
            worker's `HITLPlugin(verify=...)` accepts. Without it a proof counts, too, and the records tell
            who was verified. Where people are named (`deciders`), each needs one.
        deciders: Who may decide the questions for which the policy names nobody. None for anybody.
        started_by: Who started the workflow, for `four_eyes`: the name that the worker verifies.
        policy_admins: Who may change the policy. None for everybody who may decide; where there is
            `four_eyes`, for nobody who asked.

    Raises:
        AgentTypeError: If an argument has a wrong type.
        AgentValueError: If a span is not positive, if the arguments about time do not go together, if the
            policy names an unknown calendar, if `approved` or `rejected` cannot be an answer, if
            `carry` is damaged, or has a changed policy and `policy` is None, if `allowed_decisions` names an
            unknown kind, if deciders are wrong, or if the workflow has an `Approvals` already.
    """

    def __init__(
        self,
        *,
        deadline: timedelta | None = None,
        approved: Any = True,
        rejected: Any = False,
        carry: ApprovalsCarry | None = None,
        allowed_decisions: Collection[Verdict] | Mapping[str, Collection[Verdict]] | None = None,
        policy: ApprovalPolicy | None = None,
        at_deadline: AtDeadline = "deny",
        remind: timedelta | Sequence[timedelta] | None = None,
        escalate_to: Deciders | Mapping[str, Any] | None = None,
        escalation_deadline: timedelta | None = None,
        calendars: Mapping[str, Calendar] | None = None,
        calendar: str | None = None,
        verified: bool = False,
        deciders: Deciders | Mapping[str, Any] | None = None,
        started_by: str | None = None,
        policy_admins: Deciders | Mapping[str, Any] | None = None,
    ) -> None:
        self._times = given_times(
            deadline=deadline,
            at_deadline=at_deadline,
            remind=remind,
            escalate_to=escalate_to,
            escalation_deadline=escalation_deadline,
            calendars=calendars,
            calendar=calendar,
        )
        check_answers(approved, rejected)
        allowed = AllowedDecisions(allowed_decisions)
        if workflow.get_update_handler(DECIDE_UPDATE) is not None:
            raise AgentValueError(
                "This workflow already has an Approvals, and a second one would take over its update and "
                "queries. Run all agents with the first one"
            )
        self._rejected = rejected
        carried = unpack(carry)
        client_calls().take_over(carried.client_calls)
        given = given_deciders("deciders", deciders)
        in_force = PolicyInForce(policy, carried.state.policy, given, self._times)
        info, head = workflow.info(), carried.state.audit
        chain = AuditChain(head, namespace=info.namespace, workflow_id=info.workflow_id, run_id=info.run_id)
        self._ledger = Ledger(
            approved,
            rejected,
            carried.state,
            allowed,
            in_force,
            verified=verified,
            started_by=checked_person("started_by", started_by),
            admins=given_deciders("policy_admins", policy_admins, most=1),
            chain=chain,
        )
        self._names_deciders = PatchedOnce(NAMES_DECIDERS)
        self._ledger.times = self._times
        self._timed = PatchedOnce(TIMED)
        self._judging = Judging(in_force, self._ledger, approved)
        self._answered = DeduplicatedUpdates(carried.answered)
        self._proofs = Proofs()
        self._signalled = SignalledDecisions(self._ledger, self._proofs)
        cancelled = CancelledCalls(self._ledger)
        self._watches = Watches(approved, self._misfits, self._judging, cancelled)
        workflow.set_update_handler(DECIDE_UPDATE, self._decide, validator=self._check)
        workflow.set_query_handler(PENDING_QUERY, self._pending_query)
        workflow.set_query_handler(RECORDS_QUERY, self._records_query)
        self._operators = OperatorView(self._ledger)
        self._people = WaitingForPeople(self._ledger, self._operators)
        AuditQuery(chain)
        PolicyChanges(in_force, self._ledger, self._answered, self._operators.decided, self._proofs)

    @property
    def pending(self) -> list[PendingApproval]:
        """The questions that wait for a person, oldest first."""
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
        stop_waiting_when: Callable[[], bool] | None = None,
        asked_by: str | None = None,
        **kwargs: Any,
    ) -> AgentResult: ...

    @overload
    async def run(
        self,
        agent: MultiAgentBase,
        prompt: MultiAgentInput | None = None,
        *,
        stop_waiting_when: Callable[[], bool] | None = None,
        asked_by: str | None = None,
        **kwargs: Any,
    ) -> MultiAgentResult: ...

    async def run(
        self,
        agent: Agent | MultiAgentBase,
        prompt: Any = None,
        *,
        stop_waiting_when: Callable[[], bool] | None = None,
        asked_by: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run one turn of the agent, with people's answers to all its questions.

        Each time the agent pauses, its interrupts wait together. It continues when all of them are decided.
        Several agents may run at once. If an agent, a graph or a swarm paused in an earlier run of the
        workflow, and was carried over together with these approvals, run it without a prompt: it continues
        where it paused.

        People see the calls that will run, after hooks have changed them, including the calls of nodes, of
        sub-agents, of agents that tools build, and of sub-agents in child workflows. If a call changes after
        a person allowed it, people are asked about it again. If the agent is stopped (`agent.cancel()`,
        `cancel_signal=`) while people are asked, it ends as cancelled and its questions are withdrawn.

        Args:
            agent: The agent. Or a graph or swarm: the questions of its nodes wait in the same way.
            prompt: As for `agent.invoke_async`.
            stop_waiting_when: Function that returns true if `run` should stop waiting for people, for example
                `workflow.info().is_continue_as_new_suggested`. The questions stay open, and the workflow can
                continue as new. Called whenever something in the workflow runs; a signal without a handler
                runs nothing. With None, `run` waits until all is decided.
            asked_by: Who asked for this turn, for `four_eyes`: the name that the worker verifies.
            **kwargs: As for `agent.invoke_async`, in the first call and in each one that resumes it.

        Returns:
            The final result. Its stop reason is "interrupt", and the status of a graph or swarm is
            "interrupted", only if `stop_waiting_when` became true.

        Raises:
            AgentTypeError: If `stop_waiting_when` cannot be called, or the executor cannot be carried.
            ApprovalExpiredError: If nobody decided in time, and `at_deadline` is "fail". The agent waits no
                longer.
            AgentValueError: If a rule has `four_eyes`, and neither `asked_by` nor `started_by` is given. Or
                if the agent waits with different interrupts from those that these approvals
                carried, or if it has waited since an earlier run and `prompt` is given.
        """
        stop_waiting_when = kwargs.pop("hand_over_when", stop_waiting_when)  # deprecated: the former name
        check_condition(stop_waiting_when, agent)
        person = checked_person("asked_by", asked_by)
        self._people.go_on()
        try:
            result = await self._run(agent, prompt, person, stop_waiting_when, kwargs)
        except (asyncio.CancelledError, Exception):  # not `finally`: see `WaitingForPeople.wait`
            await self._people.finish()
            raise
        await self._people.finish()
        return result

    async def _run(
        self,
        agent: Agent | MultiAgentBase,
        prompt: Any,
        asked_by: str | None,
        stop_waiting_when: Callable[[], bool] | None,
        kwargs: dict[str, Any],
    ) -> Any:
        """Run one turn of the agent, as `run` says."""
        pause, own, calls = self._carried_pause(agent, prompt, asked_by)
        turn = self._turn(agent, pause, own)
        self._watches.stand_all(agent, turn)
        tells_questions_of(agent)
        stop = stop_of(agent, kwargs.get("cancel_signal"))
        invoked = None
        if pause is not None or calls:
            invoked = Invoked(paused_result(agent, pause, calls), [], calls=calls)
        while True:
            if invoked is None:
                invoked = await invoke(agent, turn, prompt, kwargs)
                if not (invoked.questions or invoked.calls):
                    self._end(turn, agent)
                    return invoked.result
                if invoked.questions:
                    pause = self._ask(agent, invoked, turn)
                    await self._consult(pause, turn, agent, kwargs.get("cancel_signal"))
                    self._operators.asked(pause)
            if isinstance(agent, Agent) and invoked.stopped and workflow.patched(STOPS_THE_WAIT):
                agent.cancel()  # it was stopped while it asked: the stop counts
            clients = client_calls().open(invoked.calls, id_of(agent)) if invoked.calls else None
            if pause is not None:
                people = self._people.wait(pause, stop_waiting_when, stop)
                try:
                    await (clients.meanwhile(people) if clients else people)
                except ApprovalExpiredError:
                    self._end(turn, agent)
                    raise
                if self._ledger.is_open(pause):
                    self._ledger.release(pause)
                    if clients:
                        clients.release()
                    return invoked.result
            answers = await clients.wait(stop_waiting_when, stop) if clients else []
            if answers is None:
                if pause is not None:
                    self._ledger.release(pause)
                elif turn.granted or turn.ruled:
                    self._ledger.state.granted[id_of(agent)] = turn.granted
                    self._ledger.state.ruled[id_of(agent)] = list(turn.ruled.values())
                return invoked.result
            prompt = [*(self._answers(pause, turn) if pause else []), *answers]
            pause, invoked = None, None

    def carry(self, *agent_carries: AgentCarry | TeamCarry) -> ApprovalsCarry:
        """Return these approvals as one value for the next run of the workflow, beside the agents' carries.

        It holds the open questions with their deadlines, decisions that no agent got yet, early decisions,
        the audit trail, and the answers to recent updates, so that an update may be sent again. It does not
        hold the arguments of `Approvals`; the next run passes them again.

        Args:
            *agent_carries: The carries of agents and teams that go into the same input. Without them, room is
                reserved for the largest possible one, which leaves little for this value.

        Raises:
            CarryTooLargeError: If the next run's input would be so large that the server ends the workflow.
            AgentTypeError: If something in `agent_carries` is neither an `AgentCarry` nor a `TeamCarry`.
            AgentValueError: If two agents that wait could not be told apart in the next run.
        """
        return pack(self._ledger.state, self._answered.carry(), agent_carries, client_calls().carry())

    def _ask(self, agent: Agent | MultiAgentBase, invoked: Invoked, turn: Turn) -> Pause:
        return self._ledger.ask(
            id_of(agent),
            invoked.questions,
            now=workflow.now(),
            is_plain=self._times.is_plain or not self._timed.applies(),
            run_id=workflow.info().run_id,
            granted=turn.granted,
            ruled=list(turn.ruled.values()),
            strict=lambda: workflow.patched(BINDS_WHAT_RUNS),
            refuses=lambda number: workflow.patched(f"{EARLY_MISFITS}-{number}"),
            judges=self._judging.applies(),
            own=turn.own,
            decides=self._names_deciders.applies,
        )

    def _turn(self, agent: Agent | MultiAgentBase, pause: Pause | None, own: Sequence[str]) -> Turn:
        """Return the turn that begins, or goes on from an earlier run of the workflow."""
        state, id_ = self._ledger.state, id_of(agent)
        if pause is not None:
            return Turn(pause.granted, own, pause.ruled)
        return Turn(state.granted.pop(id_, []), own, state.ruled.pop(id_, []))

    async def _consult(
        self,
        pause: Pause,
        turn: Turn,
        agent: Agent | MultiAgentBase,
        signal: threading.Event | None,
    ) -> None:
        """Ask the policy's judge about the questions of a pause, before people are told of them."""
        if self._judging.applies():
            questions = self._ledger.open_questions(pause)
            signal = signal or getattr(agent, "cancel_signal", None)
            try:
                await self._judging.consulting.answer_questions(questions, turn, signal)
            except (asyncio.CancelledError, Exception):  # not `finally`: see `WaitingForPeople.wait`
                self._people.withdraw(pause)
                raise
            pause.ruled[:] = turn.ruled.values()

    def _misfits(self, edited: Granted | None, why: str) -> None:
        if edited is not None:
            self._ledger.misfits(edited, why, workflow.now())

    def _end(self, turn: Turn, agent: Agent | MultiAgentBase) -> None:
        """Make the agents of a finished turn stop waiting for people. Strands does not, after a stop."""
        self._operators.decided()
        if isinstance(agent, Agent):
            for watch in turn.watches.values():
                watch.end_waiting()

    def _carried_pause(
        self, agent: Agent | MultiAgentBase, prompt: Any, asked_by: str | None
    ) -> tuple[Pause | None, list[str], list[Interrupt]]:
        """Return the pause that the agent brought from an earlier run, who asked, and its client calls.

        Raises:
            AgentValueError: If answers would be lost or mixed up, or it has to be known who asked.
        """
        waits_with, id_ = interrupt_ids(agent), id_of(agent)
        pause = self._ledger.claim(id_, waits_with) if waits_with else None
        calls, asks_people = waiting_calls(agent)
        if prompt is not None and calls and pause is None and not client_calls().has_released(id_):
            calls = []  # Strands says what to give to an agent that waits
        unexplained = waits_with and (asks_people or not calls)
        if pause is None and prompt is None and (unexplained or self._ledger.has_unclaimed(id_)):
            raise AgentValueError(
                f"approvals.run: the agent {id_!r} waits with the interrupts "
                f"{sorted(waits_with)}, which do not match the questions that these Approvals have for it. "
                "If it paused in an earlier run of the workflow: Carry both into the next run, "
                "TemporalAgent(carry=agent.carry()), or restore_team(team, carry_team(team)), and "
                "Approvals(carry=approvals.carry()). "
                "If it paused outside of approvals.run: answer it there, with agent.invoke_async([...])"
            )
        if (pause is not None or calls) and prompt is not None:
            if pause is not None:
                self._ledger.release(pause)
            raise AgentValueError(
                f"approvals.run: the agent {id_!r} has waited for people since an earlier run. "
                "Call run without a prompt: the agent then continues with their answers"
            )
        if pause is not None and asked_by is None:
            return pause, pause.questions[0].own, calls
        return pause, self._ledger.asked_by(asked_by), calls

    def _answers(self, pause: Pause, turn: Turn) -> list[Any]:
        """Return a pause's interrupt responses. If one id has two different answers, both become a no."""
        answers: dict[str, Any] = {}
        for question, record in self._ledger.settle(pause):
            if self._judging.applies():
                record = self._ledger.acted_on(question, record, workflow.now())
            # Answer withdrawn questions too, or a hook would ask again. No call runs after that.
            response = self._rejected if record.outcome == "withdrawn" else record.response
            if answers.setdefault(question.interrupt_id, response) != response:
                answers[question.interrupt_id] = self._rejected
            turn.decided(question, record)
        return [
            {"interruptResponse": {"interruptId": interrupt_id, "response": response}}
            for interrupt_id, response in answers.items()
        ]

    def _check(self, decision: Any) -> None:
        info = workflow.current_update_info()
        if info is None or not (info.id in self._answered.carry() or self._ledger.record_of(info.id)):
            self._proofs.check(decision)
            self._ledger.check(decision, workflow.now())

    async def _decide(self, decision: Any) -> ApprovalRecord:
        async def decide() -> ApprovalRecord:
            info = workflow.current_update_info()
            if info and (taken := self._ledger.record_of(info.id)):  # the same decision came by signal before
                return taken
            # A replayed decision was accepted before, perhaps by a release that showed another digest.
            seen = workflow.unsafe.is_replaying()
            record = self._ledger.decide(decision, workflow.now(), info.id if info else None, seen=seen)
            self._operators.decided()
            return record

        return await self._answered.run_once(decide)

    def _pending_query(self, *_: Any) -> list[PendingApproval]:
        return shown(self.pending)

    def _records_query(self, start: Any = 0, *_: Any) -> list[ApprovalRecord] | str:
        if not isinstance(start, int) or start < 0:  # a person sent this query by hand
            return RECORDS_TAKE_A_NUMBER
        return page_of(self._ledger.records, start)
