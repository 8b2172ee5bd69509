"""Storages and session managers that would read a disk or S3 inside a workflow are refused when built."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.failures import failure_of
from strands import Agent
from strands.agent import AgentResult
from strands.memory import MemoryManager
from strands.session import FileSessionManager, S3SessionManager, SnapshotSessionManager
from strands.storage import LocalFileStorage, S3Storage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore
from strands.vended_plugins.context_offloader import ContextOffloader, FileStorage
from strands.vended_plugins.context_offloader import S3Storage as OffloaderS3Storage
from temporalio import workflow

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say

pytestmark = pytest.mark.server


def made(kind: str, folder: str) -> dict[str, Any]:
    """Return the arguments of an agent that would do I/O in a workflow."""
    files, s3 = LocalFileStorage(folder), S3Storage("bucket", region_name="us-west-2")
    if kind == "file session":
        return {"session_manager": FileSessionManager("s", storage_dir=folder)}
    if kind == "s3 session":
        return {"session_manager": S3SessionManager("s", "bucket", region_name="us-west-2")}
    if kind == "session on files":
        return {"session_manager": SnapshotSessionManager("s", storage=files)}
    if kind == "session on nothing":
        return {"session_manager": SnapshotSessionManager("s")}
    if kind == "session on s3":
        return {"session_manager": SnapshotSessionManager("s", storage=s3)}
    if kind == "storage":
        return {"storage": files}
    if kind == "namespace":
        return {"storage": s3.namespace("team")}
    if kind == "offloader":
        return {"plugins": [ContextOffloader(storage=files)]}
    if kind == "old offloader":
        return {"plugins": [ContextOffloader(storage=FileStorage(folder))]}
    if kind == "old s3 offloader":
        return {"plugins": [ContextOffloader(storage=OffloaderS3Storage("bucket", region_name="us-west-2"))]}
    if kind == "stash":
        return {"context_manager": {"stash": {"storage": files}}}
    return {"memory_manager": MemoryManager(stores=[FileMemoryStore(name="notes", storage=files)])}


REFUSED = {
    "file session": "FileSessionManager",
    "s3 session": "S3SessionManager",
    "session on files": "LocalFileStorage",
    "session on nothing": "LocalFileStorage",
    "session on s3": "S3Storage",
    "storage": "LocalFileStorage",
    "namespace": "S3Storage",
    "offloader": "LocalFileStorage",
    "old offloader": "FileStorage",
    "old s3 offloader": "S3Storage",
    "memory": "LocalFileStorage",
}


@workflow.defn
class RefusedWorkflow:
    """Builds an agent that cannot work, and calls it if it is a plain one."""

    @workflow.run
    async def run(self, kind: str, folder: str, plain: bool) -> str:
        if not plain:
            TemporalAgent("m", callback_handler=None, **made(kind, folder))
            return "built"
        result: AgentResult = await Agent(
            TemporalModel("m"), callback_handler=None, **made(kind, folder)
        ).invoke_async("go")
        return str(result)


@workflow.defn
class RefusedInInitWorkflow:
    @workflow.init
    def __init__(self, folder: str) -> None:
        self.agent = TemporalAgent("m", session_manager=FileSessionManager("s", storage_dir=folder))

    @workflow.run
    async def run(self, folder: str) -> None: ...


@workflow.defn
class DirectWorkflow:
    @workflow.run
    async def run(self, folder: str, operation: str) -> None:
        storage = LocalFileStorage(folder)
        await getattr(storage, operation)(*(("key", b"data") if operation == "write" else ("key",)))


async def test_each_is_refused_and_nothing_is_written(agents: Agents, tmp_path: Path) -> None:
    folder = str(tmp_path / "agents-files")
    async with agents(
        workflows=[RefusedWorkflow, RefusedInInitWorkflow, DirectWorkflow],
        models={"m": lambda: ScriptedModel(say("never"))},
    ) as env:
        for kind, name in REFUSED.items():
            for plain in (False, True):
                failure = await failure_of(env, RefusedWorkflow.run, kind, folder, plain)
                assert failure.type == "AgentTypeError", (kind, plain)
                text = failure.message
                assert f"{name} would do its I/O inside the workflow" in text
                assert "TemporalStorage('name')" in text
                assert (
                    f"StrandsPlugin(storages={{'name': lambda: {'S3' if 'S3' in name else 'LocalFile'}"
                    in text
                )
                assert ("SnapshotSessionManager(session_id" in text) == ("SessionManager" in name)
        assert "FileSessionManager" in (await failure_of(env, RefusedInInitWorkflow.run, folder)).message
        for operation in ("write", "read", "delete", "list", "search"):
            failure = await failure_of(env, DirectWorkflow.run, folder, operation)
            assert "LocalFileStorage would do its I/O" in failure.message
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240  # a test's folder
