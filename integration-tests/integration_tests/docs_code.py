"""What a page of the docs shows, for its tests: modules, and commands of Temporal's CLI."""

import asyncio
import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from strands_temporal.testing import find_server_binary

ROOT = Path(__file__).parents[2]
_MODULE = re.compile(r"^`(\w+)\.py`[^\n]*:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def modules_of(page: Path) -> dict[str, str]:
    """Return the source of each module that the page shows, by the module's name."""
    return dict(_MODULE.findall(page.read_text()))


def write_modules(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the page's modules importable until the test ends."""
    for name, source in modules_of(page).items():
        (folder / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(folder))


def module_of(page: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module as the page in docs/ shows it."""
    write_modules(ROOT / "docs" / page, folder, monkeypatch)
    return importlib.import_module(name)


async def temporal(address: str, *arguments: str) -> str:
    """Run Temporal's command line and return what it writes."""
    binary, _ = find_server_binary()
    process = await asyncio.create_subprocess_exec(
        str(binary),
        *arguments,
        "--address",
        address,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"temporal {' '.join(arguments)}: {out.decode()}")
    return out.decode()
