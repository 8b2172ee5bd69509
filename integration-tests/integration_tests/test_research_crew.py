"""The example of a research crew: what a person sees, and workers that are killed before each step."""

import asyncio
import os
import signal
import sys
import uuid
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from examples.research_crew import client as example
from examples.research_crew.client import QUESTION
from examples.research_crew.worker import plugins, workers
from examples.research_crew.workflow import TASK_QUEUE, FactCheckerWorkflow, ResearchCrewWorkflow
from examples.support.scripted import scripted_model
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from integration_tests.crew_workers import AT_ONCE
from integration_tests.readme_runs import assert_as_shown, example_running, shown_by_readme
from strands_temporal.testing import DevServer, assert_replays

pytestmark = pytest.mark.server


async def its_child(client: Client, handle: "WorkflowHandle[Any, Any]") -> "WorkflowHandle[Any, Any]":
    """Return the one child workflow that a workflow started, with a check that it ended well."""
    history = await handle.fetch_history()
    (child,) = {
        event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
        for event in history.events
        if event.HasField("child_workflow_execution_started_event_attributes")
    }
    found: WorkflowHandle[Any, Any] = client.get_workflow_handle(child)
    assert (await found.describe()).status == WorkflowExecutionStatus.COMPLETED
    return found


async def test_a_person_sees_the_report_and_both_histories_replay(
    server: DevServer,
    worker_options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The example's workers and client in this process: the programs alone take seconds to start."""
    client = await Client.connect(server.address, plugins=plugins(scripted_model))
    monkeypatch.setattr(example, "ADDRESS", server.address)
    monkeypatch.setattr("examples.support.scripted._GAP", 0.001)
    workflow_id = uuid.uuid4()
    monkeypatch.setattr(example.uuid, "uuid4", lambda: workflow_id)
    crew_worker, checks_worker = workers(client, **worker_options)
    async with crew_worker, checks_worker:
        await example.main(QUESTION)
    assert_as_shown(capsys.readouterr().out, shown_by_readme("research_crew").client)
    crew: WorkflowHandle[Any, Any] = client.get_workflow_handle(f"{TASK_QUEUE}-{workflow_id}")
    await assert_replays(crew, [ResearchCrewWorkflow])
    await assert_replays(await its_child(client, crew), [FactCheckerWorkflow])


@pytest.mark.slow
async def test_the_programs_show_it_too(server: DevServer) -> None:
    async with example_running({"TEMPORAL_ADDRESS": server.address}, "research_crew") as (_, terminal):
        assert_as_shown(await terminal.rest(), shown_by_readme("research_crew").client)
        assert await terminal.exit_code() == 0


# --- A worker that dies -------------------------------------------------------------------------------------


async def worker_process(address: str, folder: Path) -> asyncio.subprocess.Process:
    """Start a process with the example's workers, which kills itself."""
    call = f"run_workers({address!r}, {str(folder)!r})"
    code = f"import asyncio, integration_tests.crew_workers as module; asyncio.run(module.{call})"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, env={**os.environ, **path})


@pytest.mark.slow
async def test_a_worker_killed_before_each_step_in_the_crew_and_in_the_child(
    server: DevServer, client: Client, tmp_path: Path
) -> None:
    """Each process dies as it begins the next step, in the crew and in the child; the last one finishes.

    A step is a model call or a tool call of any agent. Each is carried out once, by whichever process.
    """
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        ResearchCrewWorkflow.run,
        QUESTION,
        id=f"crew-{uuid.uuid4()}",
        task_queue=TASK_QUEUE,
        task_timeout=timedelta(seconds=1),
        execution_timeout=timedelta(minutes=9),
    )
    killed = 0
    while True:
        process = await worker_process(server.address, tmp_path)
        ended = asyncio.ensure_future(process.wait())
        result = asyncio.ensure_future(handle.result())
        try:
            await asyncio.wait({ended, result}, timeout=90, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                report = await asyncio.wait_for(result, 1)
                break
            assert ended.result() == -signal.SIGKILL
            killed += 1
        finally:
            result.cancel()
            if process.returncode is None:
                process.kill()
            await ended
    assert report.text.endswith("Venice brought coffee to Europe around 1615. (The library has all of it.)")
    child = await its_child(client, handle)
    done = Counter((tmp_path / "done").read_text().splitlines())
    assert set(done.values()) == {1}, "no step is done twice"
    assert len(done) == 12, "of the planner 1, of each researcher 3, of the writer 2, of the checker 3"
    assert sum(step.startswith(f"{child.id} ") for step in done) == 3
    assert killed == len(done) - len(AT_ONCE), "before each step but those of the researchers"
    await assert_replays(handle, [ResearchCrewWorkflow])
    await assert_replays(child, [FactCheckerWorkflow])
