"""A resource that workers share opens before the first worker and closes after the last one."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from strands_temporal.extension import SharedLifetime

SOON = 10


class Resource:
    """Records its openings and closings; waits for its gate to open, and fails on demand."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.failures: list[Exception] = []
        self.opening = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.lifetime = SharedLifetime(self.open, self.close)
        self._busy = threading.Lock()

    async def open(self) -> None:
        assert self._busy.acquire(blocking=False), "two open or close at a time"
        try:
            self.opening.set()
            await asyncio.to_thread(self.gate.wait, SOON)
            if self.failures:
                raise self.failures.pop()
            self.log.append("open")
        finally:
            self._busy.release()

    async def close(self) -> None:
        assert self._busy.acquire(blocking=False), "two open or close at a time"
        await asyncio.sleep(0)
        self.log.append("close")
        self._busy.release()


async def test_it_opens_with_the_first_and_closes_with_the_last_as_often_as_they_come() -> None:
    resource = Resource()
    for times in (1, 2):
        await asyncio.gather(*(resource.lifetime.enter() for _ in range(3)))
        assert resource.log == ["open", "close"] * (times - 1) + ["open"]
        await resource.lifetime.leave()
        await resource.lifetime.leave()
        assert resource.log[-1] == "open"
        await resource.lifetime.leave()
        assert resource.log == ["open", "close"] * times


async def test_who_waits_for_one_that_fails_opens_itself() -> None:
    resource = Resource()
    resource.failures = [ValueError("down")]
    first, second = await asyncio.gather(
        resource.lifetime.enter(), resource.lifetime.enter(), return_exceptions=True
    )
    assert isinstance(first, ValueError)
    assert second is None
    assert resource.log == ["open"]
    await resource.lifetime.leave()
    assert resource.log == ["open", "close"]


@pytest.mark.parametrize("cancelled", [0, 1], ids=["who opens", "who waits"])
async def test_one_that_is_cancelled_holds_nobody_up_and_lets_nobody_pass(cancelled: int) -> None:
    resource = Resource()
    resource.gate.clear()
    entering = [asyncio.ensure_future(resource.lifetime.enter()) for _ in range(3)]
    await asyncio.to_thread(resource.opening.wait, SOON)
    entering[cancelled].cancel()
    await asyncio.wait([entering[cancelled]])
    assert entering[cancelled].cancelled()
    assert not entering[2].done()
    resource.gate.set()
    left = [one for one in entering if not one.cancelled()]
    await asyncio.wait_for(asyncio.gather(*left), SOON)
    assert resource.log == ["open"]
    for _ in left:
        await resource.lifetime.leave()
    assert resource.log == ["open", "close"]


async def test_who_is_cancelled_while_leaving_has_left() -> None:
    resource = Resource()
    await resource.lifetime.enter()
    async with resource.lifetime._turn():  # pyright: ignore[reportPrivateUsage]  # no public way to delay it
        leaving = asyncio.ensure_future(resource.lifetime.leave())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
    await resource.lifetime.enter()
    await resource.lifetime.leave()
    assert resource.log == ["open", "close"]


def test_event_loops_in_threads_share_it() -> None:
    """Users come and go on four loops. One at a time opens or closes it, and each finds it open."""
    resource = Resource()

    async def use() -> None:
        for _ in range(50):
            await resource.lifetime.enter()
            assert resource.log[-1] == "open"
            await asyncio.sleep(0)
            assert resource.log[-1] == "open"
            await resource.lifetime.leave()

    async def several() -> None:
        await asyncio.wait_for(asyncio.gather(use(), use()), SOON)

    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(asyncio.run, several()) for _ in range(4)]:
            future.result(2 * SOON)
    assert resource.log == ["open", "close"] * (len(resource.log) // 2)


def test_a_loop_that_waits_goes_on() -> None:
    """While one thread's loop opens it, another loop that waits for it can do other work."""
    resource = Resource()
    resource.gate.clear()

    async def wait_and_work() -> None:
        entering = asyncio.ensure_future(resource.lifetime.enter())
        await asyncio.sleep(0)
        assert not entering.done()
        resource.gate.set()  # this loop is not blocked
        await asyncio.wait_for(entering, SOON)

    with ThreadPoolExecutor(1) as threads:
        opened = threads.submit(asyncio.run, resource.lifetime.enter())
        assert resource.opening.wait(SOON)
        asyncio.run(wait_and_work())
        opened.result(SOON)
    assert resource.log == ["open"]
