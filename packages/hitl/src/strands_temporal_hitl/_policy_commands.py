"""`strands-temporal approvals policy`: shows and changes the policy of a running workflow."""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from ._client import ApprovalsClient
from ._commanding import By, Token, run
from ._explain import read_policy_file
from ._policy_types import PolicyView
from ._terminal import decider, say, sentence, typed_arguments
from ._types import ApprovalRecord

policy = typer.Typer(no_args_is_help=True, help="Show and change the policy of a running workflow.")

_Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW_ID", help="The workflow.")]
_Reason = Annotated[str | None, typer.Option(metavar="REASON", help="Why, for the record.")]
_Arguments = Annotated[
    str | None,
    typer.Option(metavar="ARGUMENTS", help="Only calls with these arguments: all of them, as a JSON object."),
]


@policy.command("show")
def show_policy(ctx: typer.Context, workflow_id: _Workflow) -> None:
    """Show the policy in force, and what people trust."""
    run(ctx, lambda approvals: _show(approvals, workflow_id, as_json=ctx.obj.json))


@policy.command("change")
def change_policy(
    ctx: typer.Context,
    workflow_id: _Workflow,
    file: Annotated[Path, typer.Argument(metavar="POLICY", help="File with the new policy's JSON.")],
    by: By = None,
    reason: _Reason = None,
    token: Token = None,
) -> None:
    """Give the workflow another policy. It judges each call that runs from now on."""

    async def change(approvals: ApprovalsClient) -> ApprovalRecord:
        new = read_policy_file(file)
        return await approvals.change_policy(workflow_id, new, by=decider(approvals, by), reason=reason)

    _run(ctx, change, token)


@policy.command("trust")
def trust_calls(
    ctx: typer.Context,
    workflow_id: _Workflow,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool whose calls are trusted.")],
    arguments: _Arguments = None,
    span: Annotated[
        float | None,
        typer.Option("--for", min=0.001, metavar="SECONDS", help="How long; for good by default."),
    ] = None,
    by: By = None,
    reason: _Reason = None,
    token: Token = None,
) -> None:
    """Let further calls of a tool run without a question."""
    given = _typed(arguments)

    async def trust(approvals: ApprovalsClient) -> ApprovalRecord:
        return await approvals.trust(
            workflow_id,
            tool,
            by=decider(approvals, by),
            arguments=given,
            trust_for=None if span is None else timedelta(seconds=span),
            reason=reason,
        )

    _run(ctx, trust, token)


@policy.command("withdraw")
def withdraw_trust(
    ctx: typer.Context,
    workflow_id: _Workflow,
    tool: Annotated[
        str | None, typer.Argument(metavar="TOOL", help="The tool; all trust by default.", show_default=False)
    ] = None,
    arguments: _Arguments = None,
    by: By = None,
    reason: _Reason = None,
    token: Token = None,
) -> None:
    """Withdraw trust, in a tool, in calls with the same arguments, or all of it."""
    given = _typed(arguments)
    if given is not None and tool is None:
        raise typer.BadParameter("arguments are those of a tool: name it", param_hint="--arguments")

    async def withdraw(approvals: ApprovalsClient) -> ApprovalRecord:
        return await approvals.withdraw_trust(
            workflow_id, tool, by=decider(approvals, by), arguments=given, reason=reason
        )

    _run(ctx, withdraw, token)


def _typed(arguments: str | None) -> dict[str, Any] | None:
    try:
        return None if arguments is None else typed_arguments(arguments)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--arguments") from None


def _run(
    ctx: typer.Context, command: Callable[[ApprovalsClient], Awaitable[ApprovalRecord]], token: str | None
) -> None:
    record = run(ctx, command, token)
    if ctx.obj.json:
        sys.stdout.write(json.dumps(asdict(record)) + "\n")
    else:
        say(sentence(record))


async def _show(approvals: ApprovalsClient, workflow_id: str, *, as_json: bool) -> None:
    view = await approvals.policy(workflow_id)
    if as_json:
        sys.stdout.write(json.dumps(asdict(view)) + "\n")
    else:
        _say_view(workflow_id, view)


def _say_view(workflow_id: str, view: PolicyView) -> None:
    if view.policy is None:
        say(f"{workflow_id} has no policy.")
        return
    say(f"{workflow_id}: policy {view.policy_version} ({view.digest})")
    for line in json.dumps(view.policy, indent=2, ensure_ascii=False).splitlines():
        say(f"  {line}")
    for each in view.trusted:
        until = f" until {each.until}" if each.until else ""
        reason = f" ({each.reason})" if each.reason else ""
        say(f"  trusted: {each.text} by {each.by}{until}{reason}")
