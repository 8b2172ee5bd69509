"""Tells an activity whether somebody reads the run that scheduled it, if both are in this process.

Nothing of it is part of the workflow's state: a worker that does not have the run knows nothing.
"""

import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

from temporalio import workflow


class RunReads:
    """Counts the queries and updates of a run by name. The run holds it for as long as it is cached."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._listeners: set[Callable[[], object]] = set()
        self._lock = threading.Lock()  # workflow tasks run in threads of their own

    def count(self, *names: str) -> int:
        """Return how many queries and updates with these names there were."""
        with self._lock:
            return sum(self._counts.get(name, 0) for name in names)

    def note(self, name: str) -> None:
        """Count one."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, which must not block, after each one, in any thread. Return what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end


_of_runs: "WeakValueDictionary[str, RunReads]" = WeakValueDictionary()
_lock = threading.Lock()


def reads_of_run(run_id: str) -> RunReads | None:
    """Return the reads of a run, None if it is not in this process's cache."""
    with _lock:
        return _of_runs.get(run_id)


def cached_runs() -> int:
    """Return how many runs this process has in its cache."""
    with _lock:
        return len(_of_runs)


def reads_of_this_run() -> RunReads:
    """Return the reads of the workflow run that calls this. The run must hold them."""
    run_id = workflow.info().run_id
    with _lock:
        reads = _of_runs.get(run_id)
        if reads is None:
            reads = _of_runs[run_id] = RunReads()
        return reads
