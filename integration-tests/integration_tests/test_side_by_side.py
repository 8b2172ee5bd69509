"""Old and new code of this package side by side on one task queue, with live chats: forth and back."""

import asyncio
import os
import re
import shutil
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.commands.commanding import command
from temporalio.client import Client, WorkflowHandle

from integration_tests import live_chat
from integration_tests.old_code import OldCodeMissingError, old_python
from integration_tests.waiting import failed_tasks, until
from strands_temporal.testing import DevServer, assert_replays

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

Chat = WorkflowHandle[Any, Any]

OLD, NEW = "old", "new"
START, WAIT = 60, 60  # seconds
PHASES = 6
PROMPTS = ["hello", "fetch_weather Bern", "convert 20", "count_letters Bern", "City Bern", "x" * 70_000]


@pytest.fixture(scope="module")
def pythons() -> Mapping[str, str]:
    """The Python of each release."""
    try:
        return {OLD: str(old_python()), NEW: sys.executable}
    except OldCodeMissingError as missing:
        pytest.skip(f"the old code cannot be had: {missing}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the chat's module and nothing else of this repository."""
    shutil.copy(Path(live_chat.__file__), tmp_path / "live_chat.py")
    return tmp_path


class Workers:
    """Runs a worker process of each release on one task queue."""

    def __init__(self, pythons: Mapping[str, str], folder: Path, address: str) -> None:
        self.queue = f"side-by-side-{uuid.uuid4()}"
        self._pythons, self._folder, self._address = pythons, folder, address

    @asynccontextmanager
    async def running(self, *releases: str) -> AsyncGenerator[None]:
        """Run workers of these releases while the block runs."""
        processes = [await self._start(release) for release in releases]
        try:
            yield
        finally:
            for process in processes:
                assert process.stdin
                process.stdin.close()  # the worker ends
            for process in processes:
                await _ended(process)

    async def _start(self, release: str) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = await asyncio.create_subprocess_exec(
            *(self._pythons[release], "-m", "live_chat", self._address, self.queue, release),
            stdin=PIPE,
            stdout=PIPE,
            cwd=self._folder,
            env=environment,
        )
        assert process.stdout
        line = await asyncio.wait_for(process.stdout.readline(), START)
        assert line == b"ready\n", f"the worker of the {release} release did not start"
        return process

    async def replay(self, release: str, files: list[Path]) -> str:
        """Replay histories with a release. Return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *(self._pythons[release], "-m", "live_chat", *map(str, files)),
            stdout=PIPE,
            stderr=PIPE,
            cwd=self._folder,
        )
        out, errors = await asyncio.wait_for(process.communicate(), WAIT)
        assert process.returncode == 0, errors.decode()
        return out.decode()


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), WAIT)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()


async def test_live_chats_cross_from_old_code_to_new_and_back(
    pythons: Mapping[str, str], folder: Path, server: DevServer, client: Client, tmp_path: Path
) -> None:
    workers = Workers(pythons, folder, server.address)
    mixed = await _conversations(client, workers, [(OLD,), (OLD, NEW), (NEW,), (OLD, NEW), (OLD,), (NEW,)])
    others = Workers(pythons, folder, server.address)
    async with others.running(NEW):
        same = await _conversations(client, others, None)
    assert [chat.transcript for chat in mixed] == [chat.transcript for chat in same]
    files: list[Path] = []
    for chat in mixed:
        for number, run in enumerate(chat.runs):
            history = await client.get_workflow_handle(chat.id, run_id=run).fetch_history()
            names = [event.WhichOneof("attributes") for event in history.events]
            assert "workflow_task_failed_event_attributes" not in names
            assert "activity_task_failed_event_attributes" not in names or chat.asks
            await assert_replays(history, [live_chat.LiveChat], plugins=[live_chat.plugin()])
            file = tmp_path / f"{chat.id}-{number}.json"
            file.write_text(history.to_json())
            files.append(file)
    assert {OLD, NEW} == {identity for chat in mixed for identity in chat.identities}
    assert await workers.replay(OLD, files) == f"{len(files)} replay\n"


async def test_a_chat_that_new_code_has_marked_stands_still_on_old_code_until_the_new_is_back(
    pythons: Mapping[str, str], folder: Path, server: DevServer, client: Client
) -> None:
    workers = Workers(pythons, folder, server.address)
    workflow_id = f"{live_chat.WATCHED}{uuid.uuid4()}"
    async with workers.running(OLD):
        await client.start_workflow("LiveChat", id=workflow_id, task_queue=workers.queue)
        chat: Chat = client.get_workflow_handle(workflow_id)
        assert await chat.execute_update("ask", "hello") == "heard 5 letters in 1 messages: hello"
        await chat.execute_update("go", "continue")
    async with workers.running(NEW):
        assert await chat.execute_update("ask", "hello") == "heard 5 letters in 3 messages: hello"
    shown = (await command(client, "history", workflow_id)).out
    assert re.search(r"  patch +strands-temporal-model-described\n", shown), shown
    async with workers.running(OLD):
        asked = asyncio.create_task(chat.execute_update("ask", "hello"))
        await until(lambda: failed_tasks(chat))
        assert not asked.done()
        assert "workflow task failed" in (await command(client, "history", workflow_id)).out
    async with workers.running(NEW):
        assert await asyncio.wait_for(asked, WAIT) == "heard 5 letters in 5 messages: hello"
        await chat.execute_update("go", "end")
        await asyncio.wait_for(chat.result(), WAIT)


class Conversation:
    """One chat of the test, and what became of it."""

    def __init__(self, handle: Chat, *, asks: bool) -> None:
        self.id = handle.id
        self.handle = handle
        self.asks = asks
        self.transcript: Any = None
        self.runs: list[str] = []
        self.identities: set[str] = set()


async def _conversations(
    client: Client, workers: Workers, phases: list[tuple[str, ...]] | None
) -> list[Conversation]:
    """Lead three chats through six phases. Return them at their ends.

    Args:
        client: The client.
        workers: Runs the workers.
        phases: The releases whose workers run in each phase; None if a worker runs already.
    """
    chats: list[Conversation] = []
    for number in range(PHASES):
        async with nullcontext() if phases is None else workers.running(*phases[number]):
            if not chats:
                for asks in (False, True, False):
                    handle = await client.start_workflow(
                        "LiveChat", id=f"live-{uuid.uuid4()}", task_queue=workers.queue
                    )
                    chats.append(Conversation(client.get_workflow_handle(handle.id), asks=asks))
            await asyncio.gather(*(_phase(chat, number) for chat in chats))
    for chat in chats:
        await _look_back(client, chat)
    return chats


async def _phase(chat: Conversation, number: int) -> None:
    """Have the turns of one phase."""

    async def ask(prompt: str) -> str:
        return await asyncio.wait_for(chat.handle.execute_update("ask", prompt), WAIT)

    if chat.asks and number == 1:
        assert await asyncio.wait_for(chat.handle.execute_update("answer", "yes"), WAIT)
    for prompt in (PROMPTS * 2)[number : number + 3]:
        await ask(prompt)
    if chat.asks and number == 0:
        assert await ask("pay 7") == "asks"
    if not chat.asks and number in (1, 3, 4):  # side by side, and on the old code alone
        await chat.handle.execute_update("go", "continue")
    if number == PHASES - 1:
        await ask("goodbye")
        await chat.handle.execute_update("go", "end")
        chat.transcript = await asyncio.wait_for(chat.handle.result(), WAIT)


async def _look_back(client: Client, chat: Conversation) -> None:
    run: str | None = (await chat.handle.describe()).run_id
    while run:
        history = await client.get_workflow_handle(chat.id, run_id=run).fetch_history()
        chat.runs.insert(0, run)
        for event in history.events:
            if event.HasField("workflow_task_completed_event_attributes"):
                chat.identities.add(event.workflow_task_completed_event_attributes.identity)
        started = history.events[0].workflow_execution_started_event_attributes
        run = started.continued_execution_run_id or None
