"""How a command of `strands-temporal approvals` runs: connected, with its errors as lines."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer
from temporalio.service import RPCError

from ._chat import TOKEN_VARIABLE
from ._client import ApprovalsClient
from ._errors import ApprovalsError
from ._people import Credential
from ._terminal import CommandError, plain

T = TypeVar("T")

CHANNEL = "cli"
"""The channel of decisions in a terminal."""


Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar=TOKEN_VARIABLE,
        metavar="TOKEN",
        help="Bearer token that proves who you are to the workflow's worker. Better in the variable: others "
        "can read the options of a process.",
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(metavar="BY", help="Who decides; your user name by default. Not with a token."),
]


def run(
    ctx: typer.Context, command: Callable[[ApprovalsClient], Awaitable[T]], token: str | None = None
) -> T:
    """Run a command with a client. An error ends it with exit code 1.

    Args:
        ctx: The context, with the options of the connection.
        command: The command.
        token: Proves who decides.
    """

    async def connected() -> T:
        client = await ctx.obj.connect()
        timeout = timedelta(seconds=ctx.obj.timeout)
        return await command(
            ApprovalsClient(client, timeout=timeout, credential=credential_of(token), channel=CHANNEL)
        )

    try:
        return asyncio.run(connected())
    except (ApprovalsError, CommandError, RPCError) as error:
        raise failed(error) from None


def credential_of(token: str | None) -> Credential | None:
    """Return the credential of a token; None without one."""
    return Credential("bearer", token) if token else None


def failed(error: Exception) -> typer.Exit:
    """Print an error, and return the exit of the command."""
    sys.stderr.write(plain(str(error)) + "\n")
    return typer.Exit(1)
