"""Tools that are declared safe in code: a policy lets their calls run, also those of sub-agents."""

from dataclasses import dataclass
from typing import Any

import pytest
from strands import tool
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow

from strands_temporal import AgentTypeError, TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import ApprovalPolicy, Approvals, _judging, _watch, declare_safe


@activity.defn
async def look_up(order: str) -> str:
    """Look up an order."""
    return f"{order} is paid"


@dataclass
class Work:
    """The input of the workflow."""

    policy: dict[str, Any]
    way: str = ""


@workflow.defn
class LookUpWorkflow:
    """An agent, or its sub-agent, with a tool that is declared safe and one that is not."""

    @workflow.init
    def __init__(self, work: Work) -> None:
        self.approvals = Approvals(policy=ApprovalPolicy.from_json(work.policy))

        @tool
        def today() -> str:
            """Return the day."""
            return "Monday"

        tools: list[Any] = [activity_as_tool(look_up), today]
        declare_safe(tools[0])
        asks: Any = [HumanInTheLoop()] if "asks" in work.way else []
        agent = TemporalAgent("model", name="clerk", tools=tools, interventions=asks, callback_handler=None)
        if "sub-agent" in work.way:
            below: Any = [agent.as_tool(name="clerk", description="Looks up.")]
            agent = TemporalAgent("model", tools=below, callback_handler=None)
        self.agent = agent

    @workflow.run
    async def run(self, work: Work) -> list[Any]:
        await self.approvals.run(self.agent, "go")
        return [(r.tool, r.outcome, r.layer, r.rule) for r in self.approvals.records]


def script(call: ScriptedCall) -> Any:
    if call.tool_results:
        return say("done")
    if "clerk" in call.tool_names:
        return use_tools([("clerk", {"input": "go"}, "clerk-1")])
    return use_tools([("look_up", {"order": "A"}, "one"), ("today", {}, "two")])


def never(tool: object) -> bool:
    return False


def of(way: str = "", **more: Any) -> Work:
    return Work({"version": "v1", "safe": ["clerk"], **more}, way)


SAFE = ["look_up", "approved", "safe", "declared safe"]


@pytest.mark.server
@pytest.mark.parametrize(
    "way",
    [
        "sub-agent",
        pytest.param("", marks=pytest.mark.slow),
        pytest.param("asks", marks=pytest.mark.slow),
        pytest.param("asks sub-agent", marks=pytest.mark.slow),
    ],
)
async def test_a_declared_tool_runs_and_another_asks(setting: Any, way: str) -> None:
    options: dict[str, Any] = {"workflows": [LookUpWorkflow], "activities": [look_up]}
    async with setting(ScriptedModel(script), **options) as s:
        handle, notice = await s.pause(of(way), workflow_class=LookUpWorkflow)
        (pending,) = notice.pending
        assert pending.tool == "today"
        await s.approver.reject(handle.id, pending, by="ana")
        records = await s.end(handle)
    assert sorted(r for r in records if r[0] != "clerk") == [SAFE, ["today", "rejected", "people", None]]


@pytest.mark.server
@pytest.mark.slow
async def test_the_policy_may_deny_it_or_not_count_it(setting: Any) -> None:
    options: dict[str, Any] = {"workflows": [LookUpWorkflow], "activities": [look_up]}
    deny = [{"name": "no", "tools": ["look_*"], "reason": "closed"}]
    async with setting(ScriptedModel(script), **options) as s:
        records = await s.env.run(LookUpWorkflow.run, of(deny=deny, safe=["today"]))
        assert ["look_up", "denied", "deny", "no"] in records
        handle, notice = await s.pause(of(declared_safe=False, safe=["today"]), workflow_class=LookUpWorkflow)
        assert [p.tool for p in notice.pending] == ["look_up"]
        await s.approver.approve(handle.id, notice.pending[0], by="ana")
        await s.end(handle)


@pytest.mark.server
@pytest.mark.slow
async def test_a_run_that_began_without_the_declaration_replays(
    setting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"workflows": [LookUpWorkflow], "activities": [look_up]}
    for module in (_judging, _watch):  # as if the code did not declare it yet
        monkeypatch.setattr(module, "is_declared_safe", never)
    async with setting(ScriptedModel(script), **options) as s:
        handle, notice = await s.pause(of(), workflow_class=LookUpWorkflow)
        assert sorted(str(p.tool) for p in notice.pending) == ["look_up", "today"]
        for pending in notice.pending:
            await s.approver.approve(handle.id, pending, by="ana")
        await s.end(handle)
        monkeypatch.undo()
        await s.assert_replays(handle)


def test_what_is_no_tool_is_refused() -> None:
    wrong: Any = look_up
    with pytest.raises(AgentTypeError, match=r"declare_safe\(activity_as_tool\(activity\)\)"):
        declare_safe(wrong)
