"""Reads a policy's JSON. Each error names the place in the data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from strands_temporal import AgentValueError

from ._conditions import OPERATORS, OTHER_WORDS, Condition
from ._deciders import Deciders, read_deciders
from ._policy_judge import JudgeRule, read_judge
from ._policy_reading import (
    check_names,
    each_in,
    fault,
    globs_in,
    object_in,
    refuse,
    text_in,
    unique,
    unknown,
)
from ._policy_time import read_time
from ._values import brief, is_too_deep

SCHEMA = 1
"""Version of the layout of a policy's JSON."""

LARGEST_POLICY = 100_000
"""Bytes of a policy's JSON. It is in the input of each run, or in each update that changes it."""

_LONGEST_REASON = 2_000  # characters of a reason, which the model reads

Then = Literal["approve", "ask", "deny", "judge"]
THENS: tuple[Then, ...] = ("approve", "ask", "deny", "judge")

_POLICY = ("schema", "version", "deny", "safe", "declared_safe", "rules", "judge", "deciders")
_DENY = ("name", "tools", "when", "reason")
_RULE = ("name", "tools", "when", "then", "reason", "deciders", "time")
_CONDITION = ("path", "op", "value")


@dataclass(frozen=True)
class Rule:
    """A rule of a policy.

    Attributes:
        name: Its name.
        tools: Globs of the names of tools.
        when: The conditions, which must all hold.
        then: The answer for a call that matches.
        reason: Why. The model reads the reason of a denial, people read that of a question.
        deciders: With "ask": who decides; None for whom the policy names for all.
        time: With "ask": what happens to the question as time passes, as fields of `Times`.
    """

    name: str
    tools: tuple[str, ...]
    when: tuple[Condition, ...]
    then: Then
    reason: str = ""
    deciders: Deciders | None = None
    time: dict[str, Any] | None = None


@dataclass(frozen=True)
class PolicyData:
    """The parts of a policy, and their JSON.

    Attributes:
        version: The owner's version.
        deny: The rules of the first layer.
        safe: Globs of the names of safe tools.
        rules: The rules of the last layer before people.
        json: The policy as JSON data.
        deciders: Who decides where no rule names them; None for anybody.
        declared_safe: Whether tools count as safe that are declared so in code.
        judge: The judge, if there is one.
    """

    version: str
    deny: tuple[Rule, ...]
    safe: tuple[str, ...]
    rules: tuple[Rule, ...]
    json: dict[str, Any]
    deciders: Deciders | None = None
    declared_safe: bool = True
    judge: JudgeRule | None = None


def parsed(text: str) -> Any:
    """Return the JSON value in a policy's text.

    Raises:
        AgentValueError: If it is no JSON, or a name is twice in an object.
    """
    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise AgentValueError(f"ApprovalPolicy: not JSON: {error or 'nested too deeply'}") from None


def read_policy(value: Any) -> PolicyData:
    """Return the policy in a JSON value.

    Raises:
        AgentValueError: If something in it is wrong. The message names the place.
    """
    _check_json(value)
    given = object_in("", value, _POLICY, ("version",))
    schema = given.get("schema", SCHEMA)
    if isinstance(schema, bool) or not isinstance(schema, int):
        raise fault("schema", f"{brief(schema)} is not a whole number. This release knows {SCHEMA}")
    if schema != SCHEMA:
        raise fault("schema", f"{brief(schema)} is unknown. This release knows {SCHEMA}")
    deny = each_in("deny", given.get("deny", []), _deny_rule)
    safe = globs_in("safe", given.get("safe", []))
    rules = each_in("rules", given.get("rules", []), _rule)
    for place, of in (("deny", deny), ("rules", rules)):
        check_names(place, [rule.name for rule in of])
    version = text_in("version", given["version"])
    deciders = read_deciders("deciders", given["deciders"]) if "deciders" in given else None
    judge = read_judge("judge", given["judge"]) if given.get("judge") is not None else None
    for i, rule in enumerate(rules):
        if rule.then == "judge" and judge is None:
            raise fault(f"rules[{i}].then", "'judge' needs the policy's judge, with the key 'judge'")
    declared = given.get("declared_safe", True)
    if not isinstance(declared, bool):
        raise fault("declared_safe", f"{brief(declared)} is not true or false")
    whole: dict[str, Any] = {
        "schema": SCHEMA,
        "version": version,
        "deny": list(given.get("deny", [])),
        "safe": list(safe),
        "rules": list(given.get("rules", [])),
    }
    # Only if given: the digest of a policy of an earlier release stays.
    if "deciders" in given:
        whole["deciders"] = given["deciders"]
    if not declared:
        whole["declared_safe"] = False
    if judge is not None:
        whole["judge"] = dict(given["judge"])
    data = json.loads(json.dumps(whole))
    return PolicyData(version, deny, safe, rules, data, deciders, declared, judge)


def _check_json(value: Any) -> None:
    if is_too_deep(value):
        raise AgentValueError("ApprovalPolicy: nested too deeply")
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        raise AgentValueError(f"ApprovalPolicy: not JSON: {error}") from None
    if size > LARGEST_POLICY:
        raise AgentValueError(
            f"ApprovalPolicy: it has {size:,} bytes of JSON, and may have {LARGEST_POLICY:,}"
        )


def _deny_rule(place: str, value: Any) -> Rule:
    given = object_in(place, value, _DENY, ("name", "tools", "reason"))
    return _made(place, {**given, "then": "deny"})


def _rule(place: str, value: Any) -> Rule:
    given = object_in(place, value, _RULE, ("name", "tools", "then"))
    then = given["then"]
    if not isinstance(then, str) or then not in THENS:
        raise unknown(f"{place}.then", then, THENS)
    if then == "deny" and "reason" not in given:
        raise fault(f"{place}.reason", "is missing. The model reads why a call is denied")
    if then not in ("ask", "judge") and "deciders" in given:
        raise fault(f"{place}.deciders", f"belongs to a rule that asks, and this one says {then!r}")
    if "time" in given and then not in ("ask", "judge"):
        raise fault(f"{place}.time", f"is for questions, and `then` is {then!r}")
    return _made(place, given)


def _made(place: str, given: Mapping[str, Any]) -> Rule:
    tools = globs_in(f"{place}.tools", given["tools"])
    if not tools:
        raise fault(f"{place}.tools", "is empty, so that the rule is for no tool. Write ['*'] for all")
    reason = text_in(f"{place}.reason", given["reason"], _LONGEST_REASON) if "reason" in given else ""
    when = each_in(f"{place}.when", given.get("when", []), _condition)
    deciders = read_deciders(f"{place}.deciders", given["deciders"]) if "deciders" in given else None
    time = read_time(f"{place}.time", given["time"]) if "time" in given else None
    name = text_in(f"{place}.name", given["name"])
    return Rule(name, tools, when, given["then"], reason, deciders, time)


def _condition(place: str, value: Any) -> Condition:
    given = object_in(place, value, _CONDITION, ("path", "op"))
    path, op = _path(f"{place}.path", given["path"]), given["op"]
    if not isinstance(op, str) or op not in OPERATORS:
        raise unknown(f"{place}.op", op, OPERATORS, OTHER_WORDS)
    if "value" not in given and op != "exists":
        raise fault(f"{place}.value", f"is missing. {op!r} takes {OPERATORS[op].takes}")
    wanted = given.get("value", True)
    if not OPERATORS[op].fits(wanted):
        raise fault(f"{place}.value", f"{op!r} takes {OPERATORS[op].takes}, not {brief(wanted)}")
    return Condition(path, op, wanted)


def _path(place: str, value: Any) -> tuple[str | int, ...]:
    parts: Any = value.split(".") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts:
        raise fault(place, f"{brief(value)} is no path. Write 'customer.tier', or ['customer', 'tier']")
    for part in cast("list[Any]", parts):
        is_position = isinstance(part, int) and not isinstance(part, bool) and part >= 0
        if not is_position and (not isinstance(part, str) or not part):
            raise fault(place, f"{brief(value)} has the part {brief(part)}, which is no name and no position")
    return tuple(cast("list[str | int]", parts))
