"""The tools of `strands-agents-tools`: which run in a workflow, and what is said of the others."""

import importlib
import pkgutil
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import strands_tools
from conftest import Agents
from strands_tools import calculator, current_time, stop
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent
from strands_temporal._strands_tools import IN_WORKFLOW, INSTEAD, remedy
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools

# The package deprecates one after the other.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")

PAGE = Path(__file__).parents[3] / "docs" / "strands-tools.md"
MODULES = sorted(
    module.name for module in pkgutil.iter_modules(strands_tools.__path__) if module.name != "utils"
)


def module_of(name: str) -> Any:
    """Return a module of the package; type checkers take its name for the tool in it."""
    return importlib.import_module(f"strands_tools.{name}")


def echo(call: ScriptedCall) -> Any:
    return say(call.text)


@workflow.defn
class ComputingWorkflow:
    """An agent with the tools that compute, as a user would import them."""

    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("m", tools=[calculator, current_time, stop], callback_handler=None)
        started = workflow.now().isoformat()
        result = await agent.invoke_async("go")
        (stopped,) = agent.messages[-1]["content"]
        return [started, str(result), str(stopped.get("toolResult", {}).get("content")), result.stop_reason]


@pytest.mark.server
async def test_calculator_current_time_and_stop_run_in_a_workflow(agents: Agents) -> None:
    module_of("calculator").calculator(expression="sqrt(2)")  # sympy loads parts of itself at its first use
    model = ScriptedModel(
        use_tool("calculator", {"expression": "x**2 - 5*x + 6", "mode": "solve", "wrt": "x"}),
        lambda call: use_tool("current_time", {"timezone": "Asia/Tokyo"}, text=call.text),
        lambda call: use_tool("stop", {"reason": "enough"}, text=call.text),
    )
    async with agents(workflows=[ComputingWorkflow], models={"m": lambda: model}) as env:
        began = datetime.now(timezone.utc)
        started, said, stopped, reason = await env.run(ComputingWorkflow.run)
    assert "2" in model.calls[1].text
    assert "3" in model.calls[1].text
    told = datetime.fromisoformat(model.calls[2].text.strip())
    assert told.utcoffset() is not None
    # The workflow's clock: it stands still within a task, and was replayed to the same microsecond.
    assert datetime.fromisoformat(started) <= told <= datetime.now(timezone.utc)
    assert began.replace(microsecond=0) <= told
    assert "enough" in stopped
    assert said
    assert reason in ("end_turn", "tool_use")


@workflow.defn
class ClockWorkflow:
    @workflow.run
    async def run(self) -> bool:
        agent = TemporalAgent("m", tools=[current_time], callback_handler=None)
        told = agent.tool.current_time(timezone="UTC")
        return workflow.now().isoformat() in str(told)


@pytest.mark.server
async def test_current_time_is_the_workflows(agents: Agents) -> None:
    async with agents(workflows=[ClockWorkflow], models={"m": ScriptedModel}) as env:
        assert await env.run(ClockWorkflow.run)


def test_outside_a_workflow_current_time_is_the_machines() -> None:
    before = datetime.now(timezone.utc)
    told = datetime.fromisoformat(module_of("current_time").current_time(timezone="UTC"))
    assert before <= told <= datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (module_of("sleep"), r"strands_tools\.sleep .*from strands\.vended_tools import sleep"),
        (module_of("sleep").sleep, r"strands_tools\.sleep .*from strands\.vended_tools import sleep"),
        (module_of("load_tool"), r"strands_tools\.load_tool .*import the tool at the top"),
        (module_of("use_llm"), r"strands_tools\.use_llm .*as_tool"),
        ("strands_tools.http_request", r"http_request does I/O.*TemporalTools\('http_request'\)"),
        ("strands_tools.file_read", r"file_read does I/O.*StrandsPlugin\(tools=\{'file_read'"),
    ],
    ids=["module", "function", "refused", "sub-agent", "by name", "hosted"],
)
def test_what_cannot_run_in_a_workflow_is_refused_with_what_to_use(given: Any, advice: str) -> None:
    with pytest.raises(AgentTypeError, match=advice):
        TemporalAgent("m", tools=[given])


@workflow.defn
class HostedWorkflow:
    @workflow.run
    async def run(self, name: str) -> str:
        agent = TemporalAgent("m", tools=[TemporalTools(name)], callback_handler=None)
        return str(await agent.invoke_async("go"))


@pytest.mark.server
async def test_a_tool_with_io_is_hosted_on_the_worker(agents: Agents, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("forty-two")
    arguments = {"path": str(tmp_path / "note.txt"), "mode": "view"}
    model = ScriptedModel(use_tool("file_read", arguments), echo)

    plugin = StrandsPlugin(models={"m": lambda: model}, tools={"file_read": lambda: module_of("file_read")})
    async with agents(workflows=[HostedWorkflow], plugins=[plugin]) as env:
        assert "forty-two" in await env.run(HostedWorkflow.run, "file_read")


def rows() -> dict[str, str]:
    """Return what the page says of each module: where it runs."""
    return dict(re.findall(r"^\| `(\w+)` \| ([\w ]+?) \|", PAGE.read_text(), re.MULTILINE))


def test_the_page_speaks_of_each_module_as_the_code_does() -> None:
    assert sorted(rows()) == MODULES
    for name, where in rows().items():
        advice = remedy(f"strands_tools.{name}")
        expected = "workflow" if name in IN_WORKFLOW else "refused" if name in INSTEAD else "worker tool"
        assert where == expected, name
        assert (advice is None) == (expected == "workflow")


def test_other_modules_are_none_of_its_business() -> None:
    for module in ("", "strands_tools", "strands_tools.utils.console_util", "strands.tools", "tests.sleep"):
        assert remedy(module) is None


# --- A workflow's file that cannot be loaded

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
        ("mine_with_io", r"If it does no I/O, import it through the sandbox.*import mine_with_io`"),
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
async def test_a_fault_of_the_users_own_file_stays_what_it_is(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_fault.py").write_text(FILE.format(module="datetime\n\nNOW = datetime.datetime.now()"))
    monkeypatch.syspath_prepend(str(tmp_path))
    workflows = [importlib.import_module("own_fault").Imports]
    with pytest.raises(RuntimeError, match="Failed validating") as failure:
        Worker(client, task_queue="none", workflows=workflows, plugins=[StrandsPlugin()])
    assert isinstance(failure.value.__cause__, RestrictedWorkflowAccessError)
