"""`TemporalStorage`: each operation is one activity, with bytes, errors and sizes of any kind."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.storage_scenes import (
    CountingStorage,
    EveryOperationWorkflow,
    FailingStorage,
    LargeValueWorkflow,
    ReadWorkflow,
    SlowFirstWrite,
    TwoWritesWorkflow,
)
from strands.storage import InMemoryStorage, LocalFileStorage, Storage
from strands.types.exceptions import StorageError
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, AgentValueError, StrandsPlugin
from strands_temporal.workflow import TemporalStorage

server = pytest.mark.server
EVERY_OPERATION: list[Any] = [
    True,
    True,
    True,
    None,
    ["a/odd", "a/text", "b/empty"],
    ["a/odd", "a/text"],
    [],
    ["team/x/memo"],
    ["memo"],
    [["memo", 3, "the parrot is green"]],
    "Invalid storage key '../secret': '..' path segments are not allowed",
]


def test_a_handle_is_a_storage_of_strands() -> None:
    storage = TemporalStorage("files").namespace("a/").namespace("b")
    assert isinstance(storage, Storage)
    assert repr(storage) == "TemporalStorage('files').namespace('a/').namespace('b')"
    with pytest.raises(StorageError, match="backslashes are not allowed"):
        storage.namespace("a\\b")


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (3, AgentTypeError, r"the name 3 is not a string. Give a name in StrandsPlugin\(storages=...\)"),
        ("", AgentValueError, "the name is empty"),
    ],
)
def test_a_bad_name_is_refused(name: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        TemporalStorage(name)


def test_a_bad_option_is_refused() -> None:
    bad: Any = {"start_to_close_timout": None}
    with pytest.raises(AgentTypeError, match=r"TemporalStorage\('files'\): unknown option .* Did you mean"):
        TemporalStorage("files", **bad)


@pytest.mark.parametrize(
    ("storages", "text"),
    [(["files"], "storages=.*is not a mapping"), ({"files": LocalFileStorage()}, "cannot be called")],
)
def test_bad_factories_are_refused(storages: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        StrandsPlugin(storages=storages)


@server
@pytest.mark.parametrize("kind", ["memory", "files"])
async def test_every_operation_does_as_the_storage_does(agents: Agents, tmp_path: Path, kind: str) -> None:
    storages = {"files": InMemoryStorage if kind == "memory" else lambda: LocalFileStorage(str(tmp_path))}
    async with agents(workflows=[EveryOperationWorkflow], storages=storages) as env:
        seen = await env.run(EveryOperationWorkflow.run)
        history = await env.handles[0].fetch_history()
    assert seen == EVERY_OPERATION
    types = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert len(types) == 17
    assert types[:4] == ["write_storage", "write_storage", "write_storage", "read_storage"]


@server
async def test_a_replay_does_not_touch_the_storage(agents: Agents) -> None:
    storage = CountingStorage()
    async with agents(
        workflows=[ReadWorkflow], storages={"files": lambda: storage}, max_cached_workflows=0
    ) as env:
        await storage.write("key", b"old")
        handle = await env.start(ReadWorkflow.run, "files", "key")
        assert await handle.result() == "old"
        await storage.write("key", b"new")
        await env.assert_replays(handle)
    assert storage.operations == ["write key", "read key", "write key"]


@server
async def test_a_service_that_is_down_is_tried_again(agents: Agents) -> None:
    storage = FailingStorage(2, ConnectionError("down"))
    async with agents(workflows=[ReadWorkflow], storages={"files": lambda: storage}) as env:
        assert await env.run(ReadWorkflow.run, "files", "key") == "nothing"
    assert storage.calls == 3


@server
@pytest.mark.parametrize(
    ("storage", "key", "type_", "text"),
    [
        (InMemoryStorage(), "..", "StorageError", r"Invalid storage key '\.\.'"),
        (FailingStorage(99, PermissionError("no")), "key", "StorageError", "Failed to read 'key'"),
        (None, "key", "ValueError", r"Unknown storage 'files'.*Known: \['other'\]"),
        ("broken", "key", "StorageFactoryFailed", "The factory of storage 'files' raised ZeroDivisionError"),
        (object(), "key", "StorageFactoryFailed", "returned <object.*not a Storage"),
    ],
    ids=["key", "permission", "unknown", "factory", "no storage"],
)
async def test_an_error_that_stays_ends_the_run_at_once(
    agents: Agents, storage: Any, key: str, type_: str, text: str
) -> None:
    def make() -> Any:
        return 1 / 0 if storage == "broken" else storage

    storages = {"other": InMemoryStorage} if storage is None else {"files": make}
    async with agents(workflows=[ReadWorkflow], storages=storages) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(ReadWorkflow.run, "files", key)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == type_
    with pytest.raises(ApplicationError, match=text):
        raise cause


@server
async def test_large_values_go_in_parts_and_leave_no_trace_when_written(agents: Agents) -> None:
    storage = InMemoryStorage()
    size, keys = 3 * 1024 * 1024, 5000
    for number in range(keys):
        await storage.write(f"{'k' * 500}-{number}", b"")
    await storage.write("too large", bytes(9 * 1024 * 1024))
    async with agents(workflows=[LargeValueWorkflow], storages={"files": lambda: storage}) as env:
        same, found, ordered, refused, too_large = await env.run(LargeValueWorkflow.run, size, keys)
        history = await env.handles[0].fetch_history()
    assert (same, found, ordered) == (True, keys, True)
    assert "its 8,388,609 bytes are too large" in refused
    assert "its 9,437,184 bytes are too large" in too_large
    inputs = sum(event.activity_task_scheduled_event_attributes.input.ByteSize() for event in history.events)
    assert inputs < 10_000


@server
async def test_two_writes_to_a_key_keep_their_order(agents: Agents) -> None:
    storage = SlowFirstWrite()
    async with agents(workflows=[TwoWritesWorkflow], storages={"files": lambda: storage}) as env:
        assert await env.run(TwoWritesWorkflow.run) == "second"
