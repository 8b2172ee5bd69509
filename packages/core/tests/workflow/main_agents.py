"""A script whose agents by name are in `__main__`. Prints what a conversation with one of them answers."""

import asyncio
import sys
import uuid

from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import ConversationClient, StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, say

BEGAN = [__name__]


def make_agent() -> TemporalAgent:
    """Make the agent."""
    return TemporalAgent("m", system_prompt=f"made in {BEGAN[0]}", callback_handler=None)


async def main() -> None:
    """Run a worker and one conversation."""
    model = ScriptedModel(lambda call: say(str(call.system_prompt)))
    plugin = StrandsPlugin(models={"m": lambda: model}, agents={"main": make_agent})
    client = await Client.connect(sys.argv[1], plugins=[plugin])
    queue = str(uuid.uuid4())
    async with Worker(client, task_queue=queue, max_cached_workflows=int(sys.argv[2])):
        chat = await ConversationClient.start(client, "main", id=queue, task_queue=queue)
        print((await chat.send("Hello")).text)  # noqa: T201  # the test reads it
        await chat.close()
        await chat.handle.result()


if __name__ == "__main__":
    asyncio.run(main())
