"""Verifies the lines of an audit export. Pure, and needs no server: it reads lines alone.

It proves that the lines of a workflow are those that its runs made, in their order, with none left out
between the first and the last. It cannot see that lines at the end are missing, or that somebody who can
write all of history made a whole new chain. For both, keep heads elsewhere, and give them to it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ._audit import FORMAT, AuditEntry, entry_of, hash_of

_Of = tuple[str, str]  # namespace and id of a workflow


@dataclass(frozen=True)
class ChainHead:
    """The latest entry of a workflow's chain, to be kept where those who can write exports cannot.

    Attributes:
        namespace: Namespace of the workflow.
        workflow_id: The workflow.
        number: The entry's number.
        hash: Its hash.
    """

    namespace: str
    workflow_id: str
    number: int
    hash: str


@dataclass(frozen=True)
class Verification:
    """The outcome of `verify_audit`.

    Attributes:
        entries: How many entries there are.
        heads: The latest entry of each chain.
        faults: What is wrong, each with its place.
        gaps: What is known to be missing: the runs that could not be read when the lines were exported.
        notes: What an auditor should know and is no fault: a workflow that was reset.
    """

    entries: int = 0
    heads: list[ChainHead] = field(default_factory=list[ChainHead])
    faults: list[str] = field(default_factory=list[str])
    gaps: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class _Seen:
    """An entry of which only its place in the chain is kept."""

    position: int
    place: str
    number: int
    previous: str
    hash: str
    run_id: str


class _Chain:
    """The entries of one workflow."""

    def __init__(self) -> None:
        self.by_hash: dict[str, _Seen] = {}
        self.gaps: dict[str, int] = {}  # positions of the first gap lines, by run
        self.unread: dict[str, str] = {}  # the runs that could not be read until now, and why

    def last_before(self, number: int) -> int:
        return max((each.number for each in self.by_hash.values() if each.number < number), default=0)


class _Verifier:
    def __init__(self) -> None:
        self.chains: dict[_Of, _Chain] = {}
        self.faults: list[tuple[int, str]] = []
        self.notes: list[str] = []
        self.entries = 0
        self._position = 0

    def read(self, place: str, line: str) -> None:
        self._position += 1
        gap = gap_of(line)
        if gap is not None:
            chain = self.chains.setdefault((gap["namespace"], gap["workflow_id"]), _Chain())
            chain.gaps.setdefault(gap["run_id"], self._position)
            chain.unread[gap["run_id"]] = (
                f"{place}: run {gap['run_id']!r} of {gap['workflow_id']!r}: {gap['reason']}"
            )
            if not gap["reason"]:
                del chain.unread[gap["run_id"]]
            return
        try:
            entry = entry_of(line)
        except ValueError as error:
            self._fault(f"{place}: malformed: {error}")
            return
        self.entries += 1
        chain = self.chains.setdefault((entry.namespace, entry.workflow_id), _Chain())
        if (first := chain.by_hash.get(entry.hash)) is not None:
            self._fault(f"{place}: doubled: {_named(entry)} is in {first.place} already")
            return
        if line != entry.line or hash_of(json.loads(line)) != entry.hash:
            self._fault(f"{place}: changed: {_named(entry)} does not have the hash of its content")
        chain.by_hash[entry.hash] = _Seen(
            self._position, place, entry.number, entry.previous, entry.hash, entry.run_id
        )

    def check_all(self) -> None:
        for (_, workflow_id), chain in self.chains.items():
            children: dict[str, list[_Seen]] = {}
            for seen in chain.by_hash.values():
                self._check_parent(workflow_id, chain, seen)
                children.setdefault(seen.previous, []).append(seen)
            for previous, each in children.items():
                self._check_branches(workflow_id, chain.by_hash.get(previous), each)

    def _check_parent(self, workflow_id: str, chain: _Chain, seen: _Seen) -> None:
        name = f"entry {seen.number} of {workflow_id!r}"
        if (seen.number == 1) != (seen.previous == ""):
            self._fault(f"{seen.place}: changed: {name} has a number that does not fit its place", seen)
            return
        if seen.number == 1:
            return
        parent = chain.by_hash.get(seen.previous)
        if parent is None:
            self._missing(workflow_id, chain, seen)
        elif parent.number != seen.number - 1:
            self._fault(f"{seen.place}: changed: {name} follows number {parent.number}", seen)
        elif parent.position > seen.position and not (
            parent.run_id != seen.run_id and chain.gaps.get(parent.run_id, parent.position) < seen.position
        ):
            self._fault(f"{seen.place}: reordered: {name} comes before the entry that it follows", seen)

    def _missing(self, workflow_id: str, chain: _Chain, seen: _Seen) -> None:
        last, what = chain.last_before(seen.number), f"of {workflow_id!r}"
        in_run = any(
            each.run_id == seen.run_id and each.number < seen.number for each in chain.by_hash.values()
        )
        if chain.unread and not in_run:
            return  # a gap line says so
        if last == seen.number - 1:
            text = f"entry {seen.number} does not follow the entry {last} that is here"
            self._fault(f"{seen.place}: changed: {what}, {text}: one of them was changed", seen)
            return
        end = seen.number - 1
        which = f"entry {end} is" if last + 1 == end else f"entries {last + 1} to {end} are"
        where = "; the beginning is cut off" if last == 0 else ""
        self._fault(f"{seen.place}: missing: {what}, {which} not here{where}", seen)

    def _check_branches(self, workflow_id: str, parent: _Seen | None, children: Sequence[_Seen]) -> None:
        runs = [each.run_id for each in children]
        if len(children) == 1:
            return
        last = children[-1]
        if len(set(runs)) < len(runs) or (parent is not None and parent.run_id in runs):
            text = f"forked: entry {last.number} of {workflow_id!r} is there twice in one run, differently"
            self._fault(f"{last.place}: {text}", last)
        elif parent is not None:
            self.notes.append(
                f"{workflow_id!r} was reset after entry {parent.number}: the runs {', '.join(runs)} follow it"
            )

    def check_heads(self, heads: Iterable[ChainHead]) -> None:
        for head in heads:
            chain = self.chains.get((head.namespace, head.workflow_id), _Chain())
            seen, name = chain.by_hash.get(head.hash), repr(head.workflow_id)
            numbers = [each.number for each in chain.by_hash.values()]
            if seen is not None and seen.number == head.number:
                continue
            if head.number in numbers:
                self._fault(f"head of {name}: changed: entry {head.number} has another hash than the head")
            else:
                last = max(numbers, default=0)
                self._fault(
                    f"head of {name}: cut off: the head is entry {head.number}, and {last} is the last"
                )

    def heads(self) -> list[ChainHead]:
        found: list[ChainHead] = []
        for (namespace, workflow_id), chain in self.chains.items():
            followed = {each.previous for each in chain.by_hash.values()}
            ends = [each for each in chain.by_hash.values() if each.hash not in followed]
            found += [ChainHead(namespace, workflow_id, end.number, end.hash) for end in ends]
        return found

    def _fault(self, text: str, seen: _Seen | None = None) -> None:
        self.faults.append((seen.position if seen else self._position, text))


def verify_audit(lines: Iterable[tuple[str, str]], heads: Iterable[ChainHead] = ()) -> Verification:
    """Verify lines of an export.

    Args:
        lines: The lines, in order, each with its place for messages: "audit.jsonl:12".
        heads: Heads that were kept elsewhere. Each must be in the lines.

    Returns:
        What was found. The lines are whole if there are no `faults` and no `gaps`.
    """
    verifier = _Verifier()
    for place, line in lines:
        verifier.read(place, line)
    verifier.check_all()
    verifier.check_heads(heads)
    faults = [text for _, text in sorted(verifier.faults, key=lambda each: each[0])]
    gaps = [text for chain in verifier.chains.values() for text in chain.unread.values()]
    return Verification(verifier.entries, verifier.heads(), faults, gaps, verifier.notes)


def gap_of(line: str) -> Mapping[str, str] | None:
    """Return the content of a line that tells of a run that could not be read; None for any other line.

    An empty reason tells that the run could be read later.
    """
    if '"kind":"gap"' not in line:
        return None
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    names = {"format", "kind", "namespace", "workflow_id", "run_id", "reason"}
    if set(given) != names or given["format"] != FORMAT or given["kind"] != "gap":
        return None
    return given if all(isinstance(given[name], str) for name in names - {"format"}) else None


def _named(entry: AuditEntry) -> str:
    return f"entry {entry.number} of {entry.workflow_id!r}"
