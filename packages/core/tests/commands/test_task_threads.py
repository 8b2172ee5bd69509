"""When a worker of `strands-temporal dev` may be replaced: in a pause between workflow tasks."""

import asyncio
import threading
import time

from strands_temporal._commands._task_threads import TaskThreads


async def test_a_worker_rests_when_its_tasks_have_ended() -> None:
    threads, go_on = TaskThreads(), threading.Event()
    await asyncio.wait_for(threads.rest(60), 10)  # there was none
    task = threads.submit(go_on.wait, 60)
    resting = asyncio.create_task(threads.rest(60))
    assert not (await asyncio.wait({resting}, timeout=0.1))[0]
    began = time.monotonic()
    go_on.set()
    assert await asyncio.wrap_future(task)
    await asyncio.wait_for(resting, 10)
    assert time.monotonic() - began >= 0.3  # another task often follows
    go_on.clear()
    threads.submit(go_on.wait, 60)
    await asyncio.wait_for(threads.rest(0.1), 10)  # it gives up
    go_on.set()
    threads.shutdown()
