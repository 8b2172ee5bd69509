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
    except BrokenPipeError:  # the pager was closed; Python would flush again at its exit, and print an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    run()
