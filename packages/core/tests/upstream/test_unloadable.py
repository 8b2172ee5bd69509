"""A workflow's file that cannot be loaded: the error names the module and what to write."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from strands_temporal import StrandsPlugin

# The package is deprecating its tools one by one.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")

FILE = """
from temporalio import workflow
import {module}


@workflow.defn
class Imports:
    @workflow.run
    async def run(self) -> None: ...
"""


@pytest.mark.server
@pytest.mark.parametrize(
    ("module", "advice"),
    [
        (
            "strands_tools.http_request",
            "Host it on the worker, with `from strands_tools import http_request`",
        ),
        (
            "mine_with_io",
            r"If it does no I/O, import it through the sandbox, in unloadable_mine_with_io: `with "
            r"workflow\.unsafe\.imports_passed_through\(\): import mine_with_io`; or .*SandboxRestrictions\."
            r"default\.with_passthrough_modules\('mine_with_io'\)",
        ),
    ],
)
async def test_a_module_that_cannot_be_loaded_is_named_with_what_to_write(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, advice: str
) -> None:
    (tmp_path / "mine_with_io.py").write_text("import random\n\nLUCK = random.random()\n")
    name = f"unloadable_{module.replace('.', '_')}"
    (tmp_path / f"{name}.py").write_text(FILE.format(module=module))
    monkeypatch.syspath_prepend(str(tmp_path))
    workflows = [importlib.import_module(name).Imports]
    with pytest.raises(RuntimeError, match="Failed validating workflow Imports") as failure:
        Worker(client, task_queue="none", workflows=workflows, plugins=[StrandsPlugin()])
    cause = failure.value.__cause__
    assert isinstance(cause, ImportError)
    assert cause.name == module
    assert re.match(f"{name} imports {module}, which the workflow sandbox cannot load.*{advice}", str(cause))
    assert "Cannot access" in str(cause)


@pytest.mark.server
async def test_the_users_own_module_that_imports_it_is_named_too(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_helpers.py").write_text("import strands_tools.http_request\n")
    (tmp_path / "imports_helpers.py").write_text(FILE.format(module="my_helpers"))
    monkeypatch.syspath_prepend(str(tmp_path))
    workflows = [importlib.import_module("imports_helpers").Imports]
    with pytest.raises(RuntimeError, match="Failed validating") as failure:
        Worker(client, task_queue="none", workflows=workflows, plugins=[StrandsPlugin()])
    said = str(failure.value.__cause__)
    assert said.startswith(
        "imports_helpers imports my_helpers, which imports strands_tools.http_request, which"
    )
    assert getattr(failure.value.__cause__, "name", "") == "strands_tools.http_request"


SCRIPT = """
import asyncio
import sys
from temporalio.client import Client
from temporalio.worker import Worker
from strands_temporal import StrandsPlugin


async def main():
    client = await Client.connect(sys.argv[1])
    try:
        Worker(client, task_queue="none", workflows=[Imports], plugins=[StrandsPlugin()])
    except RuntimeError as error:
        print(error.__cause__)


if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.server
def test_a_script_that_is_run_is_named_by_its_file(client: Client, tmp_path: Path) -> None:
    script = tmp_path / "my_worker.py"
    script.write_text(FILE.format(module="strands_tools.http_request") + SCRIPT)
    address = client.service_client.config.target_host
    run = subprocess.run(
        [sys.executable, str(script), address], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.startswith(
        "my_worker.py (the script that was run) imports strands_tools.http_request, which the workflow"
    ), run.stderr
    assert "__temporal_main__" not in run.stdout


@pytest.mark.server
async def test_a_fault_of_the_users_own_file_stays_what_it_is(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_fault.py").write_text(FILE.format(module="datetime\n\nNOW = datetime.datetime.now()"))
    monkeypatch.syspath_prepend(str(tmp_path))
    workflows = [importlib.import_module("own_fault").Imports]
    with pytest.raises(RuntimeError, match="Failed validating") as failure:
        Worker(client, task_queue="none", workflows=workflows, plugins=[StrandsPlugin()])
    assert isinstance(failure.value.__cause__, RestrictedWorkflowAccessError)


@pytest.mark.server
async def test_a_package_in_a_second_folder_of_packages_is_named(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`uv run --with` puts one folder in front of another."""
    layer = tmp_path / "site-packages"
    layer.mkdir()
    (layer / "layered.py").write_text("import strands_tools.http_request\n")
    (tmp_path / "my_layers.py").write_text("import layered\n")
    (tmp_path / "imports_layers.py").write_text(FILE.format(module="my_layers"))
    monkeypatch.syspath_prepend(str(layer))
    monkeypatch.syspath_prepend(str(tmp_path))
    workflows = [importlib.import_module("imports_layers").Imports]
    with pytest.raises(RuntimeError, match="Failed validating") as failure:
        Worker(client, task_queue="none", workflows=workflows, plugins=[StrandsPlugin()])
    said = str(failure.value.__cause__)
    assert said.startswith(
        "imports_layers imports my_layers, which imports layered, which the workflow sandbox"
    )
