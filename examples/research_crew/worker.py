"""The workers of this example, with the MCP server: one task queue for the crew, one for the checks.

Start it first; Ctrl+C ends it.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters, stdio_client
from strands.models import Model
from strands.tools.mcp import MCPClient
from temporalio.client import Client
from temporalio.worker import Worker

from examples.research_crew.workflow import (
    CHECKS_QUEUE,
    MODEL,
    TASK_QUEUE,
    FactCheckerWorkflow,
    ResearchCrewWorkflow,
)
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin
from strands_temporal_mcp import MCPPlugin

LIBRARY = Path(__file__).with_name("server.py")


def library_client() -> MCPClient:
    """Make the client of the library. Called when the worker starts."""
    server = StdioServerParameters(command=sys.executable, args=[str(LIBRARY)])
    connect: Any = lambda: stdio_client(server)  # noqa: E731  # Strands' type of it knows mcp 1 only
    return MCPClient(connect)


def plugins(model: Callable[[], Model]) -> list[Any]:
    """Return the plugins of a client whose workers run the crew."""
    return [StrandsPlugin(models={MODEL: model}), MCPPlugin(mcp_clients={"library": library_client})]


def workers(client: Client, **options: Any) -> list[Worker]:
    """Return the worker of the crew and the worker of the checks, which may be on different machines."""
    options = {"sticky_queue_schedule_to_start_timeout": timedelta(seconds=2), **options}
    return [
        Worker(client, task_queue=TASK_QUEUE, workflows=[ResearchCrewWorkflow], **options),
        Worker(client, task_queue=CHECKS_QUEUE, workflows=[FactCheckerWorkflow], **options),
    ]


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model(must_call_tools=True) as choice:
        client = await Client.connect(ADDRESS, plugins=plugins(choice.factory))
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await asyncio.gather(*(worker.run() for worker in workers(client)))


if __name__ == "__main__":
    run_worker(main())
