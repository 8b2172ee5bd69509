"""Reads a policy's JSON. Each error names the place in the data."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from strands_temporal import AgentValueError
from strands_temporal.extension import did_you_mean

from ._conditions import OPERATORS, OTHER_WORDS, Condition
from ._values import is_too_deep

SCHEMA = 1
"""Version of the layout of a policy's JSON."""

LARGEST_POLICY = 100_000
"""Bytes of a policy's JSON. It is in the input of each run, or in each update that changes it."""

_LONGEST_NAME = 200  # characters of a name, a glob, a version; a record holds them
_LONGEST_REASON = 2_000  # characters of a reason, which the model reads

Then = Literal["approve", "ask", "deny"]
THENS: tuple[Then, ...] = ("approve", "ask", "deny")

_POLICY = ("schema", "version", "deny", "safe", "rules")
_DENY = ("name", "tools", "when", "reason")
_RULE = ("name", "tools", "when", "then", "reason")
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
    """

    name: str
    tools: tuple[str, ...]
    when: tuple[Condition, ...]
    then: Then
    reason: str = ""


@dataclass(frozen=True)
class PolicyData:
    """The parts of a policy, and their JSON.

    Attributes:
        version: The owner's version.
        deny: The rules of the first layer.
        safe: Globs of the names of safe tools.
        rules: The rules of the last layer before people.
        json: The policy as JSON data.
    """

    version: str
    deny: tuple[Rule, ...]
    safe: tuple[str, ...]
    rules: tuple[Rule, ...]
    json: dict[str, Any]


def parsed(text: str) -> Any:
    """Return the JSON value in a policy's text.

    Raises:
        AgentValueError: If it is no JSON, or a name is twice in an object.
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise AgentValueError(f"ApprovalPolicy: not JSON: {error or 'nested too deeply'}") from None


def read_policy(value: Any) -> PolicyData:
    """Return the policy in a JSON value.

    Raises:
        AgentValueError: If something in it is wrong. The message names the place.
    """
    _check_json(value)
    given = _object("", value, _POLICY, ("version",))
    schema = given.get("schema", SCHEMA)
    if isinstance(schema, bool) or not isinstance(schema, int):
        raise _fault("schema", f"{_brief(schema)} is not a whole number. This release knows {SCHEMA}")
    if schema != SCHEMA:
        raise _fault("schema", f"{_brief(schema)} is unknown. This release knows {SCHEMA}")
    deny = _each("deny", given.get("deny", []), _deny_rule)
    safe = _globs("safe", given.get("safe", []))
    rules = _each("rules", given.get("rules", []), _rule)
    for place, of in (("deny", deny), ("rules", rules)):
        _check_names(place, [rule.name for rule in of])
    version = _text("version", given["version"])
    whole = {
        "schema": SCHEMA,
        "version": version,
        "deny": list(given.get("deny", [])),
        "safe": list(safe),
        "rules": list(given.get("rules", [])),
    }
    return PolicyData(version, deny, safe, rules, json.loads(json.dumps(whole)))


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
    given = _object(place, value, _DENY, ("name", "tools", "reason"))
    return _made(place, {**given, "then": "deny"})


def _rule(place: str, value: Any) -> Rule:
    given = _object(place, value, _RULE, ("name", "tools", "then"))
    then = given["then"]
    if not isinstance(then, str) or then not in THENS:
        raise _unknown(f"{place}.then", then, THENS)
    if then == "deny" and "reason" not in given:
        raise _fault(f"{place}.reason", "is missing. The model reads why a call is denied")
    return _made(place, given)


def _made(place: str, given: Mapping[str, Any]) -> Rule:
    tools = _globs(f"{place}.tools", given["tools"])
    if not tools:
        raise _fault(f"{place}.tools", "is empty, so that the rule is for no tool. Write ['*'] for all")
    reason = _text(f"{place}.reason", given["reason"], _LONGEST_REASON) if "reason" in given else ""
    when = _each(f"{place}.when", given.get("when", []), _condition)
    return Rule(_text(f"{place}.name", given["name"]), tools, when, given["then"], reason)


def _condition(place: str, value: Any) -> Condition:
    given = _object(place, value, _CONDITION, ("path", "op"))
    path, op = _path(f"{place}.path", given["path"]), given["op"]
    if not isinstance(op, str) or op not in OPERATORS:
        raise _unknown(f"{place}.op", op, OPERATORS, OTHER_WORDS)
    if "value" not in given and op != "exists":
        raise _fault(f"{place}.value", f"is missing. {op!r} takes {OPERATORS[op].takes}")
    wanted = given.get("value", True)
    if not OPERATORS[op].fits(wanted):
        raise _fault(f"{place}.value", f"{op!r} takes {OPERATORS[op].takes}, not {_brief(wanted)}")
    return Condition(path, op, wanted)


def _path(place: str, value: Any) -> tuple[str | int, ...]:
    parts: Any = value.split(".") if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts:
        raise _fault(place, f"{_brief(value)} is no path. Write 'customer.tier', or ['customer', 'tier']")
    for part in cast("list[Any]", parts):
        is_position = isinstance(part, int) and not isinstance(part, bool) and part >= 0
        if not is_position and (not isinstance(part, str) or not part):
            raise _fault(
                place, f"{_brief(value)} has the part {_brief(part)}, which is no name and no position"
            )
    return tuple(cast("list[str | int]", parts))


def _object(place: str, value: Any, known: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _fault(place, f"{_brief(value)} is not an object. Known: {', '.join(known)}")
    given = cast("Mapping[Any, Any]", value)
    for name in given:
        if not isinstance(name, str) or name not in known:
            raise _unknown(f"{place}." if place else "", name, known)
    for name in needed:
        if name not in given:
            raise _fault(f"{place}.{name}" if place else name, "is missing")
    return dict(cast("Mapping[str, Any]", given))


def _each(place: str, value: Any, read: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _fault(place, f"{_brief(value)} is not a list")
    return tuple(read(f"{place}[{i}]", each) for i, each in enumerate(cast("Sequence[Any]", value)))


def _globs(place: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise _fault(place, f"{_brief(value)} is not a list. Write [{value!r}]")
    return _each(place, value, _text)


def _text(place: str, value: Any, longest: int = _LONGEST_NAME) -> str:
    if not isinstance(value, str):
        raise _fault(place, f"{_brief(value)} is not text")
    if not value.strip():
        raise _fault(place, "is empty")
    if len(value) > longest:
        raise _fault(place, f"has {len(value):,} characters, and may have {longest:,}")
    return value


def _check_names(place: str, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise _fault(
                f"{place}[{i}].name", f"{_brief(name)} is the name of {place}[{names.index(name)}] too"
            )


def _unknown(
    place: str, value: Any, known: Iterable[str], words: Mapping[str, str] | None = None
) -> AgentValueError:
    close = (words or {}).get(value) if isinstance(value, str) else None
    hint = f" Did you mean {close!r}?" if close else did_you_mean(str(value)[:_LONGEST_NAME], known)
    if place and not place.endswith("."):
        return _fault(place, f"{_brief(value)} is unknown. Known: {', '.join(known)}.{hint}")
    where = f"{place}{value}" if isinstance(value, str) and value else f"{place}{_brief(value)}"
    return _fault(where[:_LONGEST_NAME], f"is unknown. Known: {', '.join(known)}.{hint}")


def _fault(place: str, text: str) -> AgentValueError:
    return AgentValueError(f"ApprovalPolicy: {place}: {text}" if place else f"ApprovalPolicy: {text}")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice in an object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
