"""Delays the end of a process until temporalio's native threads have finished their calls.

temporalio 1.35 answers each call from a native thread. If the interpreter exits while such a thread waits for
the GIL, Python 3.11 stops the thread midway, and objects are freed without the GIL: the process aborts
("PyGILState_Release") or crashes. This happens to short programs after their work is done, even if they use
temporalio alone.
"""

import atexit
import time

SETTLE_SECONDS = 0.1
"""A thread needs microseconds once it has the GIL, but on a busy machine it waits for a core."""


def settle_at_exit() -> None:
    """Have this process wait for `SETTLE_SECONDS` at its exit.

    `atexit` runs the function that was registered first as the last one: after trace exporters and everything
    else that makes calls.
    """
    atexit.register(time.sleep, SETTLE_SECONDS)
