"""The workers of the research crew's example, in a process that is killed as it begins a step."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from examples.research_crew.worker import plugins, workers
from examples.support.scripted import scripted_model
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

AT_ONCE = range(1, 7)
"""Number of steps that are done when the two researchers work at once: three steps each."""


class Watched(Interceptor):
    """Notes each step that is done, and kills this process at the first attempt of each step.

    A step is an activity, of whichever workflow. The listing of a server's tools is none. While the
    researchers work at once, the process lives: a step of one might be done, and not yet reported.
    """

    def __init__(self, folder: Path) -> None:
        self._done, self._begun = Lines(folder / "done"), Lines(folder / "begun")

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See base class."""
        return _WatchedActivity(next, self._done, self._begun)


class Lines:
    """The lines of a file, which outlive the process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, line: str) -> None:
        """Add a line."""
        with self._file.open("a") as file:
            file.write(f"{line}\n")

    def all(self) -> list[str]:
        """Return all lines."""
        return self._file.read_text().splitlines() if self._file.exists() else []


class _WatchedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, done: Lines, begun: Lines) -> None:
        super().__init__(next)
        self._done, self._begun = done, begun

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Kill the process, or do the step and note it."""
        info = activity.info()
        if info.activity_type.endswith("list-tools"):
            return await self.next.execute_activity(input)
        step = f"{info.workflow_id} {info.activity_type} {info.activity_id}"
        if step not in self._begun.all() and len(self._done.all()) not in AT_ONCE:
            self._begun.add(step)
            os.kill(os.getpid(), signal.SIGKILL)
        value = await self.next.execute_activity(input)
        self._done.add(step)
        return value


async def run_workers(address: str, folder: str) -> None:
    """Run the example's workers until the process dies."""
    client = await Client.connect(address, plugins=plugins(scripted_model))
    watched = Watched(Path(folder))
    await asyncio.gather(*(worker.run() for worker in workers(client, interceptors=[watched])))
