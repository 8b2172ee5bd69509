"""`strands-temporal approvals explain`: what a policy answers for calls, and which rules it tried before."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from strands_temporal import AgentTypeError, AgentValueError

from ._policy import ApprovalPolicy, Judgement, Step
from ._policy_data import parsed
from ._terminal import CommandError, say

EXIT_CODES: Mapping[str, int] = {"approve": 0, "ask": 3, "judge": 3, "deny": 4}
"""Exit codes, by the strictest answer: 1 and 2 are errors. A judge may leave a call to a person."""

_ANSWERS = {
    "approve": "runs",
    "ask": "asks a person",
    "judge": "asks the judge, and a person if the judge does not approve",
    "deny": "is denied",
}


def read_policy_file(path: Path) -> ApprovalPolicy:
    """Return the policy in a file.

    Raises:
        CommandError: If it cannot be read, or is no policy.
    """
    try:
        return ApprovalPolicy.from_json(_bytes(path))
    except (AgentValueError, AgentTypeError) as error:
        raise CommandError(f"{path}: {error}") from None


def read_calls(given: str) -> list[dict[str, Any]]:
    """Return the call or the calls: `{"tool": ..., "arguments": {...}}`, or a list of these.

    Args:
        given: The JSON itself, or the path of a file that holds it.

    Raises:
        CommandError: If it cannot be read, or holds no calls.
    """
    is_json = given.lstrip().startswith(("{", "["))
    path = "CALL" if is_json else given
    try:
        value = parsed(given if is_json else _bytes(Path(given)).decode())
    except (AgentValueError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {str(error).removeprefix('ApprovalPolicy: ')}") from None
    calls = cast("list[Any]", value) if isinstance(value, list) else [value]
    for call in calls:
        known = cast("dict[str, Any]", call) if isinstance(call, dict) else {}
        unknown = set(known) - {"tool", "arguments", "agent"}
        if (
            not isinstance(known.get("tool"), str)
            or not isinstance(known.get("arguments", {}), dict)
            or unknown
        ):
            raise CommandError(
                f'{path}: {call!r} is no call. Write {{"tool": "refund", "arguments": {{...}}}}'
            )
    return calls


def explain(policy: ApprovalPolicy, calls: Sequence[Mapping[str, Any]], *, as_json: bool, steps: bool) -> int:
    """Print the policy's answer for each call. Return the exit code of the strictest one.

    Args:
        policy: The policy.
        calls: The calls: `tool`, `arguments`, and `agent` if it is known.
        as_json: Whether to print JSON.
        steps: Whether to print each rule that was tried.
    """
    found: list[tuple[Mapping[str, Any], Judgement, list[Step]]] = []
    for call in calls:
        tried: list[Step] = []
        found.append((call, policy.judge(call["tool"], call.get("arguments", {}), steps=tried), tried))
    if as_json:
        shown = [
            {"tool": call["tool"], "arguments": call.get("arguments", {}), "agent": call.get("agent")}
            | asdict(judgement)
            | {"steps": [asdict(each) for each in tried]}
            for call, judgement, tried in found
        ]
        sys.stdout.write(json.dumps({"version": policy.version, "calls": shown}) + "\n")
    else:
        for call, judgement, tried in found:
            _say_call(call, judgement, tried if steps else [])
        if len(found) != 1:
            counts = Counter(judgement.outcome for _, judgement, _ in found)
            totals = {k: text for k, text in _TOTALS.items() if k != "judge" or policy.judge_rule}
            parts = [f"{counts[outcome]} {text}" for outcome, text in totals.items()]
            say(f"{len(found)} calls by policy {policy.version}: {', '.join(parts)}")
    return max((EXIT_CODES[judgement.outcome] for _, judgement, _ in found), default=0)


_TOTALS = {"approve": "run", "judge": "ask the judge", "ask": "ask a person", "deny": "denied"}


def _say_call(call: Mapping[str, Any], judgement: Judgement, tried: Sequence[Step]) -> None:
    agent = f"{call['agent']}: " if call.get("agent") else ""
    arguments = json.dumps(call.get("arguments", {}), ensure_ascii=False)
    rule = f" {judgement.rule!r}" if judgement.rule else ""
    why = f": {judgement.reason}" if judgement.reason else ""
    say(f"{agent}{call['tool']} {arguments}")
    say(f"  {_ANSWERS[judgement.outcome]} (layer {judgement.layer}{rule}){why}")
    for step in tried:
        what = "answers" if step.matched else "does not match"
        say(f"    {step.layer} {step.rule!r} {what}{f': {step.why}' if step.why else ''}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
