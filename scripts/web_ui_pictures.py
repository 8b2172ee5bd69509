"""Pictures of Temporal's Web UI with an agent that waits for a person: `web_ui_pictures.py [FOLDER]`.

The desk of docs/operations.md runs on a real dev server, and a real Chromium shows its pages. By default the
pictures go to docs/images.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from integration_tests.browser import Step, Visit, browse, check_steps, picture, wait_for

from scripts.desk import waiting_desk
from scripts.drawings import IMAGES

TABS = "[data-testid=timeline-tab]"
DETAILS = "#user-metadata-current-details"
"""The Web UI shows the current details in a frame."""

ENTER = "internal:control=enter-frame"
"""Playwright's selector for what is in a frame."""

PAGES: dict[str, tuple[list[Step], list[str]]] = {
    "timeline": (
        [wait_for("text=deadline of 1 question")],
        [TABS, "[data-testid=input-and-result]", "text=invoke_model"],
    ),
    "user-metadata": ([wait_for(f"{DETAILS} >> {ENTER} >> text=waiting for people")], [TABS, DETAILS]),
}
"""Pages of a workflow: what to wait for, and what the picture shows."""


def file_of(page: str, *, dark: bool) -> str:
    """Return the name of a page's picture."""
    return f"web-ui-{page}{'-dark' if dark else ''}.webp"


def visits(workflow: str, folder: Path) -> Iterator[Visit]:
    """Yield a visit for each picture.

    Args:
        workflow: Address of the workflow in the Web UI.
        folder: Where the pictures go.
    """
    for page, (steps, around) in PAGES.items():
        for dark in (False, True):
            shown = picture(folder / file_of(page, dark=dark), quality=75, around=around)
            # Narrow, so that the text is still readable where a page shows the picture smaller.
            yield Visit(f"{workflow}/{page}", [*steps, shown], width=700, height=1200, scale=1.6, dark=dark)


async def main(arguments: Sequence[str]) -> None:
    """Make all pictures.

    Raises:
        SystemExit: The Web UI does not show what the pictures are to show.
    """
    [folder] = map(Path, arguments or [str(IMAGES)])
    async with waiting_desk() as desk:
        check_steps(await asyncio.to_thread(browse, list(visits(desk.page, folder))))
        await desk.approve()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
