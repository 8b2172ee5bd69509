"""The set-up of an agent may wait: what that relies on in Strands, and how a stopped coroutine goes on."""

import ast
import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from strands import Agent, Sandbox
from strands.plugins import _discovery
from strands.session import snapshot_session_manager
from strands.storage import InMemoryStorage, LocalFileStorage, S3Storage, local_file_storage, s3_storage
from strands.vended_plugins.context_offloader import ContextOffloader
from strands.vended_plugins.context_offloader import FileStorage as OffloadersFiles

from strands_temporal import SynchronousCallError
from strands_temporal._upstream import local_io, private_api
from strands_temporal._upstream.deferred import SAVE_CALLS, SETUP_CALLS
from strands_temporal._upstream.sync_calls import may_wait, run_until_wait
from strands_temporal.testing import ScriptedModel, say


def callers_of(module: Any, name: str) -> dict[str, set[str]]:
    """Return the functions of a module that call `name`, with their parameters."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            calls = {
                c.func.id for c in ast.walk(node) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)
            }
            if name in calls:
                found[node.name] = {arg.arg for arg in node.args.args}
    return found


def test_strands_sets_up_and_saves_where_we_know() -> None:
    calls = {**callers_of(_discovery, "run_async"), **callers_of(snapshot_session_manager, "run_async")}
    known = {**SETUP_CALLS, **SAVE_CALLS}
    assert calls.keys() == known.keys()
    assert all(known[name] in parameters for name, parameters in calls.items())


@pytest.mark.parametrize("module", [local_file_storage, s3_storage])
def test_each_operation_of_a_storage_normalizes_its_key(module: Any) -> None:
    callers = {*callers_of(module, "_normalize_key"), *callers_of(module, "_normalize_prefix")}
    assert callers - {"__init__", "namespace"} == local_io.OPERATIONS


def test_a_marked_storage_gets_no_prefix_from_strands() -> None:
    storage: Any = InMemoryStorage()
    private_api.mark_namespaced(storage)
    resolve: Callable[[Any], Any] = snapshot_session_manager._resolve_storage  # pyright: ignore[reportPrivateUsage]
    assert resolve(storage) is storage
    assert resolve(InMemoryStorage()) is not storage


async def test_a_step_runs_before_each_turn_and_answers_are_given_after_it() -> None:
    agent = Agent(ScriptedModel(say("one"), say("two")), callback_handler=None)
    steps: list[int] = []

    async def step() -> bool:
        steps.append(len(agent.messages))
        return not steps[1:]

    private_api.run_before_turns(agent, step)
    for prompt in ("a", "b"):
        await agent.invoke_async(prompt)
    assert steps == [0, 2]


# --- Stopped coroutines


async def wait_twice(seen: list[str]) -> str:
    seen.append("begun")
    await may_wait("an activity")
    seen.append("goes on")
    await asyncio.sleep(0)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        seen.append("cancelled")
        raise
    return "never"


async def test_a_coroutine_stops_where_it_would_wait_and_goes_on_in_a_task() -> None:
    seen: list[str] = []
    rest = run_until_wait(wait_twice(seen))
    assert rest is not None
    assert seen == ["begun"]
    task = asyncio.create_task(rest.resume())
    for _ in range(5):
        await asyncio.sleep(0)
    assert seen == ["begun", "goes on"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["begun", "goes on", "cancelled"]


async def test_a_coroutine_that_waits_for_its_own_tasks_stops_and_goes_on() -> None:
    async def part(number: int) -> int:
        await may_wait("an activity")
        await asyncio.sleep(0)
        return number

    async def whole() -> list[int]:
        return [*await asyncio.gather(part(1), part(2))]

    rest = run_until_wait(whole())
    assert rest is not None
    await asyncio.sleep(0)
    assert await rest.resume() == [1, 2]


def test_a_coroutine_that_never_waits_ends_at_once() -> None:
    seen: list[int] = []

    async def whole() -> None:
        seen.append(1)

    assert run_until_wait(whole()) is None
    assert seen == [1]


def test_without_a_task_only_an_activity_may_wait() -> None:
    class Later:
        def __await__(self) -> Any:
            yield self

    async def whole() -> None:
        await Later()

    with pytest.raises(SynchronousCallError, match="cannot wait for something that takes time"):
        run_until_wait(whole())


async def test_a_stopped_coroutine_that_raises_raises_from_its_rest() -> None:
    async def whole() -> None:
        await may_wait("an activity")
        raise ValueError("no")

    rest = run_until_wait(whole())
    assert rest is not None
    with pytest.raises(ValueError, match="no"):
        await rest.resume()


# --- Storages in an agent


class OwnSandbox(Sandbox):
    """A sandbox of the user's own."""

    execute_streaming: Any = None
    execute_code_streaming: Any = None
    read_file: Any = None
    write_file: Any = None
    remove_file: Any = None
    list_files: Any = None


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, None),
        ({"storage": InMemoryStorage()}, None),
        ({"storage": LocalFileStorage()}, "LocalFileStorage"),
        ({"storage": LocalFileStorage(sandbox=OwnSandbox())}, None),
        ({"storage": S3Storage("bucket")}, "S3Storage"),
        ({"plugins": [ContextOffloader(storage=LocalFileStorage())]}, "LocalFileStorage"),
        ({"plugins": [ContextOffloader(storage=LocalFileStorage())], "sandbox": OwnSandbox()}, None),
        ({"plugins": [ContextOffloader(storage=OffloadersFiles())]}, "FileStorage"),
        ({"plugins": [ContextOffloader(storage=OffloadersFiles())], "sandbox": OwnSandbox()}, None),
        ({"plugins": [ContextOffloader()], "storage": S3Storage("bucket").namespace("a")}, "S3Storage"),
    ],
)
def test_a_storage_that_does_io_is_found_in_an_agent(arguments: Any, found: str | None) -> None:
    agent = Agent(ScriptedModel(), callback_handler=None, **arguments)
    assert local_io.forbidden_storage(agent) == found
