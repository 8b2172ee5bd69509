"""Lets a process end in order: waits at its exit until temporalio's native threads have ended their calls.

temporalio 1.35 answers each call by a thread that is not Python's. When the interpreter ends while such a
thread waits for it, Python 3.11 ends the thread midway, and objects are freed without the interpreter's lock:
the process aborts ("PyGILState_Release") or crashes. It happens to short programs, after their work is done,
with temporalio alone too.
"""

import atexit
import time

SETTLE_SECONDS = 0.1
"""A thread needs microseconds once it gets the interpreter; a busy machine makes it wait for a core."""


def settle_at_exit() -> None:
    """Have this process wait for `SETTLE_SECONDS` at its exit.

    What is registered first runs last: after exporters of traces and what else has calls to make.
    """
    atexit.register(time.sleep, SETTLE_SECONDS)
