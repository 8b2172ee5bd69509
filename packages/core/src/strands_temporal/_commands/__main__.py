"""The script `strands-temporal`, and `python -m strands_temporal._commands`."""

import os
import sys
from typing import NoReturn

_EXTRA = ("httpx", "rich", "typer", "watchfiles")


def main() -> NoReturn:
    """Run the command line as a process and end it. The exit code: see docs/command-line.md."""
    try:
        from ._app import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        sys.exit(
            f"strands-temporal needs the package {error.name}, which is not installed. "
            'Install the extra `cli`: pip install "strands-temporal[cli]"'
        )
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the pager was closed; Python would flush again at its exit, and print an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
