"""Shared by the tests of policies in workflows: an agent that refunds, and policies for it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import SubAgentResult, SubAgentTask, activity_as_tool, child_workflow
from strands_temporal_hitl import ApprovalPolicy, Approvals, ApprovalsCarry

ran: list[Any] = []


@activity.defn
async def refund(amount: int, to: str = "bob") -> str:
    """Refund money."""
    ran.append((amount, to))
    return f"refunded {amount} to {to}"


def rule(name: str, then: str, op: str, value: Any, path: str = "amount", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "tools": ["refund"],
        "when": [{"path": path, "op": op, "value": value}],
        "then": then,
        **more,
    }


def policy(version: str = "v1", *, most: int = 5000, small: int = 100, safe: Any = ()) -> dict[str, Any]:
    """Return a policy: refunds above `most` are denied, those up to `small` run, people decide the others."""
    large = rule("large", "deny", ">", most, reason=f"above {most}")
    del large["then"]
    return {
        "version": version,
        "deny": [large],
        "safe": list(safe),
        "rules": [rule("small", "approve", "<=", small)],
    }


@dataclass
class Desk:
    """The input of the workflow."""

    policy: dict[str, Any] | None
    prompts: list[str] = field(default_factory=lambda: ["go"])
    way: str = ""
    agent: AgentCarry | None = None
    approvals: ApprovalsCarry | None = None
    texts: list[str] = field(default_factory=list[str])
    wait: bool = False


def make_clerk(asks: bool, carry: AgentCarry | None = None) -> TemporalAgent:
    """Make the agent that refunds, with Strands' own `HumanInTheLoop` if it `asks`."""
    interventions: Any = [HumanInTheLoop()] if asks else []
    tools: Any = [activity_as_tool(refund)]
    return TemporalAgent(
        "model", name="clerk", tools=tools, interventions=interventions, callback_handler=None, carry=carry
    )


@workflow.defn
class ClerkChild:
    """A sub-agent in a workflow of its own. It asks about each call."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(make_clerk(True, task.carry))


@workflow.defn
class DeskWorkflow:
    """Refunds, a prompt at a time. Its way says what is around the agent that refunds."""

    @workflow.init
    def __init__(self, desk: Desk) -> None:
        given = ApprovalPolicy.from_json(desk.policy) if desk.policy is not None else None
        self.approvals = Approvals(policy=given, carry=desk.approvals, deadline=timedelta(days=2))
        self.go = not desk.wait
        self.again = False
        self.agent = make_clerk("asks" in desk.way, desk.agent)
        if "sub-agent" in desk.way:
            tools = [self.agent.as_tool(name="clerk", description="Refunds.")]
            self.agent = TemporalAgent("model", tools=tools, callback_handler=None)
        elif "child" in desk.way:
            tools = [child_workflow(ClerkChild, name="clerk")]
            self.agent = TemporalAgent("model", tools=tools, callback_handler=None)

    @workflow.run
    async def run(self, desk: Desk) -> dict[str, Any]:
        await workflow.wait_condition(lambda: self.go)
        texts = list(desk.texts)
        for i, prompt in enumerate(desk.prompts):
            goes_on = i == 0 and desk.agent is not None and prompt == "on"
            result = await self.approvals.run(
                self.agent, None if goes_on else prompt, stop_waiting_when=lambda: self.again
            )
            left = desk.prompts[i + 1 :]
            if result.stop_reason == "interrupt" or ("carried" in desk.way and left):
                if result.stop_reason == "interrupt":
                    left = ["on", *left]
                else:
                    texts.append(str(result).strip())
                await workflow.wait_condition(workflow.all_handlers_finished)
                agent = self.agent.carry()
                carry = self.approvals.carry(agent)
                workflow.continue_as_new(Desk(desk.policy, left, desk.way, agent, carry, texts))
            texts.append(str(result).strip())
        return {"texts": texts, "records": self.approvals.records}

    @workflow.signal
    def begin(self) -> None:
        self.go = True

    @workflow.signal
    def hand_over(self) -> None:
        self.again = True


def refunds(*amounts: Any) -> ScriptedModel:
    """Refund all amounts at once at each prompt; say what came back."""

    def script(call: ScriptedCall) -> Any:
        if call.tool_results:
            return say(" / ".join(t for b in call.messages[-1]["content"] for t in _texts(b)))
        words = [int(word) for word in call.prompt.split() if word.isdigit()] or amounts
        number = len(call.messages)
        if "clerk" in call.tool_names:
            return use_tools([("clerk", {"input": f"refund {' '.join(map(str, words))}"}, f"clerk-{number}")])
        return use_tools([("refund", {"amount": n}, f"call-{number}-{i}") for i, n in enumerate(words)])

    return ScriptedModel(script)


def _texts(block: Any) -> list[str]:
    return [each.get("text", "") for each in block.get("toolResult", {}).get("content", [])]


def outcomes(records: Any) -> list[tuple[Any, ...]]:
    """Return outcome, layer, rule and version of each record."""
    found = [r if isinstance(r, dict) else vars(r) for r in records]
    return [(r["outcome"], r["layer"], r["rule"], r["policy_version"]) for r in found]
