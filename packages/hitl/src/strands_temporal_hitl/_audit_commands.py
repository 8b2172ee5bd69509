"""`strands-temporal approvals export` and `verify`: the audit chains of all workflows as JSON lines."""

import contextlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer

from ._audit import entry_of
from ._audit_check import ChainHead, gap_of, verify_audit
from ._audit_runs import AuditGap, AuditTrail
from ._client import ApprovalsClient
from ._commanding import failed, run
from ._terminal import CommandError, say
from ._workflows import quoted

INCOMPLETE = 2
"""Exit code if runs could not be read. Their lines, of the kind "gap", say why."""


def export(
    ctx: typer.Context,
    query: Annotated[
        str | None, typer.Option(metavar="QUERY", help="Visibility query for the workflows; all by default.")
    ] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="NAME", help="Workflow type; may be repeated.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", help="Only workflows that are open, or closed since then (UTC)."),
    ] = None,
    append: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append what FILE does not have yet, instead of printing all."),
    ] = None,
) -> None:
    """Print the audit chains of all workflows, open and closed, one JSON object in each line.

    Exit code: 0 if all was read, 2 if runs could not be read: a line of the kind "gap" says which, and why.
    """
    run(ctx, lambda approvals: _export(approvals, _query(query, types or [], since), append))


def verify(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Exports, in their order.")],
    head: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="What `verify --json` printed earlier: heads that must be in it."),
    ] = None,
) -> None:
    """Check exported audit chains: nothing was changed, left out, doubled, reordered or cut off.

    Exit code: 0 if they are whole, 1 if not, 2 if all is well but runs could not be read at the export.
    """
    try:
        heads = [each for path in head or [] for each in _heads(path)]
        found = verify_audit(_lines(files), heads)
    except CommandError as error:
        raise failed(error) from None
    if ctx.obj.json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
    else:
        for text in [*found.faults, *found.gaps, *found.notes]:
            say(text)
        chains = {(head.namespace, head.workflow_id) for head in found.heads}  # a broken one has several ends
        counts = f"{_count(found.entries, 'entry', 'entries')} in {_count(len(chains), 'chain')}"
        faults, gaps = _count(len(found.faults), "fault"), _count(len(found.gaps), "gap")
        say(f"{counts}: {faults}, {gaps}")
    raise typer.Exit(1 if found.faults else INCOMPLETE if found.gaps else 0)


class _Known:
    """What a file has already."""

    def __init__(self) -> None:
        self.hashes: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.unread: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)

    def add(self, line: str) -> None:
        gap = gap_of(line)
        if gap is not None:
            unread = self.unread[gap["namespace"], gap["workflow_id"]]
            unread[gap["run_id"]] = gap["reason"]
            if not gap["reason"]:
                del unread[gap["run_id"]]
            return
        with contextlib.suppress(ValueError):  # `verify` tells of it
            entry = entry_of(line)
            self.hashes[entry.namespace, entry.workflow_id].add(entry.hash)

    def new(self, namespace: str, workflow_id: str, trail: AuditTrail) -> list[str]:
        """Return the lines of a workflow that the file lacks."""
        of = namespace, workflow_id
        hashes, unread = self.hashes.get(of, ()), self.unread.get(of, {})
        missing = {each.run_id: each.reason for each in trail.gaps}
        lines = [each.line for each in trail.gaps if unread.get(each.run_id) != each.reason]
        lines += [AuditGap(*of, run_id, "").line for run_id in unread if run_id not in missing]
        return lines + [each.line for each in trail.entries if each.hash not in hashes]


async def _export(approvals: ApprovalsClient, query: str, append: Path | None) -> None:
    known = _Known()
    entries = gaps = 0
    with _opened(append, known) as out:
        async for namespace, workflow_id, trail in approvals.export_audit(
            query, lambda of: () if known.unread.get(of) else known.hashes.get(of, ())
        ):
            lines = known.new(namespace, workflow_id, trail)
            out.write("".join(f"{line}\n" for line in lines))
            out.flush()
            entries += sum(gap_of(line) is None for line in lines)
            gaps += len(trail.gaps)
        with contextlib.suppress(OSError, ValueError):  # a pipe, or a test's standard output
            os.fsync(out.fileno())
    say(f"{_count(entries, 'entry', 'entries')}, {_count(gaps, 'gap')}", sys.stderr)
    if gaps:
        raise typer.Exit(INCOMPLETE)


@contextlib.contextmanager
def _opened(append: Path | None, known: _Known) -> Generator[IO[str]]:
    """Open the file to append to, and take in what it has; without a file, standard output."""
    if append is None:
        yield sys.stdout
        return
    try:
        with append.open("a+", encoding="utf-8", newline="\n") as file:
            file.seek(0)
            whole = 0
            for line in file:
                if not line.endswith("\n"):  # an export was killed while it wrote
                    say(f"{append}: the last line was written in part, and is written again", sys.stderr)
                    file.truncate(whole)
                    break
                whole += len(line.encode())
                known.add(line.rstrip("\n"))
            file.seek(0, os.SEEK_END)
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{append} cannot be written: {error}") from None


def _query(query: str | None, types: Sequence[str], since: datetime | None) -> str:
    parts = [f"({query})"] if query else []
    if types:
        parts.append("(" + " OR ".join(f"WorkflowType = {quoted(name)}" for name in types) + ")")
    if since:
        time = since.replace(tzinfo=timezone.utc).isoformat()
        parts.append(f"(CloseTime IS NULL OR CloseTime >= '{time}')")
    return " AND ".join(parts)


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for path in files:
        with _readable(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line.rstrip("\n")


@contextlib.contextmanager
def _readable(path: Path) -> Generator[IO[str]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield file
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from None


def _heads(path: Path) -> list[ChainHead]:
    with _readable(path) as file:
        text = file.read()
    try:
        value: Any = json.loads(text)
        given = cast("list[dict[str, Any]]", value["heads"])
        return [ChainHead(**each) for each in given]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CommandError(f"{path} is not what `approvals verify --json` prints: no heads in it") from None


def _count(number: int, one: str, more: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
