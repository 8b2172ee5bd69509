"""The sandbox of this example: a directory for each workflow, with a copy of the project."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment

from strands_temporal import SandboxChain, SandboxFactory

PROJECT = Path(__file__).parent / "project"
LOG = ".commands.log"
"""File in the directory in which each command is noted, so that one can see that none runs twice."""


class ProjectSandbox(NotASandboxLocalEnvironment):
    """A directory on this machine. It isolates nothing: see README.md."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        """Run a command in the directory."""
        with (self.directory / LOG).open("a") as log:
            log.write(f"{command}\n")
        options["cwd"] = options.get("cwd") or str(self.directory)
        async for event in super().execute_streaming(command, **options):
            yield event

    async def read_file(self, path: str, **options: Any) -> bytes:
        """Read a file of the directory."""
        return await super().read_file(str(self.directory / path), **options)

    async def list_files(self, path: str, **options: Any) -> Any:
        """List a directory of the directory."""
        return await super().list_files(str(self.directory / path), **options)


def directory_of(workflow_id: str) -> Path:
    """Return the directory of a workflow. Each worker on this machine finds the same."""
    base = os.environ.get("CODING_AGENT_DIRECTORY") or tempfile.gettempdir()
    return Path(base) / workflow_id


def project_for(chain: SandboxChain) -> ProjectSandbox:
    """Return a workflow's sandbox: a new copy of the project, or the one that another worker has begun."""
    directory = directory_of(chain.workflow_id)
    if not directory.exists():
        shutil.copytree(PROJECT, directory, ignore=shutil.ignore_patterns("__pycache__"))
    return ProjectSandbox(directory)


# The identity says that the directory outlives the worker: the next worker has the same files.
FACTORY = SandboxFactory(project_for, identity=lambda sandbox: str(sandbox.directory))
