"""Runs the command line: in this process, which is quick, or as the installed script."""

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

SCRIPT = Path(sys.executable).parent / "strands-temporal"
"""The installed script."""

_WAIT = 90  # seconds


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int | None
    out: str
    err: str


def address_of(client: Client) -> str:
    """Return the address of a client's server."""
    return client.service_client.config.target_host


async def command(client: Client, *arguments: str, **variables: str) -> Done:
    """Run the command line in a thread of this process: a new interpreter takes two seconds to start."""
    from strands_temporal._commands._app import run  # needs the extra

    out, err = io.StringIO(), io.StringIO()

    def called(given: Sequence[str]) -> int:
        return run(given)

    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        values = {"TEMPORAL_ADDRESS": address_of(client), "TEMPORAL_NAMESPACE": client.namespace, **variables}
        for name, value in {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", **values}.items():
            patched.setenv(name, value)
        code = await asyncio.wait_for(asyncio.to_thread(called, arguments), _WAIT)
    return Done(code, out.getvalue(), err.getvalue())


async def script(client: Client, *arguments: str, folder: Path | None = None, **variables: str) -> Done:
    """Run the installed script."""
    environment: dict[str, Any] = {
        **os.environ,
        "TEMPORAL_ADDRESS": address_of(client),
        "TEMPORAL_NAMESPACE": client.namespace,
        "COLUMNS": "200",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(str(SCRIPT), *arguments),
        env=environment,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _WAIT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Done(process.returncode, out.decode(), err.decode())
