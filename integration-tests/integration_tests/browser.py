"""A real Chromium, without a window: visits pages, takes steps on them, and takes pictures.

The browser comes from npm, once, into the user's cache folder (300 MB). It reaches this machine only. Its
fonts are those of this machine.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from integration_tests.real_parts import installed_chromium, node_command

Step: TypeAlias = list[Any]

_PROGRAM = Path(__file__).with_suffix(".mjs")
_ARGUMENTS = (
    "--no-sandbox",  # containers run as root, where Chromium's sandbox cannot
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
_SECONDS = 120  # for Chromium's start, and for each visit


def click(selector: str) -> Step:
    """Click the first element that the selector finds (Playwright's selectors)."""
    return ["click", selector]


def fill(selector: str, text: str) -> Step:
    """Write into a field."""
    return ["fill", selector, text]


def wait_for(selector: str) -> Step:
    """Wait until an element is visible."""
    return ["wait", selector]


def press(key: str) -> Step:
    """Press a key, such as `Enter` or `?`."""
    return ["press", key]


def tab(number: int) -> Step:
    """Turn to a tab of the same profile, from 0. One that is not there is opened, and is empty until `go`."""
    return ["tab", number]


def go(url: str) -> Step:
    """Go to another page."""
    return ["go", url]


def script(code: str) -> Step:
    """Evaluate JavaScript, a promise too; the value is the next of `Seen.values`."""
    return ["script", code]


def picture(
    file: Path, *, quality: int = 80, around: Sequence[str] = (), margin: int = 12, whole: bool = False
) -> Step:
    """Take a picture.

    Args:
        file: Where to write it, as `.webp` or `.png`.
        quality: Of a `.webp`, 0 to 100.
        around: Selectors of elements. The picture shows the part of the window that holds all of them, with
            a margin. By default it shows the window.
        margin: Its width in CSS pixels.
        whole: Show the whole page, also what the window does not show.
    """
    return ["picture", str(file.absolute()), quality, list(around), margin, whole]


@dataclass(frozen=True)
class Visit:
    """A visit to a page, in a fresh profile.

    Attributes:
        url: The page.
        steps: What to do there: `click`, `fill`, `press`, `wait_for`, `go`, `tab`, `script`, `picture`. After
            a step that fails, the rest is left out.
        width: Width of the window, in CSS pixels.
        height: Its height.
        scale: Pixels of a picture for each CSS pixel.
        dark: Whether the reader prefers a dark colour scheme.
        storage: What is in the page's local storage from the start.
        on_fault: Where to write a picture if a step fails.
        scripts: Whether the page's scripts run.
    """

    url: str
    steps: Sequence[Step] = ()
    width: int = 1280
    height: int = 800
    scale: float = 1
    dark: bool = False
    storage: dict[str, str] = field(default_factory=dict)
    on_fault: str | None = None
    scripts: bool = True


@dataclass(frozen=True)
class Seen:
    """What came of a visit.

    Attributes:
        values: The values of its `script` steps, in order.
        faults: Errors of scripts and of the console, dialogs, requests that failed or were refused, and the
            step that failed.
    """

    values: list[Any]
    faults: list[str]


def browse(visits: Sequence[Visit]) -> list[Seen]:
    """Make the visits, one after the other. Blocks.

    Raises:
        RuntimeError: Chromium did not start, or ended.
    """
    node, _ = node_command()
    modules, program = installed_chromium()
    job = {
        "program": str(program),
        "arguments": _ARGUMENTS,
        "visits": [vars(visit) for visit in visits],
    }
    done = subprocess.run(
        # Imports of a program that is no file are looked up from the working folder.
        [node, "--input-type=module", "--eval", _PROGRAM.read_text()],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=modules.parent,
        timeout=_SECONDS * (len(visits) + 1),
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Chromium failed:\n{done.stderr[-2000:]}")
    return [Seen(**json.loads(line)) for line in done.stdout.splitlines()]


def check_steps(seen: Sequence[Seen]) -> None:
    """Check that each visit took all its steps.

    Raises:
        SystemExit: A page did not show what a step needs.
    """
    if faults := [fault for visit in seen for fault in visit.faults if fault.startswith("step:")]:
        sys.exit("\n".join(faults))
