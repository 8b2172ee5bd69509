"""An HTTP server on a free port of this machine, for as long as a block runs."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
else:  # the sandbox, which loads test modules with workflows, refuses to import it; `serving` adds it
    BaseHTTPRequestHandler = object


class QuietHandler(BaseHTTPRequestHandler):
    """A request handler that logs nothing."""

    def body(self) -> bytes:
        """Return the body of the request."""
        return self.rfile.read(int(self.headers["content-length"]))

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        """Answer the request."""
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def serving(handler: type[QuietHandler]) -> Generator[str]:
    """Serve while the block runs; yield the server's URL, without a slash at its end."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(handler, BaseHTTPRequestHandler):
        """The given handler, on top of the standard library's handler."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=handler.__qualname__)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
