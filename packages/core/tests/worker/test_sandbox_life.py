"""The life of a sandbox: one per chain of runs, kept, lost, ended; and the end of its commands."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.worker.sandbox_scenes import (
    Directories,
    DirectorySandbox,
    Operations,
    SandboxedAgent,
)
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from strands_temporal import SandboxChain, SandboxFactory, StrandsPlugin
from strands_temporal._worker import sandbox_pool
from strands_temporal.testing import DevServer, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[4]
WAIT = 30.0
QUICK = {"heartbeat_timeout": 1.5}  # of the activities: how soon a dead worker is noticed


async def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds. For what other processes do: nobody tells of it."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.05)


async def result_number(handle: "WorkflowHandle[Any, Any]", number: int) -> Any:
    """Wait for a result of `Operations`, and return it."""
    end = time.monotonic() + WAIT
    while len(results := await handle.query(Operations.results)) <= number:
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.05)
    return results[number]


def sh(command: str) -> list[Any]:
    """A step of `Operations`."""
    return ["execute", {"command": command}]


async def test_a_chain_of_runs_has_a_sandbox_of_its_own_which_ends_with_it(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_pool, "LOOK_AFTER", 0.2)
    factory = Directories(tmp_path)
    async with agents(workflows=[Operations], plugins=[StrandsPlugin(sandboxes={"box": factory})]) as env:
        steps = [sh("echo mine > file"), ["continue_as_new", {}], sh("cat file"), sh("ls | wc -l")]
        first = await env.start(Operations.run, steps)
        other = await env.start(Operations.run, [sh("ls | wc -l")])
        assert [result["stdout"].strip() for result in await first.result()] == ["mine", "1"]
        assert [result["stdout"].strip() for result in await other.result()] == ["0"]
        await until(lambda: len(factory.ended) == 2)
        for handle in (first, other):
            await env.assert_replays(handle)
    assert factory.left == 0
    chains = {chain.workflow_id: chain for chain in factory.made}
    assert sorted(chains) == sorted([first.id, other.id])
    assert len(factory.made) == 2
    assert chains[first.id].first_run_id == chains[first.id].run_id == first.first_execution_run_id
    assert chains[first.id].identity == ""


@pytest.mark.slow  # without the cache, queries may cost it 10 s, and the sandbox is idle meanwhile
async def test_an_idle_sandbox_ends_and_is_lost_until_the_workflow_accepts_a_new_one(
    agents: Agents, tmp_path: Path
) -> None:
    directories = Directories(tmp_path)
    factory = SandboxFactory(directories, idle_timeout=timedelta(seconds=2.5))
    async with agents(workflows=[Operations], plugins=[StrandsPlugin(sandboxes={"box": factory})]) as env:
        steps = [sh("echo mine > file"), sh("sleep 3; cat file"), sh("cat file"), ["close", {}], sh("ls")]
        handle = await env.start(Operations.run, steps, None, True)
        await result_number(handle, 0)
        await handle.signal(Operations.next)  # in use for longer than the idle time
        assert (await result_number(handle, 1))["stdout"] == "mine\n"
        await until(lambda: directories.ended)
        for _ in range(3):
            await handle.signal(Operations.next)
        lost, closed, anew = (await handle.result())[2:]
        await env.assert_replays(handle)
    assert lost["error"] == "SandboxLostError"
    assert "'box' of this workflow is lost" in lost["text"]
    assert "idle for 0:00:02.5" in lost["text"]
    assert closed is None
    assert anew["stdout"] == ""


async def test_the_next_run_of_a_chain_learns_of_a_loss_too(agents: Agents, tmp_path: Path) -> None:
    factory = SandboxFactory(Directories(tmp_path), idle_timeout=timedelta(seconds=0.3))
    steps = [sh("echo mine > file"), ["continue_as_new", {}], ["sleep", {"seconds": 1.5}], sh("ls")]
    async with agents(workflows=[Operations], plugins=[StrandsPlugin(sandboxes={"box": factory})]) as env:
        (lost,) = await env.run(Operations.run, steps)
    assert lost["error"] == "SandboxLostError"


async def test_a_sandbox_that_outlives_its_worker_is_found_again_by_its_identity(
    agents: Agents, tmp_path: Path
) -> None:
    told: list[SandboxChain] = []

    async def connect(chain: SandboxChain) -> DirectorySandbox:
        told.append(chain)
        return DirectorySandbox(str(tmp_path))

    async def place(sandbox: DirectorySandbox) -> str:
        return f"directory {sandbox.directory}"

    queue = f"outlives-{os.getpid()}"
    factories: list[Any] = [
        SandboxFactory(connect, identity=place),
        SandboxFactory(connect, identity=place),
        SandboxFactory(connect, identity="another directory"),
        connect,
    ]
    steps = [sh("echo mine > file"), *[sh("cat file")] * 3]
    results: list[Any] = []
    for number, factory in enumerate(factories):
        plugins = [StrandsPlugin(sandboxes={"box": factory})]
        async with agents(workflows=[Operations], plugins=plugins, task_queue=queue) as env:
            if number == 0:
                handle = await env.start(Operations.run, steps, None, True, id=queue)
            else:
                handle = env.client.get_workflow_handle(queue)
                await handle.signal(Operations.next)
            await result_number(handle, number)
            if number == len(factories) - 1:
                results = await handle.result()
                await env.assert_replays(handle)
    _, found, other, fresh = results
    assert found["stdout"] == "mine\n"
    assert (other["error"], fresh["error"]) == ("SandboxLostError", "SandboxLostError")
    assert [chain.identity for chain in told] == ["", *[f"directory {tmp_path}"] * 3]
    assert {chain.workflow_id for chain in told} == {queue}


@pytest.mark.parametrize("rerun", [False, True])
async def test_a_command_that_a_shutdown_cut_short_runs_again_only_on_demand(
    agents: Agents, tmp_path: Path, rerun: bool
) -> None:
    log, queue = tmp_path / "log", f"shutdown-{rerun}-{os.getpid()}"
    command = f"echo $$ >> {log}; [ $(wc -l < {log}) -gt 1 ] || exec sleep 60"
    plugins = [StrandsPlugin(sandboxes={"box": NotASandboxLocalEnvironment})]
    options = {**QUICK, "rerun_commands": rerun}
    async with agents(workflows=[Operations], plugins=plugins, task_queue=queue) as env:
        handle = await env.start(Operations.run, [sh(command), sh(f"wc -l < {log}")], options)
        await until(lambda: log.exists() and log.read_text().endswith("\n"))
    first = int(log.read_text())
    await until(lambda: not is_alive(first))
    async with agents(workflows=[Operations], plugins=plugins, task_queue=queue) as env:
        result, lines = await handle.result()
        await env.assert_replays(handle)
    if rerun:
        assert (result["exit_code"], lines["stdout"].strip()) == (0, "2")
    else:
        assert (result["error"], lines["stdout"].strip()) == ("SandboxInterruptedError", "1")


@contextlib.asynccontextmanager
async def worker_process(server: DevServer, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A worker in a process of its own."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "packages.core.tests.worker.sandbox_worker",
        server.address,
        *arguments,
        cwd=ROOT,
    )
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "own"])
async def test_a_command_whose_worker_is_killed_is_not_run_again_and_a_lost_sandbox_is_told(
    agents: Agents, server: DevServer, client: Client, tmp_path: Path, kind: str
) -> None:
    log, queue = tmp_path / "log", f"killed-{kind}-{os.getpid()}"
    todo = [
        sh(f"echo $$ >> {log}; touch {tmp_path}/begun; exec sleep 60"),
        sh(f"cat {log}"),
        ["close", {}],
        sh(f"wc -l < {log}"),
    ]
    factory = NotASandboxLocalEnvironment if kind == "local" else Directories(tmp_path)
    plugins = [StrandsPlugin(sandboxes={"box": factory})]
    async with worker_process(server, queue, kind, str(tmp_path)) as worker:
        handle = await client.start_workflow(
            Operations.run,
            args=[todo, QUICK],
            id=queue,
            task_queue=queue,
            execution_timeout=timedelta(seconds=4 * WAIT),
        )
        await until((tmp_path / "begun").exists)
        worker.kill()
        await worker.wait()
    process = int(log.read_text())
    try:
        async with agents(workflows=[Operations], plugins=plugins, task_queue=queue) as env:
            cut, after, _, anew = await asyncio.wait_for(handle.result(), 2 * WAIT)
            await env.assert_replays(env.client.get_workflow_handle(handle.id))
    finally:
        os.kill(process, 9)
    if kind == "local":
        assert cut["error"] == "SandboxInterruptedError"
        assert "It may have run in part" in cut["text"]
        assert after["stdout"] == f"{process}\n"
    else:
        assert cut["error"] == after["error"] == "SandboxLostError"
    assert anew["stdout"].strip() == "1"


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


async def test_a_cancelled_workflow_ends_the_process_of_its_command(agents: Agents, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    plugins = [StrandsPlugin(sandboxes={"box": NotASandboxLocalEnvironment})]
    async with agents(workflows=[Operations], plugins=plugins) as env:
        step = sh(f"echo $$ > {begun}.part; mv {begun}.part {begun}; exec sleep 60")
        handle = await env.start(Operations.run, [step], QUICK)
        await until(begun.exists)
        process = int(begun.read_text())
        assert is_alive(process)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)
        await until(lambda: not is_alive(process))
        await env.assert_replays(handle)


@pytest.mark.parametrize("kind", ["temporal", "plain"])
async def test_a_cancelled_agent_ends_the_process_of_its_tool(
    agents: Agents, tmp_path: Path, kind: str
) -> None:
    begun = tmp_path / "begun"
    command = f"echo $$ > {begun}.part; mv {begun}.part {begun}; exec sleep 60"
    model = ScriptedModel(use_tool("shell", {"command": command}), say("never"))
    plugins = [StrandsPlugin(models={"m": lambda: model}, sandboxes={"box": NotASandboxLocalEnvironment})]
    async with agents(workflows=[SandboxedAgent], plugins=plugins) as env:
        handle = await env.start(SandboxedAgent.run, kind, ["shell"])
        await until(begun.exists)
        process = int(begun.read_text())
        await handle.signal(SandboxedAgent.cancel)
        assert (await handle.result())["stop"] == "cancelled"
        await until(lambda: not is_alive(process))
        await env.assert_replays(handle)
