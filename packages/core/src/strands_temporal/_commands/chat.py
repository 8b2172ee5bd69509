"""`strands-temporal chat`: a conversation with an agent, in a terminal or over a pipe."""

from typing import Annotated

import typer

from ._app import run_async, settings
from ._chat_start import begin


def chat(
    ctx: typer.Context,
    agent: Annotated[
        str | None,
        typer.Argument(
            metavar="AGENT",
            help="Name of the agent. Not needed if there is only one, or to go on with a chat.",
        ),
    ] = None,
    workflow_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Go on with this conversation; with AGENT, start it if it does not run."
        ),
    ] = None,
    task_queue: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Task queue of a new conversation; by default that of dev's worker."
        ),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="Start a workflow of your own with a Conversation, not an agent."),
    ] = None,
) -> None:
    """Chat with an agent: a new conversation, or one that runs.

    Type /help for its commands. Without a terminal, each line of the input is a message, and the output has
    the answers alone.
    """
    if agent is not None and workflow is not None:
        raise typer.BadParameter("AGENT and --workflow are two ways to start. Give one of them")
    common = settings(ctx)
    chatting = begin(
        common,
        common.running_dev,
        agent=agent,
        workflow=workflow,
        workflow_id=workflow_id,
        task_queue=task_queue,
    )
    code = run_async(chatting)
    raise typer.Exit(code)
