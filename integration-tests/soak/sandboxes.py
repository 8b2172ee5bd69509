"""The sandbox: a directory for each conversation, whose disk can be full."""

import shlex
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment


class DirectorySandbox(NotASandboxLocalEnvironment):
    """Runs commands in a directory, which outlives the worker.

    While the file `full` exists, no file may grow (RLIMIT_FSIZE is 0, which needs no root): writes fail with
    EFBIG, as they would with ENOSPC on a full disk.
    """

    def __init__(self, directory: Path, full: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self._full = directory, full

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        """Run a command in the directory."""
        options["cwd"] = options.get("cwd") or str(self.directory)
        if self._full.exists():
            command = f"trap '' XFSZ; ulimit -f 0; sh -c {shlex.quote(command)}"
        async for event in super().execute_streaming(command, **options):
            yield event
