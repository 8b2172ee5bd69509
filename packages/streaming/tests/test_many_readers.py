"""Many readers of a stream, other queries, and updates: none of them locks out another."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from conftest import Agents, pause, unpause
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play, read_all, without_times
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from strands_temporal import TemporalAgent
from strands_temporal.testing import DevServer, ScriptedModel, say
from strands_temporal_streaming import AgentEvent, AgentStream, End, StreamHooks, TextDelta, TurnEnd
from strands_temporal_streaming._log import StreamLog

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[3]
Look: TypeAlias = Callable[[int], Awaitable[None]]
MANY = 50  # more than ten, the server's limit of waiting updates in one workflow


@workflow.defn
class WaitingWorkflow:
    """Says something, waits for a decision, and says something else."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.decided = asyncio.Event()

    @workflow.update
    async def decide(self, word: str) -> str:
        self.decided.set()
        return word

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "live", streaming_topic="events", hooks=[StreamHooks(self.stream)], callback_handler=None
        )
        await agent.invoke_async("ask")
        await self.decided.wait()
        return str(await agent.invoke_async("go on")).strip()


queries: Counter[str] = Counter()


class CountQueries(Interceptor):
    """Counts the queries that a worker answers, by workflow id."""

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        return _CountQueries


class _CountQueries(WorkflowInboundInterceptor):
    async def handle_query(self, input: HandleQueryInput) -> Any:
        with workflow.unsafe.sandbox_unrestricted():
            queries[workflow.info().workflow_id] += 1
        return await super().handle_query(input)


class Reader:
    """Reads in the background, and tells the test what it has read."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        self.events: list[AgentEvent] = []
        self.turns = asyncio.Semaphore(0)
        self.heard = asyncio.Condition()
        self.task = asyncio.create_task(self._read(AgentStream(client, workflow_id)))

    async def _read(self, stream: AgentStream) -> None:
        async for event in stream:
            async with self.heard:
                self.events.append(event)
                self.heard.notify_all()
            if isinstance(event, TurnEnd):
                self.turns.release()

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    async def turn(self) -> None:
        await asyncio.wait_for(self.turns.acquire(), WAIT)

    async def hears(self, text: str) -> None:
        async with self.heard:
            await asyncio.wait_for(self.heard.wait_for(lambda: text in self.text), WAIT)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@asynccontextmanager
async def waiting(agents: Agents) -> AsyncGenerator[tuple[Any, "WorkflowHandle[Any, str]"]]:
    model = ScriptedModel(say("May I?"), say("I may. Thank you.", chunk=3))
    async with agents(
        workflows=[WaitingWorkflow], models={"live": lambda: model}, interceptors=[CountQueries()]
    ) as env:
        handle = await env.start(WaitingWorkflow.run)
        yield env, handle
        await env.assert_replays(handle)


async def updates_in(handle: "WorkflowHandle[Any, Any]") -> int:
    return sum(
        event.HasField("workflow_execution_update_accepted_event_attributes")
        for event in (await handle.fetch_history()).events
    )


async def test_readers_that_came_and_went_leave_room_for_a_decision(agents: Agents) -> None:
    async with waiting(agents) as (env, handle):
        for _ in range(12):
            reader = Reader(env.client, handle.id)
            await reader.turn()
            await reader.leave()
        decision = handle.execute_update(WaitingWorkflow.decide, "yes")
        assert await asyncio.wait_for(decision, WAIT) == "yes"
        assert await asyncio.wait_for(handle.result(), WAIT) == "I may. Thank you."
        assert await updates_in(handle) == 1


async def test_many_readers_and_a_decision_at_the_same_time(agents: Agents) -> None:
    async with waiting(agents) as (env, handle):
        clients = [env.client, Client(env.client.service_client)]  # as in two processes
        readers = [Reader(clients[number % 2], handle.id) for number in range(MANY)]
        await asyncio.gather(*(reader.turn() for reader in readers))
        assert await asyncio.wait_for(handle.execute_update(WaitingWorkflow.decide, "yes"), WAIT) == "yes"
        await asyncio.wait_for(asyncio.gather(*(reader.task for reader in readers)), WAIT)
        assert {reader.text for reader in readers} == {"May I?I may. Thank you."}
        assert all(isinstance(reader.events[-1], End) for reader in readers)
        assert await updates_in(handle) == 1
        assert queries[handle.id] < MANY  # one reader's query serves all


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """Waits until readers have checked that many times for something new."""
    looks, describe = asyncio.Condition(), StreamLog.describe
    count = 0

    async def counted(self: StreamLog, run_id: str = "") -> Any:
        nonlocal count
        try:
            return await describe(self, run_id)
        finally:
            async with looks:
                count += 1
                looks.notify_all()

    async def wait(times: int) -> None:
        async with looks:
            enough = count + times
            await asyncio.wait_for(looks.wait_for(lambda: count >= enough), WAIT)

    monkeypatch.setattr(StreamLog, "describe", counted)
    return wait


async def test_a_workflow_that_says_nothing_is_not_asked(agents: Agents, look: Look) -> None:
    async with waiting(agents) as (env, handle):
        reader = Reader(env.client, handle.id)
        await reader.turn()
        await look(3)  # the end of the turn's workflow task also counts as a change
        asked = queries[handle.id]
        assert asked > 0
        await look(5)
        assert queries[handle.id] == asked
        await handle.execute_update(WaitingWorkflow.decide, "yes")
        await asyncio.wait_for(reader.task, WAIT)
        assert reader.text == "May I?I may. Thank you."


async def test_a_reader_whose_process_is_killed_leaves_nothing_behind(
    agents: Agents, server: DevServer
) -> None:
    async with waiting(agents) as (_, handle):
        program = (
            "import asyncio, sys\n"
            "from temporalio.client import Client\n"
            "from strands_temporal_streaming import AgentStream, TurnEnd\n"
            "async def main():\n"
            "    async for event in AgentStream(await Client.connect(sys.argv[1]), sys.argv[2]):\n"
            "        if isinstance(event, TurnEnd):\n"
            "            print('heard', flush=True)\n"
            "asyncio.run(main())\n"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, server.address, handle.id, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        try:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), WAIT) == b"heard\n"
        finally:
            process.kill()
            await process.wait()
        assert await asyncio.wait_for(handle.execute_update(WaitingWorkflow.decide, "yes"), WAIT) == "yes"
        await handle.result()
        assert await updates_in(handle) == 1


async def test_a_reader_waits_while_the_workflow_is_paused(agents: Agents, look: Look) -> None:
    """A paused workflow refuses queries. Its model may go on speaking, and readers get that afterwards."""
    paused = asyncio.Event()
    model = LiveModel(play("before ", lambda: bounded(paused), "after"), play("end"))
    async with agents(workflows=[WaitingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(WaitingWorkflow.run)
        reader = Reader(env.client, handle.id)
        await reader.hears("before ")
        await pause(env.client, handle.id)
        late = Reader(env.client, handle.id)
        paused.set()
        await look(6)
        assert not reader.task.done()
        assert not late.task.done()
        assert (reader.text, late.text) == ("before ", "")
        await unpause(env.client, handle.id)
        await asyncio.gather(reader.turn(), late.turn())
        await handle.execute_update(WaitingWorkflow.decide, "yes")
        await asyncio.wait_for(asyncio.gather(reader.task, late.task), WAIT)
        last = without_times(await read_all(AgentStream(env.client, handle.id)))
        assert without_times(reader.events) == without_times(late.events) == last
        assert reader.text == "before afterend"
        await env.assert_replays(handle)


async def test_a_paused_workflow_that_is_terminated_ends_its_readers(agents: Agents) -> None:
    async with agents(workflows=[WaitingWorkflow], models={"live": lambda: ScriptedModel(say("hm"))}) as env:
        handle = await env.start(WaitingWorkflow.run)
        reader = Reader(env.client, handle.id)
        await reader.turn()
        await pause(env.client, handle.id)
        await handle.terminate()
        await asyncio.wait_for(reader.task, WAIT)
        assert reader.events[-1] == End("TERMINATED", reader.events[-1].offset)
