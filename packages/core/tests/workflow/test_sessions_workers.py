"""Sessions and memory stores with several workers, and with a worker that is killed during a save."""

import asyncio
import sys
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.workflow.session_scenes import count
from strands.memory import MemoryManager
from strands.session import SnapshotSessionManager
from strands.storage import LocalFileStorage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import DevServer, ScriptedModel, agent_environment
from strands_temporal.workflow import TemporalMemoryStore, TemporalStorage

pytestmark = pytest.mark.server

SOON = 60  # seconds
TIMEOUT = timedelta(seconds=SOON)


@workflow.defn
class ThreeTurnsWorkflow:
    """Three turns, each saved, with a memory that is searched before each answer."""

    @workflow.run
    async def run(self) -> list[str]:
        quick = timedelta(seconds=2)
        agent = TemporalAgent(
            "m",
            agent_id="a",
            callback_handler=None,
            heartbeat_timeout=quick,
            session_manager=SnapshotSessionManager(
                "s", storage=TemporalStorage("sessions", heartbeat_timeout=quick), save_latest_on="message"
            ),
            memory_manager=MemoryManager(stores=[TemporalMemoryStore("notes", heartbeat_timeout=quick)]),
        )
        return [str(await agent.invoke_async(prompt)).strip() for prompt in ("one", "two", "three")]


class HangingStorage(LocalFileStorage):
    """A storage whose third write says so, and never ends."""

    def __init__(self, folder: str, hangs: bool) -> None:
        super().__init__(folder)
        self.writes = 0
        self.hangs = hangs

    async def write(self, key: str, data: bytes) -> None:
        self.writes += 1
        if self.hangs and self.writes == 3:
            print("writing", flush=True)  # noqa: T201
            await asyncio.Event().wait()
        await super().write(key, data)


def worker(address: Any, queue: str, folder: str, *, hangs: bool = False, **options: Any) -> Any:
    return agent_environment(
        address,
        workflows=[ThreeTurnsWorkflow],
        models={"m": lambda: ScriptedModel(count)},
        storages={"sessions": lambda: HangingStorage(folder, hangs)},
        memory_stores={"notes": lambda: FileMemoryStore(name="notes", storage=LocalFileStorage(folder))},
        task_queue=queue,
        **options,
    )


SAID = ["1: one, one", "3: one, two", "5: one, three"]


async def serve(address: str, queue: str, folder: str) -> None:
    """Run a worker until it is killed."""
    async with worker(address, queue, folder, hangs=True):
        await asyncio.Event().wait()


async def test_several_workers_share_the_work(
    server: DevServer, tmp_path: Path, worker_options: dict[str, Any]
) -> None:
    queue = f"sessions-{uuid.uuid4()}"
    async with AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(worker(server.address, queue, str(tmp_path), **worker_options))
            for _ in range(3)
        ]
        assert await workers[0].run(ThreeTurnsWorkflow.run) == SAID
        said = await workers[1].run(ThreeTurnsWorkflow.run)
    assert said == ["7: one, one", "9: one, two", "11: one, three"]


@pytest.mark.slow  # a process of its own
async def test_after_a_worker_was_killed_in_a_save_another_one_goes_on(
    server: DevServer, tmp_path: Path, worker_options: dict[str, Any]
) -> None:
    queue = f"sessions-{uuid.uuid4()}"
    call = f"serve({server.address!r}, {queue!r}, {str(tmp_path)!r})"
    code = f"import asyncio, {__name__} as t; asyncio.run(t.{call})"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    try:
        client = await Client.connect(server.address, plugins=[StrandsPlugin()])
        handle = await client.start_workflow(
            ThreeTurnsWorkflow.run, id=f"killed-{uuid.uuid4()}", task_queue=queue, execution_timeout=TIMEOUT
        )
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), SOON) == b"writing\n"
    finally:
        process.kill()
        await process.wait()
    async with worker(server.address, queue, str(tmp_path), **worker_options) as env:
        again = env.client.get_workflow_handle_for(ThreeTurnsWorkflow.run, handle.id)
        assert await asyncio.wait_for(again.result(), SOON) == SAID
        await env.assert_replays(again)
    stored = await LocalFileStorage(str(tmp_path)).read(
        "session/s/scopes/agent/a/snapshots/snapshot_latest.json"
    )
    assert (stored or b"").count(b'"role"') == 6
