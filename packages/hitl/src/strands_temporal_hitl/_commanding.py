"""How a command of `strands-temporal approvals` runs: connected, with its errors as lines."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import typer
from temporalio.service import RPCError

from ._client import ApprovalsClient
from ._errors import ApprovalsError
from ._terminal import CommandError, plain

T = TypeVar("T")


def run(ctx: typer.Context, command: Callable[[ApprovalsClient], Awaitable[T]]) -> T:
    """Run a command with a client. An error ends it with exit code 1."""

    async def connected() -> T:
        client = await ctx.obj.connect()
        return await command(ApprovalsClient(client, timeout=timedelta(seconds=ctx.obj.timeout)))

    try:
        return asyncio.run(connected())
    except (ApprovalsError, CommandError, RPCError) as error:
        raise failed(error) from None


def failed(error: Exception) -> typer.Exit:
    """Print an error, and return the exit of the command."""
    sys.stderr.write(plain(str(error)) + "\n")
    return typer.Exit(1)
