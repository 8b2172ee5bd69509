"""The command line: `python -m strands_temporal_hitl`."""

import os
import sys
from typing import NoReturn

from ._cli import main


def run() -> NoReturn:
    """Run the command line as a process and end it.

    Not by `sys.exit`: a thread of temporalio's client may still be at work a moment after the last answer,
    and then aborts an interpreter that ends in order ("PyGILState_Release", seen in one run of five).
    """
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # a pager that was closed
        code = 1
    os._exit(code)


if __name__ == "__main__":
    run()
