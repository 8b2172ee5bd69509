"""Notices that a file of the user's changed.

watchfiles reports changes at once. It misses those between two watches and on some network file systems, so
the times of the files that the worker has imported are compared as well.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from watchfiles import Change, awatch

_DEBOUNCE = 200  # milliseconds: an editor that saves several files causes one restart
_STEP = 50  # milliseconds
_COMPARE = 1.0  # seconds between two comparisons of times


class Watch:
    """Watches while the `async with` block runs.

    Args:
        folder: Folder of the target, whose Python files count whether they were imported or not.
        extra: More files, or folders with all that is below them, of any kind.
    """

    def __init__(self, folder: Path, extra: Sequence[Path] = ()) -> None:
        self._folders = {str(folder)}
        self._extra = tuple(extra)
        self._times: dict[str, int] = {}
        self._compared = 0.0
        self._changed: set[str] = set()
        self._again = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Watch":
        self._tasks = [asyncio.create_task(self._watch_folders())]
        if self._extra:
            self._tasks.append(asyncio.create_task(self._watch_extra()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    @property
    def changed(self) -> bool:
        """Whether a file has changed since `take`."""
        if self._tasks and time.monotonic() - self._compared > _COMPARE:
            self._compared = time.monotonic()
            self._changed |= {file for file, before in self._times.items() if _time(file) != before}
        return bool(self._changed)

    def take(self) -> list[str]:
        """Return the changed files, and forget them."""
        taken, self._changed = sorted(self._changed), set()
        self._times = {file: _time(file) for file in self._times}
        return taken

    def add(self, files: Iterable[str]) -> None:
        """Watch the files that a worker has imported, and the Python files beside them."""
        self._times |= {file: _time(file) for file in files}
        folders = {str(Path(file).parent) for file in self._times}
        if not folders <= self._folders:
            self._folders |= folders
            self._again.set()

    async def _watch_folders(self) -> None:
        while True:
            self._again = asyncio.Event()
            there = _existing(self._folders)
            if not there:
                await asyncio.sleep(_COMPARE)
                continue
            async for changes in awatch(
                *there,
                watch_filter=_is_python,
                debounce=_DEBOUNCE,
                step=_STEP,
                stop_event=self._again,
                recursive=False,
                ignore_permission_denied=True,
            ):
                # A change that the comparison has found before is reported here once more.
                self._changed |= {path for _, path in changes if _time(path) != self._times.get(path)}

    async def _watch_extra(self) -> None:
        async for changes in awatch(*self._extra, debounce=_DEBOUNCE, step=_STEP):
            self._changed |= {path for _, path in changes}


def _existing(folders: Iterable[str]) -> list[str]:
    return [folder for folder in sorted(folders) if Path(folder).is_dir()]


def _is_python(_: Change, path: str) -> bool:
    return path.endswith(".py")


def _time(file: str) -> int:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return 0  # being replaced, or gone
