"""Two hundred questions at once, several people who decide all of them, and a machine that is shot at."""

import asyncio
import os
import random
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from integration_tests.real_parts import free_port
from packages.hitl.tests.approvals_support import until
from packages.hitl.tests.crowd_inbox import InboxPerson
from packages.hitl.tests.crowd_scenes import (
    ASKED,
    EDITED,
    PEOPLE,
    RefundWorkflow,
    decide_all,
    paid,
    plugins,
    refund,
    set_up,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_hitl import ApprovalRecord, ApprovalsClient

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
WAIT = 240
SHOTS = 12


async def started(client: Client, queue: str, count: int) -> dict[str, WorkflowHandle[Any, str]]:
    """Start so many refunds. Return their handles by the orders, which are the workflows' ids."""
    orders = [f"{queue}-{number}" for number in range(count)]
    begun = [client.start_workflow(RefundWorkflow.run, order, id=order, task_queue=queue) for order in orders]
    return dict(zip(orders, await asyncio.gather(*begun), strict=True))


async def settled(
    client: Client,
    handles: dict[str, WorkflowHandle[Any, str]],
    counted: list[dict[str, ApprovalRecord]],
    db: Path,
) -> None:
    """Assert that each question was decided by exactly one person, and that this decision was obeyed."""
    deciders = Counter(order for each in counted for order in each)
    assert deciders == Counter(list(handles))
    approvals = ApprovalsClient(client, timeout=timedelta(seconds=30))
    payments, replayed = paid(db), 0
    for order, handle in handles.items():
        text = await asyncio.wait_for(handle.result(), WAIT)
        (record,) = await approvals.records(order)
        (decided,) = [each[order] for each in counted if order in each]
        assert (record.by, record.outcome) == (decided.by, decided.outcome)
        due = {"approved": {ASKED}, "edited": {EDITED}, "rejected": set[int]()}[record.outcome]
        made = payments.get(order, set())
        assert {amount for _, amount in made} == due
        assert len(made) == len(due), "one call has one key"
        assert (f"paid {min(due)}" in text) if due else ("paid" not in text), text
        if replayed < 10:
            replayed += 1
            await assert_replays(handle, [RefundWorkflow], plugins=plugins())
    assert {each.outcome for of in counted for each in of.values()} == {"approved", "edited", "rejected"}


async def test_two_hundred_questions_are_each_decided_once(
    server: DevServer, worker_options: dict[str, Any], tmp_path: Path
) -> None:
    set_up(db := tmp_path / "paid.db")
    queue = f"crowd-{uuid.uuid4()}"
    clients = [await Client.connect(server.address, plugins=plugins()) for _ in range(2)]
    workers = [
        Worker(each, task_queue=queue, workflows=[RefundWorkflow], activities=[refund], **worker_options)
        for each in clients
    ]
    client = await Client.connect(server.address)
    async with workers[0], workers[1]:
        handles = await started(client, queue, 200)
        approvals = ApprovalsClient(client, timeout=timedelta(seconds=60))
        listed = await all_waiting(approvals, handles)
        assert set(handles) <= listed
        people = [
            decide_all(ApprovalsClient(client, timeout=timedelta(seconds=60)), by, list(handles), 17)
            for by in PEOPLE
        ]
        counted = await asyncio.wait_for(asyncio.gather(*people), WAIT)
        await settled(client, handles, counted, db)
        assert not set(handles) & {waiting.workflow_id for waiting in await approvals.list()}


async def all_waiting(approvals: ApprovalsClient, wanted: Any) -> set[str]:
    """Return the workflows that are listed with a question, as soon as all of them are."""

    async def listed() -> set[str]:
        return {waiting.workflow_id for waiting in await approvals.list() if waiting.pending}

    return await until(listed, lambda found: set(wanted) <= found)


class Machine:
    """A Temporal server on a file, two workers and an inbox, whose processes a test kills."""

    def __init__(self, folder: Path) -> None:
        self.queue = f"fire-{uuid.uuid4()}"
        self.db = folder / "paid.db"
        self.server = DevServer(db_filename=folder / "temporal.db", port=free_port())
        self.port = free_port()
        self._parts: dict[str, asyncio.subprocess.Process] = {}

    async def start(self) -> None:
        set_up(self.db)
        await self.server.start()
        for name in ("worker 0", "worker 1", "inbox"):
            await self._run(name)

    async def stop(self) -> None:
        for part in self._parts.values():
            if part.returncode is None:
                part.kill()
            await part.wait()
        await self.server.stop()

    async def _run(self, name: str) -> None:
        module, how = "crowd_scenes", [self.queue, str(self.db)]
        if name == "inbox":
            module, how = "crowd_inbox", [str(self.port)]
        program = [sys.executable, "-m", f"packages.hitl.tests.{module}", self.server.address, *how]
        part = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        self._parts[name] = part
        assert part.stdout is not None
        assert await asyncio.wait_for(part.stdout.readline(), WAIT) == b"ready\n"

    async def kill(self, name: str) -> None:
        """Kill a worker or the inbox, and start another one."""
        self._parts[name].kill()
        await self._parts[name].wait()
        await self._run(name)

    async def kill_server(self) -> None:
        """Kill the Temporal server, and start it again on its file."""
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)
        await self.server.stop()
        await self.server.start()


@asynccontextmanager
async def under_fire(machine: Machine, seed: int) -> AsyncGenerator[Counter[str]]:
    """Kill parts of the machine at random while the block runs."""
    chance, shots = random.Random(seed), Counter[str]()  # noqa: S311  # no secret

    async def shoot() -> None:
        shot: dict[str, Callable[[], Awaitable[None]]] = {
            "worker 0": lambda: machine.kill("worker 0"),
            "worker 1": lambda: machine.kill("worker 1"),
            "inbox": lambda: machine.kill("inbox"),
            "server": machine.kill_server,
        }
        for _ in range(SHOTS):
            await asyncio.sleep(chance.uniform(1, 4))
            name = chance.choice(list(shot))
            await shot[name]()
            shots[name] += 1

    shooting = asyncio.create_task(shoot())
    try:
        yield shots
    finally:
        shooting.cancel()
        await asyncio.wait([shooting])


@pytest.mark.parametrize("seed", [1, 2])
async def test_kills_lose_no_decision_and_double_none(tmp_path: Path, seed: int) -> None:
    machine = Machine(tmp_path)
    try:
        await machine.start()
        client = await Client.connect(machine.server.address, plugins=plugins())
        handles = await started(client, machine.queue, 60)
        async with under_fire(machine, seed) as shots:
            people = [
                decide_all(ApprovalsClient(client, timeout=timedelta(seconds=5)), by, list(handles), seed)
                for by in PEOPLE
            ]
            inbox = InboxPerson(machine.port)
            approvals = ApprovalsClient(client, timeout=timedelta(seconds=5))
            people.append(decide_all(approvals, inbox.name, list(handles), seed, inbox.send))
            counted = await asyncio.wait_for(asyncio.gather(*people), WAIT)
        assert counted[-1], "the inbox decided some"
        assert sum(shots.values()) >= 3, shots
        await settled(client, handles, counted, machine.db)
    finally:
        await machine.stop()
