"""Approvals in a terminal: list, show, approve, reject, edit, respond, delegate."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from strands_temporal.extension import chosen_data_converter, client_settings

from ._chat import TOKEN_VARIABLE
from ._client import ApprovalsClient
from ._errors import ApprovalsError
from ._people import Credential
from ._terminal import (
    CommandError,
    Typed,
    decide,
    list_questions,
    plain,
    show_workflow,
    typed_arguments,
    typed_value,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Return its exit code: 0 done, 1 refused or not reached, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "respond":
            options.value = options.value if options.text else typed_value(options.value)
        elif options.command == "edit":
            options.value = typed_arguments(options.value)
        elif options.command == "delegate":
            to = {"person": options.to, "group": options.to_group}
            options.value = {kind: name for kind, name in to.items() if name is not None}
    except ValueError as error:
        parser.error(plain(f"{options.command}: {error}"))
    try:
        asyncio.run(_run(options))
    except (ApprovalsError, CommandError, RPCError) as error:
        sys.stderr.write(plain(f"{error}") + "\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


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
        ("edit", "let it happen with other arguments"),
        ("respond", "answer with a value"),
        ("delegate", "hand your decision to another person or group"),
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
    if verdict == "edit":
        command.add_argument("value", metavar="ARGUMENTS", help="all arguments of the call, as a JSON object")
    command.add_argument(
        "approval",
        nargs="?",
        metavar="APPROVAL",
        help="id of the question, or a unique part of it; not needed if only one waits",
    )
    command.add_argument("--by", help="who decides (default: your user name; not with a token)")
    command.add_argument(
        "--token",
        metavar="TOKEN",
        default=os.environ.get(TOKEN_VARIABLE),
        help=f"bearer token that proves who you are (better in {TOKEN_VARIABLE})",
    )
    if verdict == "delegate":
        to = command.add_mutually_exclusive_group(required=True)
        to.add_argument("--to", metavar="PERSON", help="the person who decides instead")
        to.add_argument("--to-group", metavar="GROUP", help="the group of which one decides instead")
    command.add_argument("--reason", help="why; the model also reads the reason of a rejection or an edit")
    if verdict == "approve":
        command.add_argument(
            "--trust",
            choices=["tool", "arguments"],
            metavar="WHAT",
            help="tool or arguments: let further calls run without a question",
        )
        command.add_argument(
            "--trust-for", type=float, metavar="SECONDS", help="how long they are trusted (default: for good)"
        )
    if verdict not in ("reject", "delegate"):
        command.add_argument("--yes", action="store_true", help="do not ask for confirmation")


async def _run(options: argparse.Namespace) -> None:
    token = getattr(options, "token", None)
    approvals = ApprovalsClient(
        await _connect(options),
        timeout=timedelta(seconds=options.timeout),
        credential=Credential("bearer", token) if token else None,
        channel="cli",
    )
    if options.command == "list":
        await list_questions(approvals, options.type)
    elif options.command == "show":
        await show_workflow(approvals, options.workflow)
    else:
        await decide(approvals, _typed(options))


def _typed(options: argparse.Namespace) -> Typed:
    return Typed(
        options.command,
        options.workflow,
        options.approval,
        getattr(options, "value", None),
        options.by,
        options.reason,
        getattr(options, "yes", False),
        getattr(options, "trust", None),
        timedelta(seconds=seconds) if (seconds := getattr(options, "trust_for", None)) else None,
    )


async def _connect(options: argparse.Namespace) -> Client:
    config = client_settings()
    config["target_host"] = options.address or config.get("target_host") or "localhost:7233"
    if options.namespace:
        config["namespace"] = options.namespace
    try:
        config["data_converter"] = chosen_data_converter(
            options.data_converter,
            options.codec_endpoint,
            options.codec_auth,
            config.get("namespace") or "default",
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    try:
        return await Client.connect(**config)
    except (RuntimeError, ValueError, RPCError) as error:  # refused, or malformed settings
        raise CommandError(f"Cannot connect to Temporal at {config['target_host']}: {error}") from error
