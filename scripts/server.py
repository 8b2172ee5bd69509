"""A Temporal dev server at localhost:7233 with its Web UI, for the examples, until Ctrl+C: `make server`."""

import os
import sys

from strands_temporal.testing import DevServerError, find_server_binary

PORT, UI_PORT = "7233", "8233"  # the ports of `temporal server start-dev`


def main() -> None:
    """Replace this process with the server.

    Raises:
        SystemExit: No server binary was found. The message says what to do.
    """
    try:
        binary, _ = find_server_binary()
    except DevServerError as error:
        sys.exit(str(error))
    print(f"Temporal at 127.0.0.1:{PORT}, Web UI at http://127.0.0.1:{UI_PORT}. Ctrl+C to exit.", flush=True)
    options = ["--ip", "127.0.0.1", "--port", PORT, "--ui-port", UI_PORT, "--log-level", "error"]
    os.execv(binary, [str(binary), "server", "start-dev", *options])  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
