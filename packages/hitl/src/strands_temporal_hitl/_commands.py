"""`strands-temporal approvals`: the commands that the entry point group `strands_temporal.commands` adds.

`strands-temporal` brings typer, and its own options of the connection: `ctx.obj` connects.
"""

import asyncio
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from temporalio.service import RPCError

from ._audit_commands import export, verify
from ._client import ApprovalsClient
from ._commanding import By, Token, credential_of, failed, run
from ._explain import explain, read_calls, read_policy_file
from ._policy_commands import policy
from ._terminal import (
    CommandError,
    Typed,
    decide,
    decider,
    list_questions,
    show_workflow,
    typed_arguments,
    typed_value,
)


class TrustChoice(str, Enum):
    """What a person trusts with an approval."""

    TOOL = "tool"
    ARGUMENTS = "arguments"


app = typer.Typer(no_args_is_help=True, help="Show and decide the questions that agents ask people.")

_Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW_ID", help="The workflow.")]
_Approval = Annotated[
    str | None,
    typer.Argument(
        metavar="APPROVAL",
        help="Id of the question, or a unique part of it; not needed if only one waits.",
        show_default=False,
    ),
]
_Reason = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Why. The model also reads the reason of a rejection or an edit."),
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="NAME",
            help="Ask the open workflows of this type; may be repeated. It needs no search attribute.",
        ),
    ] = None,
) -> None:
    """Show the open questions of all workflows."""
    run(ctx, lambda approvals: list_questions(approvals, types or [], as_json=ctx.obj.json))


@app.command()
def show(ctx: typer.Context, workflow_id: _Workflow) -> None:
    """Show the open questions of a workflow, and its decisions so far."""
    run(ctx, lambda approvals: show_workflow(approvals, workflow_id, as_json=ctx.obj.json))


@app.command()
def approve(
    ctx: typer.Context,
    workflow_id: _Workflow,
    approval: _Approval = None,
    by: By = None,
    reason: _Reason = None,
    trust: Annotated[
        TrustChoice | None,
        typer.Option(
            metavar="WHAT",
            help="tool or arguments: let further calls of the tool, or with the same arguments, run unasked.",
        ),
    ] = None,
    trust_for: Annotated[
        float | None,
        typer.Option(
            "--trust-for",
            min=0.001,
            metavar="SECONDS",
            help="How long they are trusted; for good by default.",
        ),
    ] = None,
    yes: _Yes = False,
    token: Token = None,
) -> None:
    """Let the call happen."""
    if trust_for is not None and trust is None:
        raise typer.BadParameter("it belongs to --trust", param_hint="--trust-for")
    span = None if trust_for is None else timedelta(seconds=trust_for)
    trusted = trust.value if trust else None
    typed = Typed(
        "approve", workflow_id, approval, by=by, reason=reason, yes=yes, trust=trusted, trust_for=span
    )
    _decide(ctx, typed, token)


@app.command()
def reject(
    ctx: typer.Context,
    workflow_id: _Workflow,
    approval: _Approval = None,
    by: By = None,
    reason: _Reason = None,
    token: Token = None,
) -> None:
    """Do not let the call happen. The model reads the reason."""
    _decide(ctx, Typed("reject", workflow_id, approval, by=by, reason=reason), token)


@app.command()
def edit(
    ctx: typer.Context,
    workflow_id: _Workflow,
    arguments: Annotated[
        str, typer.Argument(metavar="ARGUMENTS", help="All arguments of the call, as a JSON object.")
    ],
    approval: _Approval = None,
    by: By = None,
    reason: _Reason = None,
    yes: _Yes = False,
    token: Token = None,
) -> None:
    """Let the call happen with other arguments."""
    try:
        value = typed_arguments(arguments)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ARGUMENTS") from None
    _decide(ctx, Typed("edit", workflow_id, approval, value=value, by=by, reason=reason, yes=yes), token)


@app.command()
def respond(
    ctx: typer.Context,
    workflow_id: _Workflow,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="JSON, or plain words.")],
    approval: _Approval = None,
    text: Annotated[
        bool, typer.Option("--text", help="Take VALUE as text, even if it looks like JSON.")
    ] = False,
    by: By = None,
    reason: _Reason = None,
    yes: _Yes = False,
    token: Token = None,
) -> None:
    """Answer with a value."""
    try:
        answer = value if text else typed_value(value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="VALUE") from None
    _decide(ctx, Typed("respond", workflow_id, approval, value=answer, by=by, reason=reason, yes=yes), token)


@app.command()
def delegate(
    ctx: typer.Context,
    workflow_id: _Workflow,
    approval: _Approval = None,
    person: Annotated[
        str | None, typer.Option("--to", metavar="PERSON", help="The person who decides instead.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--to-group", metavar="GROUP", help="The group of which one decides."),
    ] = None,
    by: By = None,
    reason: _Reason = None,
    token: Token = None,
) -> None:
    """Hand your decision to another person, or to a group. You may not decide it any more."""
    if (person is None) == (group is None):
        raise typer.BadParameter("give one of both: --to, or --to-group", param_hint="--to")
    to = {"person": person} if person is not None else {"group": group}
    _decide(ctx, Typed("delegate", workflow_id, approval, value=to, by=by, reason=reason), token)


@app.command("explain")
def explain_(
    ctx: typer.Context,
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="File with the policy's JSON.")],
    call: Annotated[
        str | None,
        typer.Argument(
            metavar="CALL",
            help='A call, {"tool", "arguments"}, or a list, as JSON or in a file.',
            show_default=False,
        ),
    ] = None,
    workflow_id: Annotated[
        str | None, typer.Option("--workflow", metavar="ID", help="Judge the calls in a workflow's history.")
    ] = None,
) -> None:
    """Show what a policy answers for a call, or for all calls of a workflow, and why.

    Exit code: 0 if all calls run, 3 if a person is asked about one, 4 if one is denied.
    """
    if (call is None) == (workflow_id is None):
        raise typer.BadParameter(
            "give one of both: a call, as JSON or in a file, or --workflow", param_hint="CALL"
        )
    try:
        of = read_policy_file(policy)
        if call is not None:
            code = explain(of, read_calls(call), as_json=ctx.obj.json, steps=True)
        else:
            calls = asyncio.run(ctx.obj.tool_calls(workflow_id))
            code = explain(of, calls, as_json=ctx.obj.json, steps=False)
    except (CommandError, RPCError) as error:
        raise failed(error) from None
    raise typer.Exit(code)


@app.command("mcp")
def mcp_(
    ctx: typer.Context,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NAME", help="Ask the open workflows of this type; may be repeated."),
    ] = None,
    inbox: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of the inbox, for links to decide there.")
    ] = None,
    by: By = None,
    token: Token = None,
) -> None:
    """Serve your assistant over MCP (stdio): it shows what waits, rejects, and does what rules let it do."""
    from .operator_tools import operator_server

    async def serve(approvals: ApprovalsClient) -> None:
        try:
            server = operator_server(
                approvals.client,
                credential=credential_of(token),
                by=decider(approvals, by),
                inbox_url=inbox,
                workflow_types=types or [],
                timeout=timedelta(seconds=ctx.obj.timeout),
            )
        except ImportError as error:
            raise CommandError(str(error)) from None
        await server.run_stdio_async()

    run(ctx, serve, token)


app.command()(export)
app.command()(verify)
app.add_typer(policy, name="policy")


def _decide(ctx: typer.Context, typed: Typed, token: str | None) -> None:
    run(ctx, lambda approvals: decide(approvals, typed, as_json=ctx.obj.json), token)
