"""A worker without `StrandsPlugin`: one sentence says what to add."""

import importlib
import traceback
import uuid
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from strands_temporal import MissingPluginError, StrandsPlugin, TemporalAgent
from strands_temporal._upstream.no_plugin import explain_missing_plugin
from strands_temporal.testing import ScriptedModel, assert_replays, say

WHAT_TO_ADD = (
    r"Workflow 'Hello' \(without_plugin\w*\) uses strands_temporal, and this worker has no StrandsPlugin\. "
    r"Add it to the Client or to the Worker: plugins=\[StrandsPlugin\(.*\)\] "
    r"\[ST101: docs/messages\.md#st101\]"
)

FILE = """
{imports}
from temporalio import workflow


@workflow.defn
class Hello:
    @workflow.run
    async def run(self) -> None: ...
"""


@pytest.mark.server
@pytest.mark.parametrize(
    "imports",
    [
        "from strands_temporal import TemporalAgent",
        "from strands import Agent, tool\nfrom strands_temporal import TemporalAgent",
        "from strands_temporal_mcp import TemporalMCPClient",
    ],
    ids=["alone", "strands-first", "sibling"],
)
async def test_the_missing_plugin_is_named_in_a_few_lines(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: str
) -> None:
    name = f"without_plugin{abs(hash(imports))}"
    (tmp_path / f"{name}.py").write_text(FILE.format(imports=imports))
    monkeypatch.syspath_prepend(str(tmp_path))
    hello = importlib.import_module(name).Hello
    with pytest.raises(RuntimeError, match="Failed validating workflow Hello") as failure:
        Worker(client, task_queue="none", workflows=[hello])
    with pytest.raises(MissingPluginError, match=WHAT_TO_ADD):
        raise failure.value.__cause__ or failure.value
    assert len("".join(traceback.format_exception(failure.value)).splitlines()) < 40
    Worker(client, task_queue=name, workflows=[hello], plugins=[StrandsPlugin()])  # loads with it


@pytest.mark.server
async def test_another_fault_of_a_file_stays_what_it_is(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty.py").write_text(FILE.format(imports="import random\nLUCK = random.random()"))
    monkeypatch.syspath_prepend(str(tmp_path))
    faulty = importlib.import_module("faulty").Hello
    with pytest.raises(RuntimeError) as failure:
        Worker(client, task_queue="none", workflows=[faulty])
    assert "Cannot access random.random" in str(failure.value.__cause__)


@pytest.mark.server
@pytest.mark.parametrize("passed", ["by hand", "all modules", "another package"])
async def test_a_file_that_loads_without_the_plugin_loads(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: str
) -> None:
    imports = "from strands_temporal import TemporalAgent"
    restrictions = SandboxRestrictions.default
    if passed == "by hand":
        imports = (
            f"from temporalio import workflow\nwith workflow.unsafe.imports_passed_through():\n    {imports}"
        )
    elif passed == "all modules":
        restrictions = restrictions.with_passthrough_all_modules()
    else:
        imports = "import strands_temporal_shop"
        (tmp_path / "strands_temporal_shop.py").write_text("")
    name = f"loads_{passed.replace(' ', '_')}"
    (tmp_path / f"{name}.py").write_text(FILE.format(imports=imports))
    monkeypatch.syspath_prepend(str(tmp_path))
    hello = importlib.import_module(name).Hello
    Worker(
        client,
        task_queue=name,
        workflows=[hello],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    )


def test_the_runner_is_changed_once() -> None:
    before = SandboxedWorkflowRunner.prepare_workflow
    explain_missing_plugin()
    assert SandboxedWorkflowRunner.prepare_workflow is before


@workflow.defn(sandboxed=False)
class Unsandboxed:
    @workflow.run
    async def run(self) -> str:
        return str(await TemporalAgent("m").invoke_async("Hi"))


@pytest.mark.server
async def test_a_run_waits_for_a_worker_that_has_the_plugin(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    queue = "waits-for-the-plugin"
    async with Worker(client, task_queue=queue, workflows=[Unsandboxed]):
        handle = await client.start_workflow(Unsandboxed.run, id=f"{queue}-{uuid.uuid4()}", task_queue=queue)
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                break
    assert "Workflow 'Unsandboxed' uses strands_temporal, and this worker has no StrandsPlugin" in caplog.text
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(say("Hello"))})
    async with Worker(client, task_queue=queue, workflows=[Unsandboxed], plugins=[plugin]):
        assert await handle.result() == "Hello\n"
    await assert_replays(handle, [Unsandboxed], plugins=[plugin])
