"""Workflows and storages for the tests of `TemporalStorage`."""

import asyncio
from typing import Any

from strands.storage import InMemoryStorage
from strands.types.exceptions import StorageError
from temporalio import workflow

from strands_temporal.workflow import TemporalStorage

ODD_BYTES = bytes(range(256)) * 3
TEXT = 'a "text"\nwith \u00e9 and \0'.encode()


class CountingStorage(InMemoryStorage):
    """A storage in memory that writes down its operations."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    async def write(self, key: str, data: bytes) -> None:
        self.operations.append(f"write {key}")
        await super().write(key, data)

    async def read(self, key: str) -> bytes | None:
        self.operations.append(f"read {key}")
        return await super().read(key)


class FailingStorage(InMemoryStorage):
    """A storage whose service is down for the first `failures` operations."""

    def __init__(self, failures: int, error: Exception) -> None:
        super().__init__()
        self.failures = failures
        self.error = error
        self.calls = 0

    async def read(self, key: str) -> bytes | None:
        self.calls += 1
        if self.calls <= self.failures:
            raise StorageError(f"Failed to read '{key}'") from self.error
        return await super().read(key)


class SlowFirstWrite(InMemoryStorage):
    """A storage whose first write takes longest."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    async def write(self, key: str, data: bytes) -> None:
        self.writes += 1
        if self.writes == 1:
            await asyncio.sleep(0.3)
        await super().write(key, data)


@workflow.defn
class EveryOperationWorkflow:
    """Does each operation, and returns what it saw."""

    @workflow.run
    async def run(self) -> list[Any]:
        storage = TemporalStorage("files")
        await storage.write("a/odd", ODD_BYTES)
        await storage.write("/a//text", TEXT)
        await storage.write("b/empty", b"")
        seen: list[Any] = [
            await storage.read("a/odd") == ODD_BYTES,
            await storage.read("a/text") == TEXT,
            await storage.read("b/empty") == b"",
            await storage.read("none"),
            await storage.list(""),
            await storage.list("a/"),
        ]
        await storage.delete("b/empty")
        await storage.delete("b/empty")
        seen.append(await storage.list("b"))
        scoped = storage.namespace("team").namespace("x")
        await scoped.write("memo", b"the parrot is green")
        seen += [
            await storage.list("team"),
            await scoped.list(""),
            [(hit.key, hit.score, hit.data) for hit in await scoped.search("a green parrot, memo")],
        ]
        try:
            await storage.read("../secret")
        except StorageError as error:
            seen.append(str(error))
        return [value.decode() if isinstance(value, bytes) else value for value in seen]


@workflow.defn
class ReadWorkflow:
    """Reads one key."""

    @workflow.run
    async def run(self, storage: str, key: str) -> str:
        data = await TemporalStorage(storage).read(key)
        return "nothing" if data is None else data.decode()


@workflow.defn
class LargeValueWorkflow:
    """Writes and reads large values, and lists many keys."""

    @workflow.run
    async def run(self, size: int, keys: int) -> list[Any]:
        storage = TemporalStorage("files")
        value = bytes(range(256)) * (size // 256)
        await storage.write("large", value)
        same = await storage.read("large") == value
        found = await storage.list(f"{'k' * 500}-")
        refused: list[str] = []
        for operation in (
            storage.write("larger", b"x" * (8 * 1024 * 1024 + 1)),
            storage.read("too large"),
        ):
            try:
                await operation
            except StorageError as error:  # noqa: PERF203  # a try for each
                refused.append(str(error))
        return [same, len(found), found == sorted(found), *refused]


@workflow.defn
class TwoWritesWorkflow:
    """Starts two writes to one key at once."""

    @workflow.run
    async def run(self) -> str:
        storage = TemporalStorage("files")
        await asyncio.gather(storage.write("key", b"first"), storage.write("key", b"second"))
        return (await storage.read("key") or b"").decode()
