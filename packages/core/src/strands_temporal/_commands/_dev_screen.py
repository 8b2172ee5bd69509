"""What `strands-temporal dev` prints: lines for a person, or one JSON object per event with `--json`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._output import say, say_json
from ._settings import TASK_QUEUE


class DevScreen:
    """Prints what happens, at once.

    Args:
        json: Whether to print JSON objects, each with `event`.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def note(self, text: str) -> None:
        """Print a remark to stderr."""
        self._show({"event": "note", "text": text}, text, file=sys.stderr)

    def server(self, address: str, ui_url: str | None, *, started: bool) -> None:
        """Print where the server is."""
        lines = [f"Temporal   {address}" + ("" if started else " (it runs already)")]
        lines += [f"Web UI     {ui_url}"] if ui_url else []
        self._show({"event": "server", "address": address, "ui_url": ui_url}, "\n".join(lines))

    def console(self, url: str) -> None:
        """Print where the console is."""
        self._show({"event": "console", "url": url}, f"Console    {url}")

    def ready(self, said: dict[str, Any], task_queue: str) -> None:
        """Print what a worker serves, and what to type next."""
        kinds = ("agents", "workflows", "activities")
        serves = "; ".join(f"{kind} {', '.join(said[kind])}" for kind in kinds if said[kind])
        lines = [
            f"Model      {said['model']}",
            f"Worker {said['number']}   {serves or 'nothing of its own'} (task queue {task_queue})",
        ]
        if said["number"] == 1:
            queue = "" if task_queue == TASK_QUEUE else f" --task-queue {task_queue}"
            lines += [f"Chat       strands-temporal chat {name}{queue}" for name in said["agents"]]
            lines.append("Ctrl+C ends everything.")
        else:
            del lines[0]
        self._show({"event": "ready", "task_queue": task_queue, **said}, "\n".join(lines))

    def failed(self, text: str, *, waits: bool) -> None:
        """Print why the target cannot be served."""
        after = "\nThis worker waits for a change of the file." if waits else ""
        self._show({"event": "failed", "text": text}, text + after, file=sys.stderr)

    def died(self, number: int, code: int, pause: float) -> None:
        """Print that a worker died."""
        how = f"was killed by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
        then = "Another one starts." if not pause else f"Another one starts in {pause:.0f} s, or at a change."
        self._show({"event": "died", "number": number, "code": code}, f"Worker {number}   {how}. {then}")

    def changed(self, files: Sequence[str]) -> None:
        """Print which files changed."""
        names = ", ".join(sorted({Path(file).name for file in files}))
        self._show({"event": "changed", "files": sorted(files)}, f"Changed    {names}")

    def ending(self) -> None:
        """Print that everything is being ended."""
        self._show({"event": "ending"}, "Ending the worker and the server. Ctrl+C again kills the worker.")

    def _show(self, event: dict[str, Any], text: str, file: Any = None) -> None:
        if self._json:
            say_json(event)
        else:
            say(text, file=file)
