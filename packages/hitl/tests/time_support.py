"""Shared by the tests of time: a workflow whose approvals have any settings of time, and notifiers."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from packages.hitl.tests.approvals_support import Gate, delete_file, pick_color
from temporalio import workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal_hitl import (
    ApprovalExpiredError,
    ApprovalNotice,
    ApprovalPolicy,
    Approvals,
    ApprovalsCarry,
    Told,
)


@dataclass
class Timed:
    """The input of the workflow: settings in seconds."""

    deadline: float | None = None
    remind: list[float] | float | None = None
    at_deadline: str = "deny"
    escalate_to: dict[str, Any] | None = None
    escalation: float | None = None
    policy: dict[str, Any] | None = None
    catches: bool = False
    lingers: bool = False
    prompt: str | None = "go"
    agent: AgentCarry | None = None
    approvals: ApprovalsCarry | None = None


def seconds(value: Any) -> Any:
    if isinstance(value, list):
        return [timedelta(seconds=each) for each in cast("list[float]", value)]
    return None if value is None else timedelta(seconds=value)


@workflow.defn
class TimedWorkflow:
    """One agent whose calls wait for people. It hands over to a new run by a signal."""

    @workflow.init
    def __init__(self, given: Timed) -> None:
        policy = None if given.policy is None else ApprovalPolicy.from_json(given.policy)
        at: Any = given.at_deadline
        self.approvals = Approvals(
            deadline=seconds(given.deadline),
            remind=seconds(given.remind),
            at_deadline=at,
            escalate_to=given.escalate_to,
            escalation_deadline=seconds(given.escalation),
            policy=policy,
            carry=given.approvals,
        )
        hooks: Any = [] if policy else [Gate()]
        self.agent = TemporalAgent(
            "model", hooks=hooks, tools=[delete_file, pick_color], callback_handler=None, carry=given.agent
        )
        self.again = False
        self.goes = not given.lingers

    @workflow.run
    async def run(self, given: Timed) -> dict[str, Any]:
        try:
            result = await self.approvals.run(self.agent, given.prompt, stop_waiting_when=lambda: self.again)
        except ApprovalExpiredError as error:
            if not given.catches:
                raise
            result = await self.approvals.run(self.agent, f"go on after {error.record.outcome}")
        if result.stop_reason == "interrupt":
            await workflow.wait_condition(lambda: self.goes and workflow.all_handlers_finished())
            agent = self.agent.carry()
            given.prompt, given.agent, given.approvals = None, agent, self.approvals.carry(agent)
            workflow.continue_as_new(given)
        return {"text": str(result).strip(), "records": self.approvals.records}

    @workflow.signal
    def hand_over(self) -> None:
        self.again = True

    @workflow.signal
    def go(self) -> None:
        self.goes = True


@dataclass
class Listener:
    """A notifier that is told of decisions, and refers to its first notice."""

    tells_decisions = True
    notices: list[ApprovalNotice] = field(default_factory=list[ApprovalNotice])
    came: asyncio.Queue[ApprovalNotice] = field(default_factory=asyncio.Queue[ApprovalNotice])

    async def notify(self, notice: ApprovalNotice) -> Told:
        self.notices.append(notice)
        await self.came.put(notice)
        return Told(["#ops"], f"message {len(self.notices)}" if notice.kind == "asked" else None)

    async def next(self, kind: str) -> ApprovalNotice:
        notice = await asyncio.wait_for(self.came.get(), 30)
        assert notice.kind == kind, notice
        return notice


def kinds(listener: Listener) -> list[str]:
    return [each.kind for each in listener.notices]
