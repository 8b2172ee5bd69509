"""Replays a history of a harness agent in this process, on another day. The day is the first argument."""

import asyncio
import datetime
import random
import sys
from pathlib import Path

from strands_harness.plugins import environment
from temporalio.client import WorkflowHistory

DAY = datetime.date.fromisoformat(sys.argv[1])


class _AnotherDay(datetime.date):
    @classmethod
    def today(cls) -> datetime.date:
        return DAY


if __name__ == "__main__":
    setattr(environment, "date", _AnotherDay)  # noqa: B010  # no public name
    random.seed(sys.argv[1])
    from packages.core.tests.upstream.harness_scenes import ComparingWorkflow

    from strands_temporal.testing import assert_replays

    history = WorkflowHistory.from_json("replayed", Path(sys.argv[2]).read_text())
    asyncio.run(assert_replays(history, [ComparingWorkflow]))
    sys.stdout.write("replayed\n")
