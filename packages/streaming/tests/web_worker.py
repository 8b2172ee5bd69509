"""A worker for tests of the web app to kill: `python -m packages.streaming.tests.web_worker ADDRESS QUEUE`.

Its model tells a story of `WORDS` words, slowly, and is the same after each attempt.
"""

import asyncio
import sys
from datetime import timedelta
from typing import Any

from packages.streaming.tests.streaming_support import LiveModel, play
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent

WORDS = [f"{number} " for number in range(60)]


def teller() -> TemporalAgent:
    return TemporalAgent(
        "m", streaming_topic="events", heartbeat_timeout=timedelta(seconds=2), callback_handler=None
    )


async def pause() -> None:
    await asyncio.sleep(0.05)


async def main(address: str, task_queue: str) -> None:
    parts: list[Any] = [part for word in WORDS for part in (word, pause)]
    models = {"m": lambda: LiveModel(*[play(*parts)] * 5)}
    plugin = StrandsPlugin(models=models, agents={"teller": teller})
    client = await Client.connect(address, plugins=[plugin])
    async with Worker(client, task_queue=task_queue):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
