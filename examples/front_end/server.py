"""The web server: AG-UI and the page, for this machine alone. `python -m examples.front_end.server`."""

import asyncio
import os
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from temporalio.client import Client

from examples.front_end.agent import TASK_QUEUE
from examples.support.programs import ADDRESS
from strands_temporal import StrandsPlugin
from strands_temporal_streaming.web import agent_app


def page(request: Request) -> FileResponse:
    """Return the page."""
    del request
    return FileResponse(Path(__file__).with_name("index.html"))


async def main() -> None:
    """Serve until interrupted."""
    client = await Client.connect(ADDRESS, plugins=[StrandsPlugin()])
    app = agent_app(client, ["host"], task_queue=TASK_QUEUE)
    app.router.routes.append(Route("/", page))
    port = int(os.environ.get("PORT", "8080"))
    print(f"Open http://127.0.0.1:{port}", flush=True)
    await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")).serve()


if __name__ == "__main__":
    asyncio.run(main())
