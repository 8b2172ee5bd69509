"""The worker of this example, with the MCP server. Start it first; Ctrl+C ends it."""

import sys
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters, stdio_client
from strands.tools.mcp import MCPClient
from temporalio.client import Client
from temporalio.worker import Worker

from examples.mcp.workflow import MODEL, TASK_QUEUE, MCPWorkflow
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin
from strands_temporal_mcp import MCPPlugin

ECHO_SERVER = Path(__file__).with_name("server.py")


def echo_client() -> MCPClient:
    """Make the client of the echo server. Called when the worker starts."""
    server = StdioServerParameters(command=sys.executable, args=[str(ECHO_SERVER)])
    connect: Any = lambda: stdio_client(server)  # noqa: E731  # Strands' type of it knows mcp 1 only
    return MCPClient(connect)


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model() as choice:
        plugins = [
            StrandsPlugin(models={MODEL: choice.factory}),
            MCPPlugin(mcp_clients={"echo": echo_client}),
        ]
        client = await Client.connect(ADDRESS, plugins=plugins)
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[MCPWorkflow])
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
