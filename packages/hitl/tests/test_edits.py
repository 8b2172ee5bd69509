"""A person changes the arguments of a call. The call runs once with those, whatever tool it is of."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, refused
from strands.hooks import BeforeToolCallEvent
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import Approvals, digest_of

pytestmark = pytest.mark.server

ran: list[Any] = []


@activity.defn
async def transfer(amount: int, to: str = "bob") -> str:
    """Transfer money."""
    ran.append((amount, to))
    return f"{amount} to {to}"


def results(call: ScriptedCall) -> Any:
    """Say what the model sees of its calls: what it asked for, and what came back."""
    asked = [b["toolUse"]["input"] for m in call.messages for b in m["content"] if "toolUse" in b]
    came = [b["toolResult"]["content"] for m in call.messages for b in m["content"] if "toolResult" in b]
    return say(f"{asked} {came}")


def transfers(*amounts: int) -> ScriptedModel:
    calls = [("transfer", {"amount": each}, f"call-{i}") for i, each in enumerate(amounts)]
    return ScriptedModel(use_tools(calls), results)


def deny_large(event: BeforeToolCallEvent) -> None:
    """A policy of the program: it holds for what people write too."""
    if event.tool_use["input"]["amount"] > 1000:
        event.cancel_tool = "more than anybody may transfer"


@workflow.defn
class TransferWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals(allowed_decisions={"estimate": ["approve", "reject"]})

    @workflow.run
    async def run(self) -> dict[str, Any]:
        agent = TemporalAgent(
            "model",
            tools=[activity_as_tool(transfer)],
            interventions=[HumanInTheLoop()],
            callback_handler=None,
        )
        agent.add_hook(deny_large, BeforeToolCallEvent)
        result = await self.approvals.run(agent, "go")
        return {"text": str(result).strip(), "records": self.approvals.records}


async def test_edit_runs_once_and_is_told_and_kept(setting: Any) -> None:
    ran.clear()
    options: Any = {"workflows": [TransferWorkflow], "activities": [transfer]}
    async with setting(transfers(100, 200, 300), **options) as s:
        handle, _ = await s.pause(workflow_class=TransferWorkflow)
        first, second, third = await s.approver.pending(handle.id)
        assert first.allowed_decisions == ["approve", "reject", "edit", "respond"]
        assert first.input_schema["properties"]["amount"]["type"] == "integer"
        wrong = await refused(s.approver.edit(handle.id, first, {"amont": 5}, by=BY))
        assert wrong.kind == "InvalidArguments"
        assert "unknown argument 'amont'. Did you mean 'amount'?" in str(wrong)
        assert "'amount' (integer), 'to' (string, optional)" in str(wrong)
        edited = await s.approver.edit(handle.id, first, {"amount": 5, "to": "eve"}, by=BY, reason="cheaper")
        late = await refused(s.approver.approve(handle.id, first, by="bob"))
        assert late.kind == "AlreadyDecided"
        assert "already edited by" in str(late)
        same = await s.approver.edit(handle.id, second, {"amount": 200}, by=BY)
        await s.approver.edit(handle.id, third, {"amount": 3000}, by=BY)
        ended = await s.end(handle)
    assert sorted(ran) == [(5, "eve"), (200, "bob")]
    assert (edited.outcome, edited.by, edited.reason) == ("edited", BY, "cheaper")
    assert (edited.asked_arguments, edited.digest) == (
        {"amount": 100},
        digest_of("transfer", {"amount": 100}),
    )
    assert edited.edited_arguments == {"amount": 5, "to": "eve"}
    assert edited.edited_digest == digest_of("transfer", {"amount": 5, "to": "eve"})
    assert (same.outcome, same.edited_arguments) == ("approved", None)
    assert [r["outcome"] for r in ended["records"]] == ["edited", "approved", "edited", "denied"]
    assert ended["records"][-1]["layer"] == "hook"
    note = 'A person changed the arguments of this call to {"amount": 5, "to": "eve"}. The reason: cheaper.'
    asked = [{"amount": 100}, {"amount": 200}, {"amount": 300}]
    came = [
        [{"text": "5 to eve"}, {"text": note}],
        [{"text": "200 to bob"}],
        [{"text": "more than anybody may transfer"}],
    ]
    assert ended["text"] == f"{asked} {came}"
