"""Record `make demo` in a terminal: `record_demo.py [FOLDER]`, by default docs/images.

Writes demo.cast, an asciinema recording of the whole demo that `asciinema play` shows, and demo.svg, a
picture of the screen: the kill, and what the history proves.
"""

import codecs
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
COLUMNS, ROWS = 100, 32

DEMO, TITLE = ("make", "--no-print-directory", "demo"), "make demo"
EXCERPT = ("The worker dies in the middle of an answer", "The interrupted one ran as attempt")
"""What the first and the last line of the picture contain."""

_FRAME = 0.1  # seconds of output that become one event: a spinner draws more often than a person sees
_TIMEOUT = 300.0  # seconds until a command is ended
_LONGEST_SCREEN = 500  # lines


def record(command: Sequence[str], title: str, timeout: float = _TIMEOUT) -> list[str]:
    """Run a command in a terminal of its own and return the recording's lines (asciinema, version 2).

    Raises:
        SystemExit: The command failed, or did not end in time.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=env, start_new_session=True
    )
    os.close(theirs)
    try:
        events = list(_output(ours, began, timeout))
        code = process.wait(timeout=10)
    except (TimeoutError, subprocess.TimeoutExpired):
        sys.exit(f"{' '.join(command)} did not end within {timeout:.0f} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=30)
        os.close(ours)
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}")
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": title}
    header |= {"idle_time_limit": 2, "env": {"TERM": "xterm-256color"}}
    return [json.dumps(header), *(json.dumps(event, ensure_ascii=False) for event in events)]


def _output(terminal: int, began: float, timeout: float) -> "list[tuple[float, str, str]]":
    """Read a terminal to its end, in events of `_FRAME` seconds."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    events: list[tuple[float, str, str]] = []
    while True:
        left = began + timeout - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            raise TimeoutError
        try:
            data = os.read(terminal, 65536)
        except OSError:  # what Linux says when the last process has closed the terminal
            return events
        if not data:
            return events
        now = round(time.monotonic() - began, 3)
        if events and now - events[-1][0] < _FRAME:
            events[-1] = (events[-1][0], "o", events[-1][2] + decode(data))
        else:
            events.append((now, "o", decode(data)))


def screen(recording: Sequence[str]) -> Text:
    """Return the whole screen at the recording's end, with what has scrolled away."""
    terminal = pyte.Screen(COLUMNS, _LONGEST_SCREEN)
    stream = pyte.Stream(terminal)
    for line in recording[1:]:
        stream.feed(json.loads(line)[2])
    rows = [_row(cast("Any", terminal.buffer[row])) for row in range(terminal.cursor.y + 1)]
    while rows and not rows[-1].plain.strip():
        rows.pop()
    return Text("\n").join(rows)


def _row(cells: Any) -> Text:
    row = Text()
    for style, run in groupby((cells[column] for column in range(COLUMNS)), _style):
        row.append("".join(cell.data for cell in run), style)
    row.rstrip()
    return row


def _style(cell: Any) -> Style:
    return Style(color=_colour(cell.fg), bgcolor=_colour(cell.bg), bold=cell.bold, italic=cell.italics)


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    return {"brown": "yellow"}.get(name, name if name.isalpha() else f"#{name}")


def excerpt(text: Text, first: str, last: str) -> Text:
    """Return the lines from the one that contains `first` to the end of the paragraph that contains `last`.

    Raises:
        SystemExit: There is no such line.
    """
    lines = text.split("\n")
    found = [[number for number, line in enumerate(lines) if part in line.plain] for part in (first, last)]
    if not all(found):
        sys.exit(f"The recording does not show {first!r} and {last!r}:\n{text.plain}")
    begin, end = found[0][0], found[1][-1]
    while end < len(lines) and lines[end].plain.strip():
        end += 1
    return Text("\n").join(lines[begin:end])


def picture(recording: Sequence[str]) -> str:
    """Return the docs' picture of a recorded demo."""
    return svg(excerpt(screen(recording), *EXCERPT), TITLE)


def svg(text: Text, title: str) -> str:
    """Return a picture of a terminal with the text, which stays text."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    console.print(text)
    drawn = console.export_svg(title=title, theme=MONOKAI, unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)  # rich's fonts come from the network


def main(arguments: Sequence[str]) -> None:
    """Record the demo, and write both files."""
    [folder] = map(Path, arguments or [str(IMAGES)])
    recording = record(DEMO, TITLE)
    (folder / "demo.cast").write_text("\n".join(recording) + "\n")
    (folder / "demo.svg").write_text(picture(recording))


if __name__ == "__main__":
    main(sys.argv[1:])
