"""What people change in a policy: trust that is bounded, refusals, carries of earlier releases. No server."""

from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import asked_by
from packages.hitl.tests.golden_hitl import HISTORIES, GoldenApprovals, refund
from strands.interrupt import Interrupt
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from strands_temporal import AgentTypeError, AgentValueError, StrandsPlugin, TemporalAgent
from strands_temporal.extension import CarryFormat
from strands_temporal_hitl import ApprovalPolicy, Approvals, HITLPlugin, TrustedCalls
from strands_temporal_hitl._carry import WITH_POLICY, ApprovalsCarry, pack, unpack
from strands_temporal_hitl._in_force import HUMAN_IN_THE_LOOP, PolicyInForce
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._state import LedgerState
from strands_temporal_hitl._trusted import MOST_TRUSTED

NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)
POLICY = ApprovalPolicy(version="v1")


def ledger(policy: ApprovalPolicy | None = POLICY, state: LedgerState | None = None) -> Ledger:
    state = state or LedgerState()
    return Ledger(True, False, state, policy=PolicyInForce(policy, state.policy))


def refusal_of(of: Ledger, change: Any) -> tuple[str | None, str]:
    with pytest.raises(ApplicationError) as caught:
        of.check_change(change, NOW)
    return caught.value.type, caught.value.message


TRUST = {"kind": "trust", "by": "ana", "tool": "refund"}
REFUSED: list[tuple[Any, str, str]] = [
    (None, "MalformedChange", "a change is an object"),
    ({"kind": "truts", "by": "ana"}, "MalformedChange", "is not one of"),
    ({**TRUST, "by": " "}, "MalformedChange", "by is empty"),
    ({**TRUST, "tools": []}, "MalformedChange", "unknown field 'tools'"),
    ({**TRUST, "seconds": 0}, "MalformedChange", "seconds=0 is not a number of seconds above 0"),
    ({**TRUST, "seconds": True}, "MalformedChange", "seconds=True"),
    ({**TRUST, "seconds": float("nan")}, "MalformedChange", "seconds=nan"),
    ({"kind": "trust", "by": "ana"}, "MalformedChange", "trust needs the name of a tool"),
    ({"kind": "policy", "by": "ana"}, "MalformedChange", "it needs one"),
    ({"kind": "policy", "by": "ana", "policy": {"version": ""}}, "MalformedChange", "version: is empty"),
    ({"kind": "withdraw", "by": "ana"}, "NotTrusted", "Nobody trusts"),
]


@pytest.mark.parametrize(("change", "kind", "text"), REFUSED)
def test_a_wrong_change_is_refused(change: Any, kind: str, text: str) -> None:
    found = refusal_of(ledger(), change)
    assert found[0] == kind
    assert text in found[1]


def test_without_a_policy_nothing_is_changed_or_trusted() -> None:
    assert refusal_of(ledger(None), TRUST)[0] == "NoPolicy"
    decision = {"id": "q", "verdict": "approve", "by": "ana", "trust": "tool", "early": True}
    with pytest.raises(ApplicationError) as caught:
        ledger(None).check(decision, NOW)
    assert caught.value.type == "NoPolicy"


def test_trust_is_bounded_and_what_expired_makes_room() -> None:
    of = ledger()
    for i in range(MOST_TRUSTED):
        of.change({**TRUST, "tool": f"t{i}", **({"seconds": 60} if i == 0 else {})}, NOW, None)
    assert refusal_of(of, TRUST)[0] == "TooMuchTrust"
    of.check_change({**TRUST, "tool": "t5"}, NOW)  # one that is there already
    of.check_change(TRUST, NOW + timedelta(minutes=1))
    of.change({"kind": "withdraw", "by": "ana"}, NOW, None)
    assert of.state.policy.trusted == []
    assert [of.records[0].outcome, of.records[-1].outcome] == ["trusted", "trust_withdrawn"]


def test_carries_of_earlier_releases_and_of_workflows_with_a_policy() -> None:
    plain = pack(LedgerState(), {}, [])
    assert plain.version == 1
    format_ = CarryFormat(ApprovalsCarry, WITH_POLICY, "", made_by="", package="")
    before = format_.unpack(plain)
    del before["state"]["policy"]
    del before["state"]["audit"]
    assert unpack(ApprovalsCarry(format_.pack(before))).state == LedgerState()
    of = ledger()
    of.change(TRUST, NOW, None)
    of.change({"kind": "policy", "by": "ana", "policy": {"version": "v2"}}, NOW, None)
    carry = pack(of.state, {}, [])
    assert carry.version == 3
    carried = unpack(carry).state
    assert carried.policy.trusted == [TrustedCalls("refund", by="ana", at=NOW.isoformat())]
    assert PolicyInForce(POLICY, carried.policy).version == "v2"
    with pytest.raises(AgentValueError, match="policy= is not given"):
        PolicyInForce(None, carried.policy)
    with pytest.raises(AgentTypeError, match="is not an ApprovalPolicy"):
        PolicyInForce({"version": "1"}, carried.policy)  # pyright: ignore[reportArgumentType]
    assert asdict(carried) == asdict(of.state)


def test_the_policy_approves_for_those_alone_who_ask_nothing_else() -> None:
    assert HumanInTheLoop.name == HUMAN_IN_THE_LOOP
    policy = ApprovalPolicy(
        version="1", safe=["t"], deny=[{"name": "no", "tools": ["never"], "reason": "never"}]
    )
    for name, tool, outcome in (
        (HUMAN_IN_THE_LOOP, "t", "approved"),
        ("approval policy 2", "t", "approved"),
        ("which colour", "t", None),
        ("which colour", "never", "denied"),
        (HUMAN_IN_THE_LOOP, "other", None),
    ):
        of = ledger(policy)
        use = {"name": tool, "input": {}, "toolUseId": "u"}
        of.ask("agent", [(Interrupt("i", name, "?"), asked_by(use))], now=NOW)
        assert [r.outcome for r in of.records] == ([outcome] if outcome else [])


# --- Histories of workflows that had no policy, replayed by code that has one


@workflow.defn(name="GoldenApprovals")
class NowWithAPolicy(GoldenApprovals):
    """The same workflow after a deploy that gave it a policy, which would deny all its calls."""

    def __init__(self) -> None:
        deny = [{"name": "all", "tools": ["*"], "reason": "no"}]
        self.approvals = Approvals(deadline=timedelta(days=2), policy=ApprovalPolicy(version="1", deny=deny))
        self.agent = TemporalAgent("m", name="clerk", tools=[refund], callback_handler=None)
        self.passes = 0
        self.go = False

    @workflow.run
    async def run(self, way: str) -> list[Any]:
        return await super().run(way)


OLD = sorted(set(HISTORIES.glob("hitl-0.1.0-[!c]*.json")) - set(HISTORIES.glob("*-a-policy.json")))


def recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("golden", path.read_text())


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
async def test_a_history_without_a_policy_replays_with_one(path: Path) -> None:
    replayer = Replayer(workflows=[NowWithAPolicy], plugins=[StrandsPlugin(), HITLPlugin()])
    await replayer.replay_workflow(recorded(path))
