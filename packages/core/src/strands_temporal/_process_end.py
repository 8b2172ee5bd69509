"""Ends a process that used a Temporal client in order. Importing `strands_temporal` is enough.

temporalio 1.35 passes each answer to asyncio from a native thread: the thread enters Python, calls
`loop.call_soon_threadsafe`, and gives the GIL up in the middle of that call. A short program may be over
before the thread has it back. Two things then go wrong while Python finalizes, with temporalio alone too:

- Up to Python 3.13 the thread ends where it asks for the GIL. Its unwound frames release what they do not
  hold: "Fatal Python error: PyGILState_Release", or a segmentation fault.
- A thread that enters Python only then is parked for ever. Python meanwhile frees temporalio's `Runtime`,
  which waits for that thread: the process never ends.

So the last handler of `atexit` waits until no native thread runs Python code, and keeps each `Runtime` from
being freed. Exit code, output and the other handlers stay as they are.
"""

import atexit
import ctypes
import gc
import sys
import threading
import time
from types import FrameType

from temporalio.runtime import Runtime

PATIENCE = 2.0
"""Seconds to wait for native threads at most. They need about one millisecond."""

_POLL = 0.0005  # seconds; asleep, this thread leaves the GIL to them


def end_in_order() -> None:
    """Make Python's finalization safe for temporalio's native threads. The last handler of `atexit`."""
    _keep_runtimes()
    await_native_threads()


def _keep_runtimes() -> None:
    """Add a reference to each `Runtime` that nobody gives back: the process ends, its threads with it."""
    gc.unfreeze()  # `get_objects` leaves out what was frozen
    for each in gc.get_objects():
        if issubclass(type(each), Runtime):  # not isinstance: a proxy's `__class__` may run anything
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))


def await_native_threads() -> None:
    """Wait, for `PATIENCE` at most, until no thread that Python did not start runs Python code."""
    deadline = time.monotonic() + PATIENCE
    while _native_threads_in_python() and time.monotonic() < deadline:
        time.sleep(_POLL)


def _native_threads_in_python() -> bool:
    main = threading.main_thread().ident
    # Public in spite of its name: the documentation of `sys` has it.
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    return any(
        ident != main and _outermost(frame).f_globals.get("__name__") != threading.__name__
        for ident, frame in frames.items()
    )


def _outermost(frame: FrameType) -> FrameType:
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


# Handlers run in reverse order: this one after those of exporters and of the program, which come later.
atexit.register(end_in_order)
