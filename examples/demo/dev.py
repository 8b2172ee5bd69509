"""`strands-temporal` as a child process, which ends with the process that started it."""

import os
import signal
from importlib.metadata import entry_points

from examples.support.child import on_parent_exit

if __name__ == "__main__":
    on_parent_exit(lambda: os.kill(os.getpid(), signal.SIGTERM))  # the command then ends all that it started
    [script] = entry_points(group="console_scripts", name="strands-temporal")
    script.load()()
