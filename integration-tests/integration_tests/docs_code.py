"""What a page of the docs shows, for its tests: modules, and commands of Temporal's CLI."""

import asyncio
import importlib
import re
import shlex
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration_tests.pages import DOCS, files_in, write_files
from strands_temporal.testing import DevServer, find_server_binary

_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def module_of(page: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module as the page in docs/ shows it, until the test ends."""
    write_files(files_in((DOCS / page).read_text()), folder, monkeypatch)
    return importlib.import_module(name)


async def temporal(address: str, *arguments: str) -> str:
    """Run Temporal's command line and return what it writes to its standard output."""
    binary, _ = find_server_binary()
    process = await asyncio.create_subprocess_exec(
        str(binary),
        *arguments,
        "--address",
        address,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"temporal {' '.join(arguments)}: {errors.decode()}")
    return out.decode()


@dataclass(frozen=True)
class Command:
    """A command of Temporal's CLI that a page shows, with what it shows of the output."""

    arguments: list[str]
    output: str

    async def run(self, address: str, names: Mapping[str, str]) -> None:
        """Run the command, and compare its output with the page's.

        Args:
            address: Address of the server.
            names: What stands for names of the page, in the command and in its output.
        """

        def renamed(text: str) -> str:
            for name, other in names.items():
                text = re.sub(rf"\b{name}\b", other, text)
            return text

        seen = await temporal(address, *map(renamed, self.arguments))
        shown = renamed(self.output)
        assert without_times(seen) == without_times(shown), f"the output is\n{seen}\nThe page has\n{shown}"


def commands_of(page: str) -> list[Command]:
    """Return the commands in the console blocks of a page in docs/."""
    blocks = "".join(_CONSOLE.findall((DOCS / page).read_text()))
    parts = [part.partition("\n") for part in blocks.split("$ temporal ")[1:]]
    return [Command(shlex.split(command), output) for command, _, output in parts]


def without_times(output: str) -> list[str]:
    """Return the words of an output. How long ago something was, and who and where, count as the same."""
    output = re.sub(r"\d+ (second|minute)s? ago", "AGO", output)
    output = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "WHEN", output)
    return re.sub(r"temporal-cli:[\w@.-]+", "CLI", output).split()


@asynccontextmanager
async def own_server(*settings: str, **options: Any) -> AsyncGenerator[DevServer]:
    """Run a dev server, also where `TEMPORAL_ADDRESS` names one.

    Args:
        *settings: Dynamic configuration: `name=value`.
        **options: Further arguments of `DevServer`.
    """
    args = [part for value in settings for part in ("--dynamic-config-value", value)]
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as changed:
            changed.delenv("TEMPORAL_ADDRESS", raising=False)
            extra_args = [*args, *options.pop("extra_args", ())]
            server = await stack.enter_async_context(DevServer(extra_args=extra_args, **options))
        yield server
