"""`ApprovalPolicy`: which calls run without a person, which wait for one, and which never run."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from typing_extensions import override

from strands_temporal import AgentTypeError

from ._conditions import all_hold
from ._deciders import Deciders
from ._policy_data import PolicyData, Rule, Then, parsed, read_policy
from ._policy_judge import JudgeRule
from ._shown import digest_of
from ._trusted import TrustedCalls

Layer = Literal["deny", "trust", "safe", "rules", "judge", "people"]

DECLARED = "declared safe"
"""Stands as the rule of the layer "safe" for a tool that is declared safe in code."""


@dataclass(frozen=True)
class Judgement:
    """The answer of a policy for one call.

    Attributes:
        outcome: "approve": it runs. "ask": a person decides. "deny": it does not run. "judge": the policy's
            judge is to be asked, which may approve it. Otherwise a person decides.
        layer: The layer that answered: "deny", "trust", "safe", "rules", "judge" or, if none did, "people".
        rule: Name of the rule, or the name or glob that fitted; "" if no layer answered. With the layer
            "judge" the judge's name.
        reason: Why.
        by: Who trusts the call, with the layer "trust".
        deciders: With "ask": who decides, if the policy names them.
        time: With "ask": what happens to the question as time passes, as the rule says it.
    """

    outcome: Then
    layer: Layer
    rule: str = ""
    reason: str = ""
    by: str = ""
    deciders: Deciders | None = None
    time: dict[str, Any] | None = None


@dataclass(frozen=True)
class Step:
    """A rule that was tried for a call, in the order of the layers.

    Attributes:
        layer: Its layer.
        rule: Its name; for a safe tool the glob; for a trust what is trusted.
        matched: Whether it answered.
        why: Why it did not answer, or why it could not be compared.
    """

    layer: Layer
    rule: str
    matched: bool
    why: str = ""


class ApprovalPolicy:
    """Says for each call whether it runs, waits for a person, or does not run: `Approvals(policy=...)`.

    Six layers are tried in this order, and the first that answers wins: `deny` rules; what people trust for
    this workflow; `safe` tools; `rules`, in their order; the `judge`; people.

        ApprovalPolicy(
            version="2026-11-30",
            deny=[{"name": "root", "tools": ["delete_*"], "reason": "never below /etc",
                   "when": [{"path": "path", "op": "startswith", "value": "/etc"}]}],
            safe=["read_*"],
            rules=[{"name": "small refunds", "tools": ["refund"], "then": "approve",
                    "when": [{"path": "amount", "op": "<=", "value": 100}]}],
        )

    It is data, in JSON values, and never changes: `from_json` and `to_json`. docs/approval-policies.md lists
    the keys and operators.

    Args:
        version: The owner's name for this version. It stands in each record.
        deny: Rules with the keys `name`, `tools`, `reason` and, optional, `when`.
        safe: Names or globs of tools whose calls run.
        rules: Rules with the keys `name`, `tools`, `then` ("approve", "ask", "deny" or "judge") and,
            optional, `when`, `reason` and, with "ask" or "judge", `deciders` and `time`.
        deciders: Who decides where no rule names them: `Deciders`, or their JSON. None for anybody.
        declared_safe: Whether tools count as safe that `declare_safe` marks in code, and the read-only tools
            of MCP servers whose handle says `read_only_is_safe=True`.
        judge: A model or code on the worker that may approve calls, with the keys `name` (in
            `HITLPlugin(judges=...)`) and, optional, `criteria`, `tools` (["*"]), `confidence` (0.8) and
            `timeout_seconds` (30). It is asked for calls for which no layer answered, and for rules with
            "judge". All that it does not approve is for people.

    Raises:
        AgentValueError: If something is unknown, of a wrong type, empty or too large. The message names the
            place, for example `rules[2].when[0].op`.
    """

    def __init__(
        self,
        *,
        version: str,
        deny: Sequence[Mapping[str, Any]] = (),
        safe: Sequence[str] = (),
        rules: Sequence[Mapping[str, Any]] = (),
        deciders: Mapping[str, Any] | Deciders | None = None,
        declared_safe: bool = True,
        judge: Mapping[str, Any] | None = None,
    ) -> None:
        given: dict[str, Any] = {"version": version, "deny": deny, "safe": safe, "rules": rules}
        if deciders is not None:
            given["deciders"] = deciders.to_json() if isinstance(deciders, Deciders) else deciders
        given |= {"declared_safe": declared_safe, "judge": judge}
        self._data: PolicyData = read_policy(given)

    @classmethod
    def from_json(cls, value: str | bytes | Mapping[str, Any]) -> "ApprovalPolicy":
        """Return the policy in JSON text, or in a JSON object.

        Raises:
            AgentTypeError: If it is neither text nor an object.
            AgentValueError: As above.
        """
        given: Any = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        if not isinstance(given, (str, Mapping)):
            raise AgentTypeError(f"ApprovalPolicy.from_json: {given!r} is neither JSON text nor an object")
        given = parsed(given) if isinstance(given, str) else given
        data = read_policy(given).json
        del data["schema"]
        return cls(**data)

    def to_json(self) -> str:
        """Return the policy as JSON text."""
        return json.dumps(self._data.json)

    @property
    def data(self) -> dict[str, Any]:
        """The policy as a JSON object."""
        return copy.deepcopy(self._data.json)

    @property
    def version(self) -> str:
        """The owner's version."""
        return self._data.version

    @property
    def digest(self) -> str:
        """The digest of its canonical JSON."""
        text = json.dumps(self._data.json, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def judge(
        self,
        tool: str,
        arguments: Any,
        *,
        trusted: Sequence[TrustedCalls] = (),
        now: datetime | None = None,
        steps: list[Step] | None = None,
        declared_safe: bool = False,
    ) -> Judgement:
        """Return the answer for one call. Pure, so that a test of the policy needs no workflow.

        Args:
            tool: Name of the tool.
            arguments: The call's arguments, in JSON values.
            trusted: What people trust.
            now: The time, for trust that expires. Without it, such trust does not count.
            steps: Takes each rule that was tried, in order.
            declared_safe: Whether the tool is declared safe in code.
        """
        steps = [] if steps is None else steps
        return (
            _ruled(self._data.deny, "deny", tool, arguments, steps)
            or _trusted(trusted, tool, arguments, now, steps)
            or _safe(self._data.safe, tool, steps)
            or _declared(self._data.declared_safe and declared_safe, steps)
            or self._by_rules(tool, arguments, steps)
            or Judgement("ask", "people", deciders=self._data.deciders)
        )

    @property
    def deciders(self) -> Deciders | None:
        """Who decides where no rule names them; None for anybody."""
        return self._data.deciders

    @property
    def all_deciders(self) -> list[Deciders]:
        """All deciders that it names."""
        named = [self._data.deciders, *(rule.deciders for rule in self._data.rules)]
        return [each for each in named if each is not None]

    @property
    def judge_rule(self) -> JudgeRule | None:
        """The policy's judge, if it has one."""
        return self._data.judge

    def _by_rules(self, tool: str, arguments: Any, steps: list[Step]) -> Judgement | None:
        found, judge = _ruled(self._data.rules, "rules", tool, arguments, steps), self._data.judge
        if judge is None or (found is not None and found.outcome != "judge"):
            return found
        fits = found is not None or any(fnmatchcase(tool, glob) for glob in judge.tools)
        steps.append(Step("judge", judge.name, fits, "" if fits else f"it is for {', '.join(judge.tools)}"))
        if not fits:
            return None
        found = found or Judgement("judge", "judge", deciders=self._data.deciders)
        return replace(found, layer="judge", rule=judge.name, deciders=found.deciders or self._data.deciders)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApprovalPolicy) and self.digest == other.digest

    @override
    def __hash__(self) -> int:
        return hash(self.digest)

    @override
    def __repr__(self) -> str:
        of = self._data
        rules = f"{len(of.deny)} deny, {len(of.safe)} safe, {len(of.rules)} rules"
        return f"ApprovalPolicy(version={of.version!r}, {rules})"


def _ruled(
    rules: Sequence[Rule], layer: Layer, tool: str, arguments: Any, steps: list[Step]
) -> Judgement | None:
    """Return the answer of the first rule that matches.

    A rule whose conditions cannot be compared approves nothing. If it does not approve, a person is asked:
    the call may be one that it is there to stop.
    """
    for rule in rules:
        if not any(fnmatchcase(tool, glob) for glob in rule.tools):
            steps.append(Step(layer, rule.name, False, f"it is for {', '.join(rule.tools)}"))
            continue
        finding = all_hold(rule.when, arguments)
        if finding.holds:
            steps.append(Step(layer, rule.name, True))
            return Judgement(rule.then, layer, rule.name, rule.reason, deciders=rule.deciders, time=rule.time)
        if finding.holds is None and rule.then != "approve":
            steps.append(Step(layer, rule.name, True, finding.why))
            why = f"{finding.why}, so that a person decides"
            return Judgement("ask", layer, rule.name, why, deciders=rule.deciders, time=rule.time)
        steps.append(Step(layer, rule.name, False, finding.why))
    return None


def _trusted(
    trusted: Sequence[TrustedCalls], tool: str, arguments: Any, now: datetime | None, steps: list[Step]
) -> Judgement | None:
    digest = digest_of(tool, arguments) if any(each.tool == tool for each in trusted) else None
    for each in trusted:
        if each.tool != tool:
            why = f"it is for {each.tool}"
        elif each.digest not in (None, digest):
            why = "it is for other arguments"
        elif not each.counts(now):
            why = f"it expired at {each.until}"
        else:
            steps.append(Step("trust", each.text, True))
            return Judgement("approve", "trust", each.text, each.reason or "", each.by)
        steps.append(Step("trust", each.text, False, why))
    return None


def _declared(is_safe: bool, steps: list[Step]) -> Judgement | None:
    if not is_safe:
        return None
    steps.append(Step("safe", DECLARED, True))
    return Judgement("approve", "safe", DECLARED)


def _safe(globs: Sequence[str], tool: str, steps: list[Step]) -> Judgement | None:
    for glob in globs:
        if fnmatchcase(tool, glob):
            steps.append(Step("safe", glob, True))
            return Judgement("approve", "safe", glob)
        steps.append(Step("safe", glob, False, f"{tool} is another tool"))
    return None
