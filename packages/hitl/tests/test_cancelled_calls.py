"""Calls that Strands' own guards stop are in the same record as those that people decide."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, delete_file, echo
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.vended_interventions.hitl import HumanInTheLoop
from strands.vended_plugins.steering import Guide, Proceed, SteeringHandler
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, use_tools
from strands_temporal_hitl import Approvals

pytestmark = pytest.mark.server

PATHS = ("/etc", "/steered", "/hook", "/no", "/yes")

POLICIES = """
permit(principal, action == Action::"delete_file", resource) when { context.input.path != "/etc" };
"""


def ana(state: dict[str, Any]) -> dict[str, str]:
    return {"type": "User", "id": "ana"}


class Steering(SteeringHandler):
    """Steers the agent away from one file."""

    async def steer_before_tool(self, *, agent: Any, tool_use: Any, **kwargs: Any) -> Any:
        if tool_use["input"]["path"] == "/steered":
            return Guide(reason="try another file")
        return Proceed(reason="fine")


class Hook(HookProvider):
    """Cancels the deletion of one file."""

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        registry.add_callback(BeforeToolCallEvent, self._cancel)

    def _cancel(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["input"]["path"] == "/hook":
            event.cancel_tool = "not this one"


@workflow.defn
class GuardedWorkflow:
    def __init__(self) -> None:
        from strands.vended_interventions import CedarAuthorization

        self.approvals = Approvals()
        cedar = CedarAuthorization(policies=POLICIES, principal_resolver=ana)
        self.agent = TemporalAgent(
            "model",
            tools=[delete_file],
            interventions=[cedar, HumanInTheLoop(allowed_tools=[])],
            hooks=[Hook()],
            plugins=[Steering()],
            callback_handler=None,
        )

    @workflow.run
    async def run(self) -> dict[str, Any]:
        result = await self.approvals.run(self.agent, "go")
        return {"text": str(result).strip(), "records": self.approvals.records}


async def test_what_cedar_steering_and_hooks_stop_is_in_the_record(setting: Any) -> None:
    pytest.importorskip("cedarpy", reason="strands-agents[cedar] is not installed")
    model = ScriptedModel(
        use_tools([("delete_file", {"path": path}, path) for path in PATHS]), lambda call: echo(call)
    )
    async with setting(model, workflows=[GuardedWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=GuardedWorkflow)
        for pending in notice.pending:
            path = pending.arguments["path"]
            decide = s.approver.reject if path == "/no" else s.approver.approve
            await decide(handle.id, pending, by=BY, reason="so it is")
        result = await s.end(handle)
        audit = await s.approver.audit(handle.id)
    assert [each.arguments["path"] for each in notice.pending] == list(PATHS[1:])
    stopped = [r for r in result["records"] if r["layer"]]
    assert {r["outcome"] for r in stopped} == {"denied"}
    assert sorted((r["layer"], r["rule"] or "", r["reason"]) for r in stopped) == [
        ("hook", "", "Tool call cancelled. try another file You MUST follow this guidance immediately."),
        ("hook", "", "not this one"),
        ("intervention", "cedar-authorization", "DENIED: Access denied by Cedar policy"),
    ]
    people = [r["outcome"] for r in result["records"] if not r["layer"]]
    assert sorted(people) == ["approved", "approved", "approved", "rejected"]
    assert [e.kind for e in audit.entries].count("decided") == 7
    assert "deleted /yes" in result["text"]
