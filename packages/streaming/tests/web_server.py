"""A web server for tests to kill: `python -m packages.streaming.tests.web_server ADDRESS TASK_QUEUE PORT`."""

import asyncio
import sys

import uvicorn
from packages.streaming.tests.web_agents import AGENTS
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal_streaming.web import agent_app


async def main(address: str, task_queue: str, port: str) -> None:
    client = await Client.connect(address, plugins=[StrandsPlugin()])
    app = agent_app(client, AGENTS, task_queue=task_queue)
    await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=int(port), log_level="warning")).serve()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
