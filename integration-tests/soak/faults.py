"""What happens at each kind of fault."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import psutil

from . import journal
from .plan import Fault
from .world import Slot, World, kill


class Faults:
    """Does the faults of a plan, each at its time.

    Args:
        world: What they hit.
        plan: The faults, in order.
    """

    def __init__(self, world: World, plan: Iterator[Fault]) -> None:
        self._world, self._plan = world, plan
        self.counts: Counter[str] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()
        self.errors: list[str] = []
        self._deploying = asyncio.Lock()

    async def run(self) -> None:
        """Do the faults until cancelled. Those under way come to their end in `settle`."""
        began = time.monotonic()
        for fault in self._plan:
            await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
            task = asyncio.create_task(self._do(fault))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def settle(self) -> None:
        """Wait until the faults under way are over."""
        await asyncio.gather(*self._under_way)

    async def _do(self, fault: Fault) -> None:
        world = self._world
        slot = world.slots[int(fault.where * len(world.slots))]
        self.counts[fault.kind] += 1
        journal.add(
            world.folder / "faults", kind=fault.kind, planned=fault.at, slot=slot.number, size=fault.size
        )
        try:
            await getattr(self, f"_{fault.kind.replace('-', '_')}")(slot, fault)
        except Exception as error:  # noqa: BLE001 - the soak goes on, and tells it
            self.errors.append(f"{fault}: {type(error).__name__}: {error}")

    async def _kill_worker(self, slot: Slot, _: Fault) -> None:
        await self._world.kill_worker(slot)

    async def _kill_all(self, *_: object) -> None:
        await asyncio.gather(*(self._world.kill_worker(slot) for slot in self._world.slots))

    async def _restart_worker(self, slot: Slot, _: Fault) -> None:
        await self._world.restart_worker(slot)

    async def _stop_worker(self, slot: Slot, fault: Fault) -> None:
        pid = slot.pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.5 + 4.5 * fault.size)
            os.kill(pid, signal.SIGCONT)

    async def _kill_mcp(self, _: Slot, fault: Fault) -> None:
        servers = await asyncio.to_thread(self._world.mcp_servers)
        if servers:
            with suppress(psutil.Error):
                kill(servers[int(fault.where * len(servers))].pid)

    async def _kill_reader(self, _: Slot, fault: Fault) -> None:
        await self._world.kill_reader(int(fault.where * len(self._world.readers)))

    async def _kill_server(self, *_: object) -> None:
        await self._world.kill_server()

    async def _delay(self, slot: Slot, fault: Fault) -> None:
        await slot.proxy.delay(0.02 + 0.4 * fault.size, 2.0)

    async def _cut(self, slot: Slot, _: Fault) -> None:
        slot.proxy.cut()

    async def _half(self, slot: Slot, fault: Fault) -> None:
        await slot.proxy.halve(0.5 + 4.5 * fault.size)

    async def _disk_full(self, _: Slot, fault: Fault) -> None:
        full = self._world.folder / "disk-full"
        full.touch()
        await asyncio.sleep(0.5 + 2.5 * fault.size)
        full.unlink(missing_ok=True)

    async def _clock(self, _: Slot, fault: Fault) -> None:
        """Set the clock of the second worker up to an hour ahead or back, and right again later."""
        clock = self._world.folder / "clock" / "clock"
        clock.write_text(f"{round((fault.size - 0.5) * 7200):+d}\n")
        await asyncio.sleep(1 + 8 * fault.where)
        clock.write_text("+0\n")

    async def _deploy(self, _: Slot, fault: Fault) -> None:
        """Roll the earlier build out, worker by worker, and this one again some seconds later."""
        async with self._deploying:
            for build in ("old", "new"):
                for slot in self._world.slots:
                    if slot.build != "clock":
                        slot.build = build
                        await self._world.restart_worker(slot)
                await asyncio.sleep(2 + 8 * fault.size)
