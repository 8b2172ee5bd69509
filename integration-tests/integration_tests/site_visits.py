"""The documentation site in a real Chromium: `python -m integration_tests.site_visits FOLDER [PAGE ...]`.

Writes a picture of each page of .site/ (`make docs`) to the folder, for a desktop and for a phone, light and
dark, and says what is broken. Without pages it visits all, but for those that show files of the repository.
"""

import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from integration_tests.browser import Step, Visit, browse, picture, script, wait_for

SITE = Path(__file__).parents[2] / ".site"


@dataclass(frozen=True)
class Look:
    """How a reader looks at the site.

    Attributes:
        name: A name for files and messages.
        width: Width of the window in CSS pixels.
        height: Its height.
        dark: Whether the reader prefers a dark colour scheme.
    """

    name: str
    width: int
    height: int
    dark: bool


LOOKS = [
    Look(f"{name}-{'dark' if dark else 'light'}", width, height, dark)
    for name, width, height in (("desktop", 1280, 900), ("phone", 390, 844))
    for dark in (False, True)
]

BROKEN = """(() => {
  const found = [];
  const room = document.documentElement.clientWidth;
  const needed = document.documentElement.scrollWidth;
  if (needed > room) found.push(`scrolls sideways to ${needed}`);
  for (const image of document.querySelectorAll("article img"))
    if (image.offsetParent && !image.naturalWidth) found.push(`no picture: ${image.getAttribute("src")}`);
  const scrolls = (element) => element && (["auto", "scroll"].includes(getComputedStyle(element).overflowX)
    || scrolls(element.parentElement));
  for (const element of document.querySelectorAll("article *")) {
    const box = element.getBoundingClientRect();
    const text = element.textContent.trim().slice(0, 60);
    if (box.width && box.right > room + 1 && !scrolls(element))
      found.push(`sticks out to ${Math.round(box.right)}: ${element.tagName} ${text}`);
  }
  return found.slice(0, 5);
})()"""
"""Returns what is broken on a page: what does not fit the window, and pictures that do not load."""


@contextmanager
def served(site: Path) -> Generator[str]:
    """Serve a folder on a free port; yield its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def pages_of(site: Path) -> list[str]:
    """Return the pages of a site, without those that show files of the repository."""
    found = (str(page.relative_to(site)) for page in site.rglob("*.html"))
    return sorted(page for page in found if not page.startswith(("repository/", "assets/", "404")))


def broken(
    site: Path, pages: Sequence[str], look: Look, more: Callable[[str], list[Step]] = lambda _: []
) -> list[str]:
    """Visit pages; return what is broken, a line each.

    Args:
        site: Folder of the site.
        pages: Its pages, as paths in the folder.
        look: How to look at them.
        more: Returns further steps on a page.
    """
    with served(site) as address:
        visits = [
            Visit(
                f"{address}/{page}",
                [wait_for("article"), script(BROKEN), *more(page)],
                width=look.width,
                height=look.height,
                dark=look.dark,
            )
            for page in pages
        ]
        seen = browse(visits)
    return [
        f"{page}, {look.name}: {fault}"
        for page, visit in zip(pages, seen, strict=True)
        for fault in [*visit.faults, *(visit.values[0] if visit.values else [])]
    ]


def main(arguments: Sequence[str]) -> None:
    """Take the pictures.

    Raises:
        SystemExit: Something is broken. The message says what and where.
    """
    folder, *pages = arguments
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)

    def shown(look: Look, page: str) -> list[Step]:
        name = page.removesuffix(".html").replace("/", "-")
        return [picture(place / f"{name}-{look.name}.png", whole=True)]

    faults = [
        fault for look in LOOKS for fault in broken(SITE, pages or pages_of(SITE), look, partial(shown, look))
    ]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main(sys.argv[1:])
