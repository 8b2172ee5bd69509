"""Tells a publisher whether somebody reads its stream, so that it sends less often while nobody does.

The workflow's process knows: each reader asks it. A publisher in another process than the workflow's does not
know, and takes it that somebody reads.
"""

import asyncio

from strands_temporal.extension import RunReads, reads_of_run

from ._log import READS


class Readers:
    """The readers of a run's stream.

    Args:
        run_id: Id of the run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._expected_of: RunReads | None = None
        self._count = 0

    def expect(self) -> None:
        """From now on, look out for who reads what is sent now."""
        self._expected_of = reads_of_run(self._run_id)
        self._count = self._expected_of.count(*READS) if self._expected_of else 0

    def have_read(self) -> bool:
        """Tell whether somebody has read since, as far as this process knows."""
        reads = self._expected_of
        return reads is None or reads.count(*READS) != self._count

    async def wait(self, seconds: float, urgent: asyncio.Event) -> None:
        """Wait until somebody has read, `urgent` is set, or the time is over."""
        reads = self._expected_of
        if reads is None or seconds <= 0:
            return
        loop, read = asyncio.get_running_loop(), asyncio.Event()
        end = reads.listen(lambda: loop.call_soon_threadsafe(self._look, read))
        self._look(read)
        waits = [asyncio.ensure_future(event.wait()) for event in (read, urgent)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end()
            for wait in waits:
                wait.cancel()

    def _look(self, read: asyncio.Event) -> None:
        if self.have_read():
            read.set()
