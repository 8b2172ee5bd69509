"""`strands-temporal approvals explain`, and `approve --trust`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.commands.commanding import command
from packages.hitl.tests.policy_support import Desk, DeskWorkflow, policy, refund, refunds
from temporalio.client import Client

from strands_temporal._commands._app import run

TEXT = """\
refund {"amount": 9}
  runs (layer rules 'small')
    deny 'large' does not match: amount is 9, and must be amount > 5000
    safe 'read_*' does not match: refund is another tool
    rules 'small' answers
"""


def files(folder: Path, call: Any, of: Any = None) -> list[str]:
    (folder / "policy.json").write_text(json.dumps(of or policy(safe=["read_*"])))
    (folder / "call.json").write_text(json.dumps(call))
    return [str(folder / "policy.json"), str(folder / "call.json")]


CALLS: list[tuple[Any, int, str]] = [
    ({"tool": "refund", "arguments": {"amount": 9}}, 0, TEXT),
    (
        {"tool": "refund", "arguments": {"amount": "9"}},
        3,
        "asks a person (layer deny 'large'): amount is of the type",
    ),
    ({"tool": "refund", "arguments": {"amount": 9000}}, 4, "is denied (layer deny 'large'): above 5000"),
    ([{"tool": "read_x"}, {"tool": "x\x1b[2J"}], 3, "2 calls by policy v1: 1 run, 1 ask a person, 0 denied"),
    ([], 0, "0 calls"),
]


@pytest.mark.parametrize(("call", "code", "text"), CALLS)
def test_explain_a_call(tmp_path: Path, capsys: Any, call: Any, code: int, text: str) -> None:
    assert run(["approvals", "explain", *files(tmp_path, call)]) == code
    out = capsys.readouterr().out
    assert text in out
    assert "\x1b" not in out


def test_explain_a_call_that_is_typed(tmp_path: Path, capsys: Any) -> None:
    path = files(tmp_path, [])[0]
    assert run(["approvals", "explain", path, '{"tool": "refund", "arguments": {"amount": 9}}']) == 0
    assert capsys.readouterr().out == TEXT
    assert run(["approvals", "explain", path, '{"tool": "refund"']) == 1
    assert "CALL: not JSON" in capsys.readouterr().err


WRONG: list[tuple[Any, Any, str]] = [
    ({"tool": 5}, None, "call.json: {'tool': 5} is no call"),
    ({"tool": "x", "args": {}}, None, "is no call"),
    ({"tool": "x"}, {"version": "1", "rule": []}, "ApprovalPolicy: rule: is unknown. Known:"),
]


@pytest.mark.parametrize(("call", "of", "text"), WRONG)
def test_wrong_files(tmp_path: Path, capsys: Any, call: Any, of: Any, text: str) -> None:
    given = files(tmp_path, call, of)
    assert run(["approvals", "explain", *given]) == 1
    assert text in capsys.readouterr().err
    assert run(["approvals", "explain", given[0]]) == 2
    assert run(["approvals", "explain", given[0], str(tmp_path / "none.json")]) == 1


@pytest.mark.server
@pytest.mark.slow
async def test_explain_a_workflow_and_trust_by_command(setting: Any, client: Client, tmp_path: Path) -> None:
    path = files(tmp_path, [])[0]
    async with setting(refunds(5, 9000, 200, 300), workflows=[DeskWorkflow], activities=[refund]) as s:
        handle, notice = await s.pause(Desk(policy()), workflow_class=DeskWorkflow)
        first = notice.pending[0].id
        given = (
            "approvals",
            "approve",
            handle.id,
            first,
            "--trust",
            "tool",
            "--trust-for",
            "60",
            "--by",
            "ana",
        )
        done = await command(client, *given)
        assert (done.code, "trusting the tool" in done.out) == (0, True)
        shown = await command(client, "approvals", "show", handle.id)
        assert len((await asyncio.wait_for(s.end(handle), 30))["records"]) == 4
    found = await command(client, "approvals", "explain", path, "--workflow", handle.id, "--json")
    assert found.code == 4
    calls = json.loads(found.out)["calls"]
    assert [(c["agent"], c["arguments"]["amount"], c["outcome"]) for c in calls] == [
        ("clerk", 5, "approve"),
        ("clerk", 9000, "deny"),
        ("clerk", 200, "ask"),
        ("clerk", 300, "ask"),
    ]
    assert "approved by the policy's layer rules 'small'" in shown.out
