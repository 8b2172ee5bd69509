"""The command line: `python -m strands_temporal_hitl`."""

import os
import sys
from typing import NoReturn

from ._cli import main


def run() -> NoReturn:
    """Run the command line as a process and end it."""
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # a pager that was closed
        code = 1
        # Python flushes once more when it ends, and would report the same error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    run()
