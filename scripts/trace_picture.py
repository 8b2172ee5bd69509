"""A picture of an agent's trace in Arize Phoenix: `trace_picture.py [FOLDER]`.

The desk of docs/operations.md runs with `OTelPlugin`, which exports over OTLP to a Phoenix of its own. A real
Chromium shows the trace. Phoenix comes from PyPI into uv's cache: about 620 MB. By default the picture goes
to docs/images.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from integration_tests.browser import Visit, browse, check_steps, picture, wait_for
from integration_tests.real_parts import free_port, serving, uv_program

from scripts.desk import waiting_desk
from scripts.drawings import IMAGES
from strands_temporal_otel import OTelPlugin

PHOENIX = "arize-phoenix==20.26.1"
_SETTINGS = {
    "PHOENIX_HOST": "127.0.0.1",
    "PHOENIX_PORT": "{port}",
    "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
    "PHOENIX_TELEMETRY_ENABLED": "false",
}
_INSTALL_TIMEOUT = 900  # seconds
_START_TIMEOUT = 600.0  # seconds; Phoenix imports a lot, and makes its database first
_ARRIVAL_TIMEOUT = 30.0  # seconds until Phoenix shows what it was sent

ROOT_SPAN = "StartWorkflow:DeskWorkflow"
TREE = "[data-testid=trace-tree]"
_WINDOW = (2000, 1010)  # wide, for names in full; as high as the spans up to the second model call


def file_of(*, dark: bool) -> str:
    """Return the name of the picture."""
    return f"trace{'-dark' if dark else ''}.webp"


def phoenix(*command: str) -> list[str]:
    """Return a command that runs in an environment with Phoenix, outside of this project's own."""
    return [uv_program(), "run", "--isolated", "--no-project", "--with", PHOENIX, *command]


async def traced_run(endpoint: str) -> None:
    """Run the desk, and send its trace to an OTLP endpoint."""
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    os.environ["OTEL_METRICS_EXPORTER"] = "none"  # Phoenix takes traces only
    os.environ["OTEL_SERVICE_NAME"] = "desk"
    async with waiting_desk([OTelPlugin()]) as desk:
        await desk.approve()


def trace_in(spans: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the id of the desk's trace among the spans that Phoenix lists; None while it is not there."""
    return next((span["context"]["trace_id"] for span in spans if span["name"] == ROOT_SPAN), None)


async def page_of_trace(url: str) -> str:
    """Return the address of the desk's trace in Phoenix.

    Raises:
        SystemExit: The trace did not arrive.
    """
    (project,) = (await _got(f"{url}/v1/projects"))["data"]
    deadline = time.monotonic() + _ARRIVAL_TIMEOUT
    while time.monotonic() < deadline:
        spans = await _got(f"{url}/v1/projects/{project['id']}/spans?limit=100")
        if trace := trace_in(spans["data"]):
            return f"{url}/projects/{project['id']}/traces/{trace}"
        await asyncio.sleep(0.5)
    sys.exit("Phoenix does not show the desk's trace")


async def _got(url: str) -> Any:
    def get() -> Any:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # our own server
            return json.load(answer)

    return await asyncio.to_thread(get)


def visits(page: str, folder: Path) -> Iterator[Visit]:
    """Yield a visit for each picture."""
    for dark in (False, True):
        yield Visit(
            page,
            [
                wait_for(f"{TREE} >> text={ROOT_SPAN}"),
                picture(folder / file_of(dark=dark), quality=75, around=[TREE], margin=0),
            ],
            width=_WINDOW[0],
            height=_WINDOW[1],
            scale=1.6,
            storage={"arize-phoenix-theme": "dark" if dark else "light"},
        )


async def main(arguments: Sequence[str]) -> None:
    """Make the pictures.

    Raises:
        SystemExit: Phoenix does not show what the pictures are to show.
    """
    [folder] = map(Path, arguments or [str(IMAGES)])
    install = phoenix("python", "-c", "")
    await asyncio.to_thread(subprocess.run, install, check=True, timeout=_INSTALL_TIMEOUT)
    with tempfile.TemporaryDirectory() as data:
        settings = {**_SETTINGS, "PHOENIX_WORKING_DIR": data, "PHOENIX_GRPC_PORT": str(free_port())}
        async with serving(
            lambda _: phoenix("phoenix", "serve"), "/healthz", within=_START_TIMEOUT, **settings
        ) as url:
            await traced_run(url)
            page = await page_of_trace(url)
            check_steps(await asyncio.to_thread(browse, list(visits(page, folder))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
