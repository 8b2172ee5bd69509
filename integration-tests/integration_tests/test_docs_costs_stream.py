"""docs/costs.md: what a streamed answer costs in actions for each second, as the server counts them."""

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from packages.streaming.tests.streaming_support import LiveModel, play, read_all, texts
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from integration_tests.doc_blocks import ROOT
from integration_tests.docs_code import own_server
from integration_tests.real_parts import free_port
from integration_tests.test_docs_costs import Meter
from strands_temporal import TemporalAgent
from strands_temporal.testing import agent_environment
from strands_temporal_streaming import AgentStream

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECONDS = 8


@workflow.defn
class SpeakingWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", streaming_topic="events", callback_handler=None)
        return str(await agent.invoke_async("Go on")).strip()


@pytest.fixture
async def meter() -> AsyncGenerator[Meter]:
    """The meter of a server that no other test uses."""
    port = free_port()
    async with own_server(extra_args=["--metrics-port", str(port)]) as server:
        yield Meter(port, server.address)


@pytest.mark.parametrize("is_read", [False, True], ids=["nobody reads", "one reader"])
async def test_the_actions_of_a_streamed_second(meter: Meter, is_read: bool) -> None:
    async def pause() -> None:
        await asyncio.sleep(0.02)

    words = [f"{number} " for number in range(SECONDS * 40)]
    parts: list[Any] = [part for word in words for part in (word, pause)]
    model = LiveModel(play(*parts))
    async with agent_environment(
        meter.address, workflows=[SpeakingWorkflow], models={"m": lambda: model}
    ) as env:
        loop = asyncio.get_running_loop()
        began = loop.time()
        handle = await env.start(SpeakingWorkflow.run)
        reader = asyncio.create_task(read_all(AgentStream(env.client, handle.id))) if is_read else None
        assert await asyncio.wait_for(handle.result(), 60) == "".join(words).strip()
        taken = loop.time() - began
        if reader is not None:
            assert texts(await reader) == ["".join(words).strip()]
        await asyncio.sleep(1)  # the server counts late
        seen = {name: number / taken for name, number in (await meter.new(1)).items()}
    # The page's numbers are upper bounds: a loaded machine sends fewer.
    page = (ROOT / "docs/costs.md").read_text()
    row = "read by an `AgentStream`" if is_read else "read by nobody"
    (told,) = re.findall(rf"^\| a second of streamed text, {row} \| up to (\d+)", page, re.MULTILINE)
    assert sum(seen.values()) - seen["start"] - seen["activity"] <= int(told), seen
    assert (seen.get("heartbeat", 0) > 1) == is_read, seen
    print(seen)  # noqa: T201
