"""The terminal's side of approvals: shows questions and decisions as lines or JSON, and decides.

Both command lines use it: `strands-temporal-hitl` (`_cli.py`) and `strands-temporal approvals`
(`_commands.py`).
"""

import asyncio
import getpass
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TextIO, cast

from ._client import ApprovalsClient
from ._decision import Trust, Verdict
from ._people_text import people_line, vote_line
from ._types import ApprovalRecord, PendingApproval
from ._visible import visible


class CommandError(Exception):
    """A command failed. The text says why."""


@dataclass(frozen=True)
class Typed:
    """A decision as a person typed it.

    Attributes:
        verdict: What is decided.
        workflow: The workflow's id.
        approval: The question's id or a part of it; None if only one waits.
        value: With "respond": the value; with "edit": the arguments; with "delegate": to whom.
        by: Who decides; None is the user of this process, or whom the token names.
        reason: Why.
        yes: Whether to decide without asking for confirmation.
        trust: With "approve": what is trusted from now on.
        trust_for: For how long.
    """

    verdict: Verdict
    workflow: str
    approval: str | None = None
    value: Any = None
    by: str | None = None
    reason: str | None = None
    yes: bool = False
    trust: Trust | None = None
    trust_for: timedelta | None = None


async def list_questions(approvals: ApprovalsClient, types: Sequence[str], *, as_json: bool = False) -> None:
    """Show the open questions of all workflows."""
    found = await approvals.list(workflow_types=types)
    if as_json:
        _say_json([asdict(workflow) for workflow in found])
        return
    if not found:
        say("Nothing waits for a person.")
    for workflow in found:
        say(f"{workflow.workflow_id}  ({workflow.workflow_type})")
        for pending in workflow.pending:
            _say_pending(pending)
        if workflow.problem:
            say(f"  {workflow.problem}")


async def show_workflow(approvals: ApprovalsClient, workflow_id: str, *, as_json: bool = False) -> None:
    """Show the open questions of a workflow, and its decisions."""
    records, waiting = await approvals.records(workflow_id), await approvals.pending(workflow_id)
    if as_json:
        _say_json({"pending": [*map(asdict, waiting)], "records": [*map(asdict, records)]})
        return
    say(f"{workflow_id}: {len(waiting)} waiting, {len(records)} decided")
    for pending in waiting:
        _say_pending(pending)
    for record in records:
        say(f"  {sentence(record)}  [{record.id}]")


async def decide(approvals: ApprovalsClient, typed: Typed, *, as_json: bool = False) -> None:
    """Decide a question, and show the record of the decision.

    Raises:
        CommandError: If it is not clear which question is meant, or the person does not confirm.
    """
    pending = _chosen(await approvals.pending(typed.workflow), typed)
    if typed.verdict not in ("reject", "delegate") and typed.approval is None and not typed.yes:
        await _confirm(pending, typed, file=sys.stderr if as_json else sys.stdout)
    by = decider(approvals, typed.by)
    if typed.verdict == "approve":
        record = await approvals.approve(
            typed.workflow, pending, by=by, reason=typed.reason, trust=typed.trust, trust_for=typed.trust_for
        )
    elif typed.verdict == "reject":
        record = await approvals.reject(typed.workflow, pending, by=by, reason=typed.reason)
    elif typed.verdict == "edit":
        record = await approvals.edit(typed.workflow, pending, typed.value, by=by, reason=typed.reason)
    elif typed.verdict == "delegate":
        record = await approvals.delegate(typed.workflow, pending, by=by, reason=typed.reason, **typed.value)
    else:
        record = await approvals.respond(typed.workflow, pending, typed.value, by=by, reason=typed.reason)
    if as_json:
        _say_json(asdict(record))
    else:
        say(f"{sentence(record)}: {_call(pending)}")
        if more := vote_line(record):
            say(f"  {more}")


def decider(approvals: ApprovalsClient, by: str | None) -> str:
    """Return who decides: whom the person names, nobody if a token tells it, or the user of this process."""
    return by or ("" if approvals.proves else getpass.getuser())


async def _confirm(pending: PendingApproval, typed: Typed, *, file: TextIO) -> None:
    """Show the question and ask for confirmation.

    Called if the person named no question: the open one may differ from the one that the person has seen.
    """
    _say_pending(pending, file)
    if typed.verdict == "edit":
        say(f"    edited: {pending.tool} {_json(typed.value)}", file)
    file.write(f"{typed.verdict.capitalize()}? [y/N] ")
    file.flush()
    answer = await asyncio.to_thread(sys.stdin.readline)
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was decided.")


def _chosen(waiting: list[PendingApproval], typed: Typed) -> PendingApproval:
    wanted = typed.approval
    fitting = [p for p in waiting if wanted is None or wanted in p.id]
    fitting = [p for p in waiting if p.id == wanted] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if not waiting:
        raise CommandError(f"No question waits in {typed.workflow}.")
    which = "Which one?" if wanted is None else f"{wanted!r} fits {len(fitting)} of them."
    ids = "\n".join(f"  {p.id}" for p in waiting)
    raise CommandError(f"{which} These questions wait in {typed.workflow}:\n{ids}")


def typed_value(text: str) -> Any:
    """Return the JSON value that was typed, or plain words as text.

    A string that looks like JSON and is not valid is refused: it was mistyped, or changed by a shell, and a
    decision is final.

    Raises:
        ValueError: If the text looks like JSON but is not, is empty, or is null.
    """
    if not text.strip():
        raise ValueError("VALUE is empty")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        if _LIKE_JSON.search(text.strip()):
            raise ValueError(f"{text} looks like JSON but is not ({error}). For text add --text") from None
        return text
    if value is None:
        raise ValueError("null is not an answer. For the text add --text")
    return value


def typed_arguments(text: str) -> dict[str, Any]:
    """Return the arguments that were typed: a JSON object.

    Raises:
        ValueError: If the text is no JSON object.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{text} is not a JSON object ({error})") from None
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise ValueError(f'{text} is not a JSON object. Give all arguments: {{"name": value, ...}}')


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice")
    return found


_LIKE_JSON = re.compile(
    r"""
    ^[\[{"'] | [\]}"']$  # begins or ends like an object, a list or a string
    | ^[-+.]?\d[\d.,_eE+-]*$  # a number, nearly
    | ^(true|false|null|none|nan|-?infinity)$  # a word that is a value in JSON, or nearly
    """,
    re.VERBOSE | re.IGNORECASE,
)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _say_pending(pending: PendingApproval, file: TextIO | None = None) -> None:
    say(f"  {pending.id}", file)
    for outer in pending.outer:
        say(f"    in {outer.tool} {_json(outer.arguments)}", file)
    if pending.tool is not None:
        say(f"    {_call(pending)}", file)
    for call in pending.calls:
        say(f"    {call.tool} {_json(call.arguments)}", file)
    if pending.question is not None:
        text = pending.question if isinstance(pending.question, str) else _json(pending.question)
        for line in text.splitlines():
            say(f"    {line}", file)
    until = f", rejected automatically at {_time(pending.deadline)}" if pending.deadline else ""
    say(f"    asked at {_time(pending.asked_at)}{until}", file)
    if allowed := pending.allowed_decisions:
        say(f"    allowed: {', '.join(allowed)}", file)
    if people := people_line(pending):
        say(f"    {people}", file)
    if "edit" in allowed and pending.input_schema is not None:
        say(f"    arguments: {_json(pending.input_schema.get('properties', {}))}", file)


def _call(pending: PendingApproval) -> str:
    return pending.name if pending.tool is None else f"{pending.tool} {_json(pending.arguments)}"


def sentence(record: ApprovalRecord) -> str:
    """Return a record in words."""
    by = f" by {record.by}" if record.by else ""
    value = f" with {_json(record.response)}" if record.outcome == "responded" else ""
    if record.outcome == "edited":
        value = f" from {_json(record.asked_arguments)} to {_json(record.edited_arguments)}"
    if record.layer not in ("", "people"):
        value = f" by the policy's layer {record.layer}" + (f" {record.rule!r}" if record.rule else "")
    if record.outcome in ("trusted", "trust_withdrawn"):
        value = f" {record.tool or 'all'}" + (f" with {record.digest}" if record.digest else "")
    if record.outcome == "delegated":
        value = f" to {' '.join(f'{kind} {name}' for kind, name in (record.to or {}).items())}"
    if record.outcome == "policy_changed":
        value = f" to version {record.policy_version}"
    trust = f", trusting the {record.trust}" if record.trust and record.outcome == "approved" else ""
    reason = f" ({record.reason})" if record.reason else ""
    return f"{record.outcome}{value}{by} at {_time(record.at)}{reason}{trust}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def say(line: str, file: TextIO | None = None) -> None:
    """Print a line, without control characters of the terminal."""
    out = file or sys.stdout
    encoding = out.encoding or "utf-8"  # a pipe or old console may lack characters
    out.write(plain(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _say_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def plain(text: str) -> str:
    """Escape terminal control characters. A model wrote parts of `text`, and a person relies on it."""
    return visible(text)
