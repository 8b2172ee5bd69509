"""Serve a package index on a free port of 127.0.0.1: `python -m scripts.local_index FOLDER`.

Prints its address, and ends when its standard input ends. It is a process of its own because
`pypiserver` puts a hook into Python's imports.
"""

import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pypiserver


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the client says what fails."""


def main(folder: Path) -> None:
    """Serve what `folder` holds, and take uploads from anyone."""
    app: Any = pypiserver.app(roots=[folder], authenticate=[], password_file=".", disable_fallback=True)  # noqa: S106 - no password
    with make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
