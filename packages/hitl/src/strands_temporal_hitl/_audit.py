"""The audit chain of a workflow: what was asked, who was told, what was decided, each bound to the last.

Pure: the same calls give the same entries and hashes, in a workflow, in a replay, in a later release. An
entry's hash covers all that its line holds, and the hash of the entry before it. So a changed, missing,
doubled or reordered line shows, and so does an entry that was moved to another workflow.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, cast

from ._shown import beginning
from ._types import ApprovalRecord, PendingApproval

AUDIT_QUERY = "approval_audit"
"""Query that returns an `AuditPage`: entries of one run. It takes the number of entries to skip."""

FORMAT = 1
"""Version of a line's layout."""

LONGEST = 4_000
"""Characters of JSON of one value in an entry. Of a longer one, the entry has the beginning and a digest."""

PAGE = 500_000
"""Characters of the lines in one page; the server accepts 2 MiB, but warns above 512 KiB."""


@dataclass(frozen=True)
class AuditEntry:
    """One entry of a workflow's audit chain.

    Attributes:
        number: Its number, from 1, over all runs of the workflow.
        at: When it happened, in the workflow's time (ISO 8601, UTC).
        kind: "asked": a question, as it was shown. "told" or "not_told": a notifier. "decided", "voted",
            "delegated", "escalated", "refused" or "withdrawn": an answer to a question, or a policy's answer
            for a call. "policy": a change of the policy or of what is trusted. "began": the chain begins in a
            workflow with older decisions.
        id: Id of the question, the call or the notice that it is about.
        data: The rest, in JSON values. Values that are not set are left out. `cut` has the digests of values
            of which only the beginning is here.
        previous: Hash of the entry before it; "" for the first one.
        hash: SHA-256 of the line without the hash.
        namespace: Temporal namespace of the workflow.
        workflow_id: The workflow.
        run_id: The run in which it happened.
    """

    number: int
    at: str
    kind: str
    id: str
    data: dict[str, Any]
    previous: str
    hash: str
    namespace: str = ""
    workflow_id: str = ""
    run_id: str = ""

    @property
    def line(self) -> str:
        """The entry as a line of an export, without the line's end: canonical JSON."""
        return canonical({"format": FORMAT, **asdict(self)})


@dataclass
class AuditHead:
    """The latest entry of a chain.

    Attributes:
        number: Its number; 0 if there is none.
        hash: Its hash.
    """

    number: int = 0
    hash: str = ""


@dataclass(frozen=True)
class AuditPage:
    """Entries of one run: the answer to a query.

    Attributes:
        lines: The entries as lines, which no data converter changes.
        more: Whether more follow.
        carried: The chain's head when the run began.
        head: The chain's head now.
    """

    lines: list[str] = field(default_factory=list[str])
    more: bool = False
    carried: AuditHead = field(default_factory=AuditHead)
    head: AuditHead = field(default_factory=AuditHead)


class AuditChain:
    """The entries of one run, added to the chain of the runs before it.

    Args:
        head: The chain's head. It is moved on with each entry.
        namespace: Namespace of the workflow.
        workflow_id: The workflow.
        run_id: Its run.
    """

    def __init__(
        self, head: AuditHead, *, namespace: str = "", workflow_id: str = "", run_id: str = ""
    ) -> None:
        self._head = head
        self._carried = AuditHead(head.number, head.hash)
        self._of = {"namespace": namespace, "workflow_id": workflow_id, "run_id": run_id}
        self._lines: list[str] = []

    def add(self, kind: str, id_: str, data: Mapping[str, Any], now: datetime) -> None:
        """Append an entry."""
        entry: dict[str, Any] = {
            "format": FORMAT,
            **self._of,
            "number": self._head.number + 1,
            "at": now.isoformat(),
            "kind": kind,
            "id": id_,
            "data": _cut(data),
            "previous": self._head.hash,
        }
        entry["hash"] = hash_of(entry)
        self._lines.append(canonical(entry))
        self._head.number, self._head.hash = entry["number"], entry["hash"]

    def page(self, start: int) -> AuditPage:
        """Return the entries of this run from `start` on, as many as fit into one answer."""
        lines: list[str] = []
        size = 0
        for line in self._lines[start:]:
            lines.append(line)
            size += len(line)
            if size >= PAGE:
                break
        head = AuditHead(self._head.number, self._head.hash)
        return AuditPage(lines, start + len(lines) < len(self._lines), self._carried, head)


def canonical(value: Any) -> str:
    """Return a JSON value as text: sorted names, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def hash_of(entry: Mapping[str, Any]) -> str:
    """Return the hash of a line's object."""
    text = canonical({name: value for name, value in entry.items() if name != "hash"})
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def entry_of(line: str) -> AuditEntry:
    """Return the entry in a line. Its hash is not checked: `verify` does that.

    Raises:
        ValueError: If it is no entry of a format that this release knows.
    """
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    known = {each.name for each in fields(AuditEntry)}
    if given.get("format") != FORMAT or set(given) != known | {"format"}:
        raise ValueError(f"no entry of format {FORMAT}")
    texts = [given[name] for name in known - {"number", "data"}]
    number, data = given["number"], given["data"]
    if not all(isinstance(each, str) for each in texts) or not isinstance(data, dict):
        raise ValueError("an entry with values of wrong types")
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError("an entry without a number")
    del given["format"]
    return AuditEntry(**given)


def asked_data(pending: PendingApproval) -> dict[str, Any]:
    """Return what the entry of a question holds: what people are shown."""
    return _set(asdict(pending), PendingApproval("", ""), ("id", "asked_at", "input_schema", "votes"))


def record_data(record: ApprovalRecord) -> dict[str, Any]:
    """Return what the entry of a record holds."""
    return {"outcome": record.outcome} | _set(
        asdict(record), ApprovalRecord("", "", record.outcome), ("id", "at")
    )


def record_kind(record: ApprovalRecord) -> str:
    """Return the kind of a record's entry."""
    if record.outcome in ("policy_changed", "trusted", "trust_withdrawn"):
        return "policy"
    if record.outcome in ("voted", "delegated", "escalated", "refused", "withdrawn"):
        return record.outcome
    return "decided"


def _set(values: dict[str, Any], empty: Any, left_out: tuple[str, ...]) -> dict[str, Any]:
    """Return the values that are set. A field that a later release adds changes no entry of an older one."""
    defaults = asdict(empty)
    return {name: value for name, value in values.items() if value != defaults[name] and name not in left_out}


def _cut(data: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    cut: dict[str, str] = {}
    for name, value in data.items():
        text = value if isinstance(value, str) else canonical(value)
        kept[name] = beginning(text, LONGEST) if len(text) > LONGEST else value
        if len(text) > LONGEST:
            cut[name] = f"sha256:{hashlib.sha256(canonical(value).encode()).hexdigest()}"
    return kept | ({"cut": cut} if cut else {})
