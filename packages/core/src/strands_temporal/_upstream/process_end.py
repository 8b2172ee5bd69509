"""Delays the end of a process until temporalio's native threads have finished their calls.

temporalio 1.35 answers each call from a thread that is not Python's. When the interpreter ends while such a
thread waits for it, Python 3.11 stops the thread midway, and objects are freed without the interpreter's
lock: the process aborts ("PyGILState_Release") or crashes. It happens to short programs after their work is
done, also with temporalio alone.
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
