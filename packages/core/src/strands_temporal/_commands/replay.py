"""`strands-temporal replay`: a gate for a deploy. Replays histories against the user's code."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError

from .._errors import did_you_mean
from ._app import run_async, settings
from ._dev_target import Found, TargetError, load, parse_target
from ._dev_worker import plugins_of
from ._output import say, say_json
from ._replays import HistoryCheck, workflow_type_of
from ._settings import CommandError, Settings
from ._texts import query_string, time_text

_LIMIT = 20


def replay(
    ctx: typer.Context,
    module: Annotated[
        str, typer.Argument(metavar="MODULE", help="Your code: FILE.py, module, or module:Workflow.")
    ],
    query: Annotated[
        str | None,
        typer.Option(
            "--query",
            metavar="QUERY",
            help="Visibility query for the histories; all workflows of MODULE's types by default.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Replay the latest N of them.")
    ] = _LIMIT,
    histories: Annotated[
        Path | None,
        typer.Option(
            "--histories",
            metavar="PATH",
            help="Replay this JSON file, or all of this folder, instead of histories of a server.",
        ),
    ] = None,
    at_least: Annotated[
        int, typer.Option("--at-least", min=0, metavar="N", help="Fail if fewer histories are found.")
    ] = 0,
) -> None:
    """Replay histories against your code, and tell which would break and where.

    Nothing runs: no model and no tool is called. The exit code is 1 if one breaks, so it is a step for a CI.
    """
    if histories is not None and not histories.exists():
        raise CommandError(f"There is no file or folder {histories}")
    if histories is not None and query is not None:
        raise typer.BadParameter("give --histories or --query, not both")
    options = settings(ctx)
    try:
        found = load(parse_target(module))
    except TargetError as error:
        raise CommandError(str(error)) from error
    results = run_async(_replayed(options, found, module, query, limit, histories))
    broken = [result for result in results if result["status"] != "replays"]
    if options.json:
        say_json({"module": module, "replayed": len(results), "broken": len(broken), "histories": results})
    else:
        _say(module, results, broken)
    if len(results) < at_least:
        raise CommandError(f"{len(results)} histories were found, and --at-least is {at_least}")
    if broken:
        raise typer.Exit(1)


async def _replayed(
    options: Settings, found: Found, module: str, query: str | None, limit: int, path: Path | None
) -> list[dict[str, Any]]:
    config = options.connect_config()
    try:
        check = HistoryCheck(
            found.workflows, plugins_of(found), config["data_converter"], config["namespace"]
        )
    except (TargetError, ValueError) as error:
        raise CommandError(f"{module} cannot be replayed: {error}") from error
    if path is not None:
        fetched = _stored(path)
    else:
        client = await options.connect()
        fetched = _latest(client, query or _of_types(check.types), limit)
    return [await _result(check, module, history) async for history in fetched]


def _of_types(types: Sequence[str]) -> str:
    if not types:
        raise CommandError("Give a --query: the workflow of this module has no type of its own")
    return f"WorkflowType IN ({', '.join(map(query_string, types))})"


async def _latest(client: Client, query: str, limit: int) -> AsyncIterator[WorkflowHistory]:
    try:
        async for workflow in client.list_workflows(query, limit=limit):
            handle = client.get_workflow_handle(workflow.id, run_id=workflow.run_id)
            yield await handle.fetch_history()
    except RPCError as error:
        raise CommandError(f"The server does not list the workflows of {query!r}: {error.message}") from error


async def _stored(path: Path) -> AsyncIterator[WorkflowHistory]:
    for history in await asyncio.to_thread(_files, path):
        yield history


def _files(path: Path) -> list[WorkflowHistory]:
    return [history_of(file) for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])]


def history_of(file: Path) -> WorkflowHistory:
    """Return the history in a file.

    Raises:
        CommandError: If the file holds none.
    """
    try:
        return WorkflowHistory.from_json(file.stem, file.read_text())
    except Exception as error:  # the parser raises errors of several kinds
        raise CommandError(
            f"{file} is no history: {error}. Write one with `temporal workflow show --output json`"
        ) from error


async def _result(check: HistoryCheck, module: str, history: WorkflowHistory) -> dict[str, Any]:
    workflow_type = workflow_type_of(history)
    result: dict[str, Any] = {
        "workflow_id": history.workflow_id,
        "run_id": history.run_id,
        "workflow_type": workflow_type,
        "events": len(history.events),
        "status": "replays",
    }
    if workflow_type not in check.types and check.types:
        known = ", ".join(check.types)
        hint = did_you_mean(workflow_type, check.types)
        result |= {
            "status": "unknown type",
            "error": f"{module} has no workflow of this type.{hint} It has: {known}",
        }
    elif (broken := await check.find_break(history)) is not None:
        result |= {"status": "breaks", **asdict(broken)}
    return result


def _say(module: str, results: Sequence[dict[str, Any]], broken: Sequence[dict[str, Any]]) -> None:
    for result in results:
        name = f"{result['workflow_id']}  {result['workflow_type']}  {result['events']} events"
        if result["status"] == "replays":
            say(f"ok      {name}")
            continue
        say(f"BREAKS  {name}  run {result['run_id']}")
        if result.get("event") is not None:
            recorded = f": the history has {', then '.join(result['recorded'])}" if result["recorded"] else ""
            say(f"        at event {result['event']}, {time_text(result['at'])}{recorded}")
        say(f"        {result['error']}")
    if not results:
        say("No history was found, so nothing is proven. Widen --query, or see `temporal workflow list`.")
    elif broken:
        say(
            f"{len(broken)} of {len(results)} would stand still with {module}: patch the change with "
            "workflow.patched, or pin these workflows to workers with the old code (docs/roll-out.md)."
        )
    else:
        say(f"All {len(results)} replay with {module}.")
