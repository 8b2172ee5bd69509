"""The audit chain: the same entries at each replay, and what `verify` finds. No server."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import asked_by
from strands.interrupt import Interrupt

from strands_temporal._commands._app import run as run_command
from strands_temporal_hitl import ApprovalRecord
from strands_temporal_hitl._audit import AuditChain, AuditHead, canonical, entry_of, hash_of
from strands_temporal_hitl._audit_check import ChainHead, Verification, verify_audit
from strands_temporal_hitl._audit_runs import AuditGap
from strands_temporal_hitl._carry import MOST_BY_POLICY, MOST_RECORDS, WITH_POLICY, pack, unpack
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._state import LedgerState

NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)


def use(number: int = 0, path: str = "/a") -> Any:
    return {"toolUseId": f"t{number}", "name": "delete", "input": {"path": path}}


def run(state: LedgerState, run_id: str, number: int = 0, path: str = "/a") -> Ledger:
    """Ask and decide one question in a run."""
    chain = AuditChain(state.audit, namespace="default", workflow_id="w", run_id=run_id)
    ledger = Ledger(True, False, state, chain=chain)
    asked = [(Interrupt(f"q{number}", "approval", "ok?"), asked_by(use(number, path)))]
    pause = ledger.ask("agent", asked, now=NOW, deadline=timedelta(days=1))
    ids = [pause.questions[0].pending.id]
    ledger.told(pause.notice_id, ids, "ops", "asked", ["ops@example.org"], NOW)
    decision = {"id": pause.questions[0].pending.id, "verdict": "approve", "by": "ana", "reason": "fine"}
    ledger.decide(decision, NOW + timedelta(minutes=1), "u")
    ledger.settle(pause)
    return ledger


def carried(ledger: Ledger) -> LedgerState:
    return unpack(pack(ledger.state, {}, [])).state


def two_runs() -> tuple[list[str], LedgerState]:
    first = run(LedgerState(), "run-1")
    second = run(carried(first), "run-2", 1)
    return first.chain.page(0).lines + second.chain.page(0).lines, second.state


def found(lines: list[str], *heads: ChainHead) -> Verification:
    return verify_audit([(f"f:{i}", line) for i, line in enumerate(lines, 1)], heads)


def test_the_chain_goes_over_runs_and_never_changes() -> None:
    lines, state = two_runs()
    assert lines == two_runs()[0]
    entries = [entry_of(line) for line in lines]
    assert [e.number for e in entries] == [1, 2, 3, 4, 5, 6]
    assert [e.kind for e in entries] == ["asked", "told", "decided"] * 2
    assert [e.run_id for e in entries] == ["run-1"] * 3 + ["run-2"] * 3
    assert [e.line for e in entries] == lines
    assert (state.audit.number, state.audit.hash) == (6, entries[-1].hash)
    # What the first release wrote. Another hash here breaks each chain that runs over a deploy.
    assert entries[-1].hash == "sha256:c666cf4f586f07efc2e17f9754f579b5578d7639a66eee97f46473587ce87307"
    assert entries[0].data["arguments"] == {"path": "/a"}
    assert entries[2].data == {
        "asked_at": NOW.isoformat(),
        "by": "ana",
        "digest": entries[0].data["digest"],
        "name": "approval",
        "outcome": "approved",
        "reason": "fine",
        "response": True,
        "tool": "delete",
        "update_id": "u",
    }
    assert found(lines, ChainHead("default", "w", 6, entries[-1].hash)) == Verification(
        6, [ChainHead("default", "w", 6, entries[-1].hash)]
    )


def test_a_long_value_is_cut_and_its_digest_stays() -> None:
    lines = run(LedgerState(), "run-1", path="x" * 10_000).chain.page(0).lines
    data = entry_of(lines[0]).data
    assert len(lines[0]) < 6_000
    assert data["cut"]["arguments"].startswith("sha256:")
    assert data["arguments"].startswith('{"path":"xxx')


def changed(line: str, rehash: bool = False, **fields: Any) -> str:
    value = json.loads(line) | fields
    return canonical(value | {"hash": hash_of(value)} if rehash else value)


def gap(run_id: str, reason: str = "no worker") -> str:
    return AuditGap("default", "w", run_id, reason).line


OTHER = [line.replace('"w"', '"v"') for line in two_runs()[0]]
HEAD = ChainHead("default", "w", 6, entry_of(two_runs()[0][5]).hash)

FAULTS: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "changed data": (
        lambda of: [*of[:2], changed(of[2], data={"by": "eve"}), *of[3:]],
        "f:3: changed: entry 3",
    ),
    "changed and hashed": (
        lambda of: [*of[:2], changed(of[2], True, data={"by": "eve"}), *of[3:]],
        "f:4: changed: of 'w', entry 4 does not follow the entry 3",
    ),
    "other text of the same value": (lambda of: [of[0].replace(",", ", ", 1), *of[1:]], "f:1: changed"),
    "no JSON": (lambda of: ["{", *of], "f:1: malformed: no JSON"),
    "no entry": (lambda of: ['{"format":1}', *of], "f:1: malformed"),
    "unknown field": (lambda of: [changed(of[0], True, more=1), *of[1:]], "f:1: malformed"),
    "missing": (lambda of: [*of[:1], *of[2:]], "f:2: missing: of 'w', entry 2 is not here"),
    "several missing": (lambda of: [of[0], *of[3:]], "f:2: missing: of 'w', entries 2 to 3 are not here"),
    "beginning cut off": (lambda of: of[2:], "entries 1 to 2 are not here; the beginning is cut off"),
    "reordered": (lambda of: [of[1], of[0], *of[2:]], "f:1: reordered: entry 2"),
    "runs reordered": (lambda of: of[3:] + of[:3], "f:1: reordered: entry 4"),
    "doubled": (lambda of: [*of, of[1]], "f:7: doubled: entry 2 of 'w' is in f:2 already"),
    "of another workflow": (lambda of: [*of[:3], *OTHER[3:]], "changed: entry 4 of 'v'"),
    "moved to a workflow": (
        lambda of: [*of, changed(of[5], True, workflow_id="v")],
        "f:7: missing: of 'v', entries 1 to 5 are not here",
    ),
    "forked": (
        lambda of: [*of, changed(of[5], True, data={"by": "eve"})],
        "f:7: forked: entry 6 of 'w' is there twice in one run",
    ),
    "number": (lambda of: [changed(of[0], True, number=2), *of[1:]], "a number that does not fit"),
    "end cut off": (lambda of: of[:4], "cut off: the head is entry 6, and 4 is the last"),
    "all cut off": (lambda of: [], "cut off: the head is entry 6, and 0 is the last"),
    "new chain": (
        lambda of: [*of[:5], changed(of[5], True, data={"by": "eve"})],
        "entry 6 has another hash than the head",
    ),
    "gap in a run": (lambda of: [gap("run-1"), of[0], *of[2:]], "f:3: missing"),
    "filled gap": (lambda of: [gap("run-1"), *of[3:], gap("run-1", "")], "missing: of 'w', entries 1 to 3"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_is_found(case: str) -> None:
    change, text = FAULTS[case]
    faults = found(change(two_runs()[0]), HEAD).faults
    assert text in "\n".join(faults), faults


def test_a_broken_chain_is_counted_once(tmp_path: Path, capsys: Any) -> None:
    lines, _ = two_runs()
    (tmp_path / "audit.jsonl").write_text("".join(f"{line}\n" for line in [lines[0], *lines[2:]]))
    assert run_command(["approvals", "verify", str(tmp_path / "audit.jsonl")]) == 1
    assert "5 entries in 1 chain: 1 fault, 0 gaps" in capsys.readouterr().out


def test_gaps_and_resets_are_told() -> None:
    lines, _ = two_runs()
    first = found([gap("run-1"), *lines[3:]])
    assert (first.faults, first.gaps) == ([], ["f:1: run 'run-1' of 'w': no worker"])
    filled = found([gap("run-1"), *lines[3:], gap("run-1", ""), *lines[:3]], HEAD)
    assert (filled.faults, filled.gaps) == ([], [])
    reset = run(carried(run(LedgerState(), "run-1")), "run-2b", 1).chain.page(0).lines
    of_reset = found([*lines, *reset])
    assert of_reset.faults == []
    assert of_reset.notes == ["'w' was reset after entry 3: the runs run-2, run-2b follow it"]
    assert [head.number for head in of_reset.heads] == [6, 6]


def test_the_carry_has_the_head_and_the_latest_records() -> None:
    waiting = Ledger(True, False)
    asked = [(Interrupt(id_, "approval"), asked_by(use())) for id_ in ("first", "open")]
    waiting.ask("agent", asked, now=NOW)
    waiting.decide({"id": "first", "verdict": "approve", "by": "ana"}, NOW, "u")
    for i in range(3_000):
        layer = "rules" if i % 2 else ""
        waiting.state.records.append(ApprovalRecord(f"r{i}", "", "approved", layer=layer))
    carry = pack(waiting.state, {}, [])
    assert carry.version == WITH_POLICY, "the chain alone needs no other"
    state = unpack(carry).state
    assert state.audit == waiting.state.audit
    assert [r.id for r in state.records[:1]] == ["first"]  # an agent waits for its answer
    by_policy = sum(r.layer == "rules" for r in state.records)
    assert 100 < by_policy <= MOST_BY_POLICY
    assert by_policy < len(state.records) <= MOST_BY_POLICY + MOST_RECORDS + 1  # their bytes are bounded, too
    assert state.records[-1] == waiting.state.records[-1]
    assert len(waiting.state.records) == 3_001


def test_a_chain_that_begins_late_says_so() -> None:
    old = LedgerState(records=[ApprovalRecord("q", "approval", "approved", at=NOW.isoformat())])
    lines = run(old, "run-9").chain.page(0).lines
    first = entry_of(lines[0])
    assert (first.kind, first.data, first.previous) == ("began", {"records_before": 1}, "")
    assert found(lines).faults == []


def test_pages_bring_each_line_once() -> None:
    chain = AuditChain(AuditHead(), workflow_id="w")
    for i in range(3_000):
        chain.add("told", f"n{i}", {"notifier": "x" * 300}, NOW)
    lines: list[str] = []
    pages = 0
    while True:
        page = chain.page(len(lines))
        lines += page.lines
        pages += 1
        if not page.more:
            break
    assert pages > 1
    assert found(lines, ChainHead("", "w", page.head.number, page.head.hash)).faults == []
