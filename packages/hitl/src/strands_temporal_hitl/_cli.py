"""Approvals in a terminal: list, show, approve, reject, respond."""

import argparse
import asyncio
import getpass
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from strands_temporal.extension import chosen_data_converter

from ._client import ApprovalsClient
from ._errors import ApprovalsError
from ._types import ApprovalRecord, PendingApproval


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Return its exit code: 0 done, 1 refused or not reached, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "respond":
        try:
            options.value = options.value if options.text else typed_value(options.value)
        except ValueError as error:
            parser.error(f"respond: {error}")
    try:
        asyncio.run(_run(options))
    except (ApprovalsError, _CommandError, RPCError) as error:
        sys.stderr.write(_plain(f"{error}") + "\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


class _CommandError(Exception):
    """A command failed. The text says why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strands-temporal-hitl",
        description="Show and decide the questions that durable agents ask people.",
        epilog="Connects as Temporal's own tools do: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, "
        "TEMPORAL_TLS..., TEMPORAL_CODEC_ENDPOINT and TEMPORAL_CODEC_AUTH, or the configuration file; the "
        "options here win.",
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="the Temporal server")
    parser.add_argument("--namespace", help="the namespace of the workflows")
    parser.add_argument(
        "--timeout", type=float, default=10, metavar="SECONDS", help="how long a workflow may take to answer"
    )
    codec = parser.add_argument_group("for encrypted workflows")
    codec.add_argument("--codec-endpoint", metavar="URL", help="address of a remote codec")
    codec.add_argument("--codec-auth", metavar="TEXT", help="Authorization header for the remote codec")
    codec.add_argument(
        "--data-converter", metavar="MODULE:ATTRIBUTE", help="the workers' DataConverter, to be imported"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="show the open questions of all workflows")
    listing.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="NAME",
        help="ask the open workflows of this type (may be repeated); default: use the search attribute",
    )
    showing = commands.add_parser("show", help="show the open questions of a workflow, and its decisions")
    showing.add_argument("workflow", metavar="WORKFLOW_ID")
    for verdict, text in (
        ("approve", "let it happen"),
        ("reject", "do not let it happen"),
        ("respond", "answer with a value"),
    ):
        _add_verdict(commands.add_parser(verdict, help=text), verdict)
    return parser


def _add_verdict(command: argparse.ArgumentParser, verdict: str) -> None:
    command.add_argument("workflow", metavar="WORKFLOW_ID")
    if verdict == "respond":
        command.add_argument("value", metavar="VALUE", help="JSON, or plain words")
        command.add_argument(
            "--text", action="store_true", help="take VALUE as text, even if it looks like JSON"
        )
    command.add_argument(
        "approval",
        nargs="?",
        metavar="APPROVAL",
        help="id of the question, or a unique part of it; not needed if only one waits",
    )
    command.add_argument("--by", help="who decides (default: your user name)")
    command.add_argument("--reason", help="why; the model also reads the reason of a rejection")
    if verdict != "reject":
        command.add_argument("--yes", action="store_true", help="do not ask for confirmation")


async def _run(options: argparse.Namespace) -> None:
    approvals = ApprovalsClient(await _connect(options), timeout=timedelta(seconds=options.timeout))
    if options.command == "list":
        await _list(approvals, options.type)
    elif options.command == "show":
        await _show(approvals, options.workflow)
    else:
        await _decide(approvals, options)


async def _connect(options: argparse.Namespace) -> Client:
    config: dict[str, Any] = {**ClientConfig.load_client_connect_config()}
    config["target_host"] = options.address or config.get("target_host") or "localhost:7233"
    if options.namespace:
        config["namespace"] = options.namespace
    try:
        config["data_converter"] = _data_converter(options, config.get("namespace") or "default")
    except ValueError as error:
        raise _CommandError(str(error)) from error
    try:
        return await Client.connect(**config)
    except (RuntimeError, ValueError, RPCError) as error:  # refused, or malformed settings
        raise _CommandError(f"Cannot connect to Temporal at {config['target_host']}: {error}") from error


def _data_converter(options: argparse.Namespace, namespace: str) -> DataConverter:
    endpoint, auth = options.codec_endpoint, options.codec_auth
    if auth and not endpoint and not os.environ.get("TEMPORAL_CODEC_ENDPOINT"):
        raise ValueError("--codec-auth is for a codec endpoint, and --codec-endpoint is not given")
    if not options.data_converter:  # a converter may have a codec of its own
        endpoint = endpoint or os.environ.get("TEMPORAL_CODEC_ENDPOINT")
    return chosen_data_converter(
        options.data_converter, endpoint, auth or os.environ.get("TEMPORAL_CODEC_AUTH"), namespace
    )


async def _list(approvals: ApprovalsClient, types: list[str]) -> None:
    found = await approvals.list(workflow_types=types)
    if not found:
        _say("Nothing waits for a person.")
    for workflow in found:
        _say(f"{workflow.workflow_id}  ({workflow.workflow_type})")
        for pending in workflow.pending:
            _say_pending(pending)
        if workflow.problem:
            _say(f"  {workflow.problem}")


async def _show(approvals: ApprovalsClient, workflow_id: str) -> None:
    records, waiting = await approvals.records(workflow_id), await approvals.pending(workflow_id)
    _say(f"{workflow_id}: {len(waiting)} waiting, {len(records)} decided")
    for pending in waiting:
        _say_pending(pending)
    for record in records:
        _say(f"  {_sentence(record)}  [{record.id}]")


async def _decide(approvals: ApprovalsClient, options: argparse.Namespace) -> None:
    pending = _chosen(await approvals.pending(options.workflow), options)
    if options.command != "reject" and options.approval is None and not options.yes:
        await _confirm(pending, options.command)
    by = options.by or getpass.getuser()
    if options.command == "approve":
        record = await approvals.approve(options.workflow, pending, by=by, reason=options.reason)
    elif options.command == "reject":
        record = await approvals.reject(options.workflow, pending, by=by, reason=options.reason)
    else:
        record = await approvals.respond(
            options.workflow, pending, options.value, by=by, reason=options.reason
        )
    _say(f"{_sentence(record)}: {_call(pending)}")


async def _confirm(pending: PendingApproval, verdict: str) -> None:
    """Show the question and ask for confirmation.

    Called if the person named no question: the open one may differ from the one that the person has seen.
    """
    _say_pending(pending)
    sys.stdout.write(f"{verdict.capitalize()}? [y/N] ")
    sys.stdout.flush()
    answer = await asyncio.to_thread(sys.stdin.readline)
    if answer.strip().lower() not in ("y", "yes"):
        raise _CommandError("Nothing was decided.")


def _chosen(waiting: list[PendingApproval], options: argparse.Namespace) -> PendingApproval:
    wanted: str | None = options.approval
    fitting = [p for p in waiting if wanted is None or wanted in p.id]
    fitting = [p for p in waiting if p.id == wanted] or fitting
    if len(fitting) == 1:
        return fitting[0]
    if not waiting:
        raise _CommandError(f"No question waits in {options.workflow}.")
    which = "Which one?" if wanted is None else f"{wanted!r} fits {len(fitting)} of them."
    ids = "\n".join(f"  {p.id}" for p in waiting)
    raise _CommandError(f"{which} These questions wait in {options.workflow}:\n{ids}")


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
    except ValueError as error:
        if _LIKE_JSON.search(text.strip()):
            raise ValueError(f"{text} looks like JSON but is not ({error}). For text add --text") from None
        return text
    if value is None:
        raise ValueError("null is not an answer. For the text add --text")
    return value


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


def _say_pending(pending: PendingApproval) -> None:
    _say(f"  {pending.id}")
    for outer in pending.outer:
        _say(f"    in {outer.tool} {_json(outer.arguments)}")
    if pending.tool is not None:
        _say(f"    {_call(pending)}")
    for call in pending.calls:
        _say(f"    {call.tool} {_json(call.arguments)}")
    if pending.question is not None:
        text = pending.question if isinstance(pending.question, str) else _json(pending.question)
        for line in text.splitlines():
            _say(f"    {line}")
    until = f", rejected automatically at {_time(pending.deadline)}" if pending.deadline else ""
    _say(f"    asked at {_time(pending.asked_at)}{until}")


def _call(pending: PendingApproval) -> str:
    return pending.name if pending.tool is None else f"{pending.tool} {_json(pending.arguments)}"


def _sentence(record: ApprovalRecord) -> str:
    by = f" by {record.by}" if record.by else ""
    value = f" with {_json(record.response)}" if record.outcome == "responded" else ""
    reason = f" ({record.reason})" if record.reason else ""
    return f"{record.outcome}{value}{by} at {_time(record.at)}{reason}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _say(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"  # a pipe or old console may lack characters
    sys.stdout.write(_plain(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _plain(text: str) -> str:
    """Escape terminal control characters. A model wrote parts of `text`, and a person relies on it."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
