"""Lines that processes add to files, each in one write, so that a process that is killed loses none."""

import json
import os
import time
from pathlib import Path
from typing import Any


def add(file: Path, **values: Any) -> None:
    """Add a line. `at` is the time of the machine's monotonic clock, the same one in all processes."""
    line = json.dumps({"at": time.monotonic(), **values}) + "\n"
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def lines(file: Path) -> list[dict[str, Any]]:
    """Return the lines of a file; none if it is not there."""
    if not file.exists():
        return []
    text = file.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def put(file: Path, value: Any) -> None:
    """Write a file whole, so that others see all of it or nothing."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(json.dumps(value))
    partial.rename(file)
