"""Named objects on the worker: their factories may be async or context managers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.storage_scenes import ReadWorkflow
from strands.memory import MemoryEntry
from strands.storage import InMemoryStorage
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal.workflow import TemporalMemoryStore

pytestmark = pytest.mark.server


@workflow.defn
class Remember:
    """Searches the memory store "notes"."""

    @workflow.run
    async def run(self) -> str:
        """Search."""
        return (await TemporalMemoryStore("notes").search("tea"))[0].content


class Service:
    """A service to which storages and memory stores connect. It is down at first."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.down = 1

    @asynccontextmanager
    async def storage(self) -> AsyncGenerator[InMemoryStorage]:
        """A factory that is a context manager."""
        self.seen.append("open")
        yield await self.connect()
        self.seen.append("closed")

    async def connect(self) -> InMemoryStorage:
        """An async factory."""
        if self.down:
            self.down -= 1
            raise ConnectionRefusedError("down")
        storage = InMemoryStorage()
        await storage.write("key", b"value")
        return storage

    @asynccontextmanager
    async def notes(self) -> AsyncGenerator[Any]:
        """A factory of memory stores."""
        yield Notes()
        self.seen.append("notes closed")

    @asynccontextmanager
    async def never(self) -> AsyncGenerator[InMemoryStorage]:
        """A factory with a mistake."""
        raise ValueError("no such region")
        yield InMemoryStorage()

    async def for_one(self) -> InMemoryStorage:
        """A factory that asks for the activity, though the storage serves all."""
        activity.heartbeat()
        return InMemoryStorage()

    @asynccontextmanager
    async def nothing(self) -> AsyncGenerator[str]:
        """A factory of something else."""
        yield "a text"


class Notes:
    """A memory store."""

    name = "notes"

    async def search(self, query: str, options: Any = None) -> list[MemoryEntry]:
        """Find."""
        return [MemoryEntry(content=f"green {query}")]


async def test_factories_that_connect_are_tried_again_and_closed_when_the_worker_ends(agents: Agents) -> None:
    service = Service()
    async with agents(
        workflows=[ReadWorkflow, Remember],
        storages={
            "managed": service.storage,
            "async": service.connect,
            "given": lambda: service.connect(),
            "never": service.never,
            "nothing": service.nothing,
            "for one": service.for_one,
            "for one too": lambda: activity.info().activity_id,
        },
        memory_stores={"notes": service.notes},
    ) as env:
        for name in ("managed", "managed", "async", "given"):
            assert await env.run(ReadWorkflow.run, name, "key") == "value"
        assert await env.run(Remember.run) == "green tea"
        for name, text in (
            ("never", "The factory of storage 'never' raised ValueError: no such region"),
            ("nothing", "The factory of storage 'nothing' returned 'a text', not a Storage"),
            ("for one", "serves all workflows of this worker, so no activity is its context"),
            ("for one too", "Leave activity.info() and the like out of the factory"),
        ):
            with pytest.raises(WorkflowFailureError) as failure:
                await env.run(ReadWorkflow.run, name, "key")
            assert isinstance(failure.value.cause, ApplicationError)
            assert failure.value.cause.type == "StorageFactoryFailed"
            assert text in failure.value.cause.message
        assert service.seen == ["open", "open"]  # the first one failed
    assert sorted(service.seen[2:]) == ["closed", "notes closed"]
