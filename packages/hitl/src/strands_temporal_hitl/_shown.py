"""Digests of calls, and questions and records that fit into a query's answer, for people."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ._types import ApprovalRecord, PendingApproval, ShownCall

_VOTES = 20  # votes on a question, about; names of those who may decide it, if there are very many
_SHOWN = 500_000  # characters of JSON; the server accepts 2 MiB, but warns above 512 KiB


def digest_of(tool: str, arguments: Any) -> str:
    """Return the digest that binds a decision to a tool call: SHA-256 of its canonical JSON."""
    text = json.dumps([tool, arguments], sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def digest_of_calls(calls: Sequence[ShownCall]) -> str:
    """Return the digest that binds a decision to all calls of a message."""
    return digest_of("", [[call.tool, call.arguments] for call in calls])


def shown(pending: list[PendingApproval]) -> list[PendingApproval]:
    """Return questions in a size that can be sent. A very large value is cut to its beginning, as text.

    A question may hold a tool's arguments twice, because `HumanInTheLoop` asks with a copy of them. That can
    be more than the server accepts. The digest is still that of the whole arguments.
    """
    if len(json.dumps([asdict(each) for each in pending])) <= _SHOWN:
        return pending
    share = _SHOWN // (3 * sum(1 + len(each.outer) + len(each.calls) for each in pending))
    return [
        replace(
            each,
            question=beginning(each.question, share),
            arguments=beginning(each.arguments, share),
            outer=_beginnings(each.outer, share),
            calls=_beginnings(each.calls, share),
            input_schema=None if len(json.dumps(each.input_schema)) > share else each.input_schema,
            original_arguments=beginning(each.original_arguments, share),
            votes=[replace(v, reason=beginning(v.reason, share // _VOTES), groups=[]) for v in each.votes],
            deciders=each.deciders and _fewer(each.deciders, share),
        )
        for each in pending
    ]


def _fewer(deciders: dict[str, Any], size: int) -> dict[str, Any]:
    """Return who may decide, with fewer names if they are longer than `size` characters."""
    if len(json.dumps(deciders)) <= size:
        return deciders
    return {name: value[:_VOTES] if isinstance(value, list) else value for name, value in deciders.items()}


def page_of(records: Sequence[ApprovalRecord], start: int) -> list[ApprovalRecord]:
    """Return the records from `start` on, as many as fit into one answer. Very large texts are cut."""
    page: list[ApprovalRecord] = []
    size = 0
    for record in map(_shortened, records[start:]):
        page.append(record)
        size += _size(record)
        if size >= _SHOWN:
            break
    return page


def is_full(page: Sequence[ApprovalRecord]) -> bool:
    """Tell whether another page may follow this page of records."""
    return sum(map(_size, page)) >= _SHOWN


def _size(record: ApprovalRecord) -> int:
    return len(json.dumps(asdict(record)))


def _shortened(record: ApprovalRecord) -> ApprovalRecord:
    reason, response = (beginning(value, _SHOWN) for value in (record.reason, record.response))
    return replace(record, reason=reason, response=response)


def _beginnings(calls: list[ShownCall], size: int) -> list[ShownCall]:
    return [replace(call, arguments=beginning(call.arguments, size)) for call in calls]


def beginning(value: Any, size: int) -> Any:
    """Return a JSON value, or if it is longer than `size` characters, its beginning as text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= size else f"{text[:size]}... (the beginning of {len(text):,} characters)"
