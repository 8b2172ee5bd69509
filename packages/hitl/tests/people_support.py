"""Shared by the tests of verified people: an agent that refunds, a plugin, credentials."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from packages.hitl.tests.policy_support import ClerkChild, make_clerk
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.workflow import child_workflow
from strands_temporal_hitl import (
    ApprovalPolicy,
    Approvals,
    ApprovalsCarry,
    ApprovalsClient,
    Credential,
    HITLPlugin,
    Person,
)
from strands_temporal_hitl.identity import SignedVerifier, sign_person

TICKET_KEY = "a ticket key of the tests, 32 bytes or more"
FRONT_KEY = "a front end's key of the tests, 32 bytes or more"


def as_person(name: str, *groups: str, channel: str = "", **options: Any) -> Credential:
    """Return the credential of a person whom a front end of ours vouches for."""
    return sign_person(Person(name, list(groups)), FRONT_KEY, channel=channel, **options)


def signing_plugin(**options: Any) -> HITLPlugin:
    return HITLPlugin(verify=SignedVerifier([FRONT_KEY]), ticket_keys=[TICKET_KEY], **options)


def client_of(client: Client, credential: Any = None, **options: Any) -> ApprovalsClient:
    return ApprovalsClient(client, timeout=timedelta(seconds=30), credential=credential, **options)


@dataclass
class Office:
    """The input of the workflow."""

    policy: dict[str, Any] | None = None
    verified: bool = True
    deciders: dict[str, Any] | None = None
    started_by: str | None = None
    asked_by: str | None = None
    deadline: float | None = None
    prompts: list[str] = field(default_factory=lambda: ["go"])
    way: str = "asks"
    agent: AgentCarry | None = None
    approvals: ApprovalsCarry | None = None


@workflow.defn
class OfficeWorkflow:
    """Refunds, with people whom the worker verifies."""

    @workflow.init
    def __init__(self, office: Office) -> None:
        given = ApprovalPolicy.from_json(office.policy) if office.policy is not None else None
        self.approvals = Approvals(
            policy=given,
            carry=office.approvals,
            verified=office.verified,
            deciders=office.deciders,
            started_by=office.started_by,
            deadline=None if office.deadline is None else timedelta(seconds=office.deadline),
        )
        self.agent = make_clerk("asks" in office.way, office.agent)
        if "sub-agent" in office.way:
            tools = [self.agent.as_tool(name="clerk", description="Refunds.")]
            self.agent = TemporalAgent("model", tools=tools, callback_handler=None)
        elif "child" in office.way:
            tools = [child_workflow(ClerkChild, name="clerk")]
            self.agent = TemporalAgent("model", tools=tools, callback_handler=None)
        self.again = False

    @workflow.run
    async def run(self, office: Office) -> dict[str, Any]:
        prompt = None if office.agent is not None else office.prompts[0]
        result = await self.approvals.run(
            self.agent, prompt, stop_waiting_when=lambda: self.again, asked_by=office.asked_by
        )
        if result.stop_reason == "interrupt":
            await workflow.wait_condition(workflow.all_handlers_finished)
            agent = self.agent.carry()
            office.agent, office.approvals = agent, self.approvals.carry(agent)
            workflow.continue_as_new(office)
        return {"text": str(result).strip(), "records": self.approvals.records}

    @workflow.signal
    def hand_over(self) -> None:
        self.again = True


@workflow.defn(name="OfficeWorkflow")
class LaterOfficeWorkflow(OfficeWorkflow):
    """The same workflow after a deploy: now two people of finance have to decide."""

    @workflow.init
    def __init__(self, office: Office) -> None:
        office.deciders, office.verified = {"groups": ["finance"], "quorum": 2}, True
        super().__init__(office)

    @workflow.run
    async def run(self, office: Office) -> dict[str, Any]:
        return await super().run(office)
