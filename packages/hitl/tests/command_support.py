"""The command line, run inside the test process."""

import asyncio
import contextlib
import io
import sys
from collections.abc import Sequence
from typing import cast

import pytest
from temporalio.client import Client

from strands_temporal_hitl._cli import main


async def command(
    client: Client, *arguments: str, typed: str = "", encoding: str = "utf-8", **variables: str
) -> tuple[int | None, str, str]:
    """Run the command line in a thread of this process. (A new interpreter takes two seconds to start.)"""
    address = client.service_client.config.target_host
    out, err = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n"), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name, value in {"TEMPORAL_ADDRESS": address, **variables}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "stdin", io.StringIO(typed))
        # The time that `approver_for` waits. If a test gives a --timeout, it comes later on the line and
        # wins.
        patient = ["--timeout", "30", *arguments]
        code = await asyncio.wait_for(asyncio.to_thread(exit_code, patient), 60)
    out.seek(0)
    return code, out.read(), err.getvalue()


def exit_code(arguments: Sequence[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as misused:  # raised by argparse
        return cast("int", misused.code)
