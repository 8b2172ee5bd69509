"""`strands-temporal doctor`: looks for what is wrong, and says what to do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from temporalio.api.workflowservice.v1 import DescribeNamespaceResponse
from temporalio.client import WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from ._app import run_async, settings
from ._checks import (
    Finding,
    check_search_attributes,
    check_server,
    describe_namespace,
    installation,
    not_told,
    payload_limit,
)
from ._checks_chats import check_chats, running
from ._checks_workers import QueueFacts, check_queue, has_hitl
from ._output import say, say_json
from ._settings import TASK_QUEUE, CommandError, Settings
from ._texts import count_text

_MARKS = {"ok": "ok  ", "note": "?   ", "problem": "!   "}
_MOST_QUEUES = 5


def doctor(
    ctx: typer.Context,
    task_queues: Annotated[
        list[str] | None,
        typer.Option(
            "--task-queue",
            metavar="NAME",
            help="Check the workers of this task queue; may be repeated. By default: those of running "
            "workflows.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Look at the latest N running workflows.")
    ] = 100,
) -> None:
    """Check the server, the workers and the running conversations. Says what to do about each problem.

    The exit code is 1 if there is a problem.
    """
    options = settings(ctx)
    findings = run_async(_examine(options, task_queues or [], limit))
    problems = [finding for finding in findings if finding.level == "problem"]
    if options.json:
        say_json({"problems": len(problems), "findings": [asdict(finding) for finding in findings]})
    else:
        _say(findings, len(problems))
    if problems:
        raise typer.Exit(1)


async def _examine(options: Settings, task_queues: Sequence[str], limit: int) -> list[Finding]:
    client = await options.connect()
    findings = [installation()]
    namespace: DescribeNamespaceResponse | None = None
    try:
        namespace = await describe_namespace(client)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise CommandError(
                f"The server has no namespace {client.namespace!r}. Choose one with --namespace, or create "
                f"it: temporal operator namespace create --namespace {client.namespace}"
            ) from error
        findings.append(not_told("namespace", "its limits", error))
    findings += await check_server(client, namespace)
    workflows: list[WorkflowExecution] | None = None
    try:
        workflows = await running(client, task_queues, limit)
    except RPCError as error:
        findings.append(not_told("conversations", "which workflows run", error))
    queues: list[QueueFacts] = []
    for name in task_queues or _queues_of(workflows or ()):
        queue, found = await check_queue(client, name, namespace.namespace_info if namespace else None)
        queues.append(queue)
        findings += found
    findings.append(await check_search_attributes(client, needed=has_hitl(queues)))
    if workflows is not None:
        findings += await check_chats(client, workflows, limit, payload_limit(namespace))
    return findings


def _queues_of(workflows: Sequence[WorkflowExecution]) -> list[str]:
    counted = Counter(workflow.task_queue for workflow in workflows)
    return [name for name, _ in counted.most_common(_MOST_QUEUES)] or [TASK_QUEUE]


def _say(findings: Sequence[Finding], problems: int) -> None:
    for finding in findings:
        say(f"{_MARKS[finding.level]}{finding.subject}: {finding.text}")
        if finding.todo:
            say(f"    -> {finding.todo}")
    say("" if problems else "No problem was found.")
    if problems:
        say(f"{count_text(problems, 'problem')}, marked with !")
