"""A workflow with a history in the tree, and the script that records it. Never change what it does.

The history of a release before the whole life was published: its reader polled by update, so it was answered
when an item came. To record a history of this release, under a name of its own:

    uv run python -m packages.streaming.tests.golden_streaming NAME
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from strands import Agent, tool
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import (
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    say,
    use_tool,
)
from strands_temporal_streaming import StreamHooks, StreamingPlugin

HISTORIES = Path(__file__).parent / "histories"


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"about {word}"


def answer(call: ScriptedCall) -> Reply:
    """Look the prompt up, ask the helper, and say what came back."""
    if "helper" not in call.tool_names:
        return say("helped")
    if not call.tool_results:
        return use_tool("look_up", {"word": call.prompt}, tool_use_id=f"l{len(call.messages)}")
    if call.text != "helped\n":
        return use_tool("helper", {"input": "help"}, tool_use_id=f"h{len(call.messages)}")
    return say("done")


@workflow.defn
class GoldenStream:
    """Two turns with a tool and a sub-agent, whose events are read by update."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.readers = 0

    @workflow.signal
    def go(self) -> None:
        self.readers += 1

    @workflow.run
    async def run(self, prompt: str) -> str:
        helper = Agent(TemporalModel("m"), name="helper", description="Helps.", callback_handler=None)
        agent = TemporalAgent(
            "m",
            name="boss",
            tools=[look_up, helper.as_tool()],
            streaming_topic="events",
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        await workflow.wait_condition(lambda: self.readers > 0)
        texts: list[str] = []
        for word in (prompt, f"{prompt} again"):
            texts.append(str(await agent.invoke_async(word)).strip())
            await workflow.sleep(timedelta(milliseconds=300))
        self.stream.detach_pollers()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ", ".join(texts)


async def record(name: str) -> None:
    """Record a history of this release."""
    plugins = [StrandsPlugin(models={"m": lambda: ScriptedModel(answer)}), StreamingPlugin()]
    async with (
        DevServer() as server,
        agent_environment(server.address, workflows=[GoldenStream], plugins=plugins) as env,
    ):
        handle = await env.start(GoldenStream.run, "tea")

        async def read() -> int:
            stream, count = WorkflowStreamClient.create(env.client, handle.id), 0
            async for _ in stream.subscribe(
                ["events.control"], from_offset=0, poll_cooldown=timedelta(milliseconds=1)
            ):
                count += 1
            return count

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.5)
        await handle.signal(GoldenStream.go)
        print(await handle.result(), await asyncio.wait_for(reading, 20))  # noqa: T201
        text = (await handle.fetch_history()).to_json()
        HISTORIES.mkdir(exist_ok=True)
        path = HISTORIES / f"{name}.json"
        path.write_text(json.dumps(json.loads(text), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1]))
