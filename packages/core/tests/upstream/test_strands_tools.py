"""The tools of `strands-agents-tools`: those that run in a workflow, and the errors for the others."""

import ast
import importlib
import pkgutil
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import strands_tools
from conftest import Agents
from packages.core.tests.failures import failure_of
from strands import Agent
from strands.tools.tools import PythonAgentTool
from strands_tools import calculator, current_time, stop
from temporalio import workflow

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal._upstream.strands_tools import IN_WORKFLOW, INSTEAD, MADE_BY, remedy
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools

with workflow.unsafe.imports_passed_through():
    FILE_READ: Any = importlib.import_module("strands_tools.file_read")
    EXA: Any = importlib.import_module("strands_tools.exa")

# The package is deprecating its tools one by one.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")

PAGE = Path(__file__).parents[4] / "docs" / "strands-tools.md"
MODULES = sorted(
    module.name for module in pkgutil.iter_modules(strands_tools.__path__) if module.name != "utils"
)


def module_of(name: str) -> Any:
    """Return a module of the package. (To type checkers the module's name means the tool inside it.)"""
    return importlib.import_module(f"strands_tools.{name}")


def echo(call: ScriptedCall) -> Any:
    return say(call.text)


@workflow.defn
class ComputingWorkflow:
    """An agent with the package's computing tools, imported as a user would."""

    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("m", tools=[calculator, current_time, stop], callback_handler=None)
        started = workflow.now().isoformat()
        result = await agent.invoke_async("go")
        (stopped,) = agent.messages[-1]["content"]
        # The tool sets a flag that ends the loop after this cycle, without another model call.
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
    # The workflow's clock stands still within a task, and replays to the same microsecond.
    assert datetime.fromisoformat(started) <= told <= datetime.now(timezone.utc)
    assert began.replace(microsecond=0) <= told
    assert "enough" in stopped
    assert said
    assert reason == "tool_use"
    assert len(model.calls) == 3


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


@workflow.defn
class LazyClockWorkflow:
    """Imports the tool while the workflow runs, and calls it directly and from an agent."""

    @workflow.run
    async def run(self, given: str) -> list[str]:
        from strands_tools.current_time import current_time as tell

        own = tell(timezone="UTC")  # pyright: ignore[reportDeprecated]  # like all tools of the package
        agent = TemporalAgent("m", tools=[tell if given == "tool" else given], callback_handler=None)
        told = agent.tool.current_time(timezone="UTC")
        return [workflow.now().isoformat(), own, told["content"][0]["text"]]


@pytest.mark.server
@pytest.mark.parametrize(
    "given", ["tool", "strands_tools.current_time", "strands_tools.current_time:current_time"]
)
async def test_current_time_is_the_workflows_where_a_workflow_is_the_first_to_import_it(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.delitem(sys.modules, "strands_tools.current_time")
    async with agents(workflows=[LazyClockWorkflow], models={"m": ScriptedModel}) as env:
        now, own, told = await env.run(LazyClockWorkflow.run, given)
    assert own == now
    assert told == now


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
        ("strands_tools.file_read:file_read", r"strands_tools\.file_read does I/O"),
        ("strands_tools:file_read", r"strands_tools\.file_read does I/O"),
        ({"path": "strands_tools.http_request"}, r"strands_tools\.http_request does I/O"),
        (
            {"name": "sleep", "path": "strands_tools.sleep:sleep"},
            r"sleep cannot run .*vended_tools import sleep",
        ),
        ("strands_tools.browser", r"from strands_tools\.browser import LocalChromiumBrowser` there: .*"),
        ("strands.vended_tools.shell", r"Strands' shell needs a sandbox"),
        ("strands.vended_tools.shell:shell", r"Strands' shell needs a sandbox"),
        ("strands.vended_tools:shell", r"Strands' shell needs a sandbox"),
        ({"path": "strands.vended_tools.http_request"}, r"Strands' http_request would do its I/O"),
        (
            "strands.vended_tools",
            r"'strands\.vended_tools' stands for all its tools.*Give those you want, one by one",
        ),
        (importlib.import_module("strands.vended_tools"), r"stands for all its tools"),
    ],
    ids=range(17),
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
@pytest.mark.parametrize("value", [lambda: FILE_READ, FILE_READ], ids=["factory", "module"])
async def test_a_tool_with_io_is_hosted_on_the_worker(agents: Agents, tmp_path: Path, value: Any) -> None:
    (tmp_path / "note.txt").write_text("forty-two")
    arguments = {"path": str(tmp_path / "note.txt"), "mode": "view"}
    model = ScriptedModel(use_tool("file_read", arguments), echo)

    plugin = StrandsPlugin(models={"m": lambda: model}, tools={"file_read": value})
    async with agents(workflows=[HostedWorkflow], plugins=[plugin]) as env:
        assert "forty-two" in await env.run(HostedWorkflow.run, "file_read")


@pytest.mark.parametrize(
    "given",
    [
        "strands_tools.calculator",
        {"path": "strands_tools.calculator"},
        {"name": "calculator", "path": "strands_tools.calculator"},
        "strands.vended_tools.notebook:notebook",
    ],
    ids=str,
)
def test_what_computes_is_taken_in_each_form_that_strands_takes(given: Any) -> None:
    assert TemporalAgent("m", tools=[given]).tool_names in (["calculator"], ["notebook"])


@workflow.defn
class PlainAgentWorkflow:
    @workflow.run
    async def run(self) -> str:
        reads = PythonAgentTool("file_read", FILE_READ.TOOL_SPEC, FILE_READ.file_read)
        agent = Agent(model=TemporalModel("m"), tools=[reads], callback_handler=None)
        return str(await agent.invoke_async("go"))


@pytest.mark.server
async def test_a_plain_agent_is_told_at_the_call_and_nothing_is_read(agents: Agents, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("forty-two")
    arguments = {"path": str(tmp_path / "note.txt"), "mode": "view"}
    model = ScriptedModel(use_tool("file_read", arguments), echo)
    async with agents(workflows=[PlainAgentWorkflow], models={"m": lambda: model}) as env:
        said = await env.run(PlainAgentWorkflow.run)
    assert "strands_tools.file_read does I/O" in said
    assert "TemporalTools('file_read')" in said
    assert "forty-two" not in said


@workflow.defn
class AsyncToolWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = Agent(model=TemporalModel("m"), tools=[EXA.exa_search], callback_handler=None)
        return str(await agent.invoke_async("go"))


@pytest.mark.server
async def test_a_plain_agent_with_an_asynchronous_tool_is_refused_at_its_first_model_call(
    agents: Agents,
) -> None:
    model = ScriptedModel(say("never"))
    async with agents(workflows=[AsyncToolWorkflow], models={"m": lambda: model}) as env:
        error = await failure_of(env, AsyncToolWorkflow.run)
    assert "Agent(tools=...): strands_tools.exa does I/O" in str(error)
    assert "TemporalTools('exa')" in str(error)
    assert model.calls == []


@pytest.mark.parametrize("name", MADE_BY)
def test_a_module_without_a_tool_has_the_class_that_makes_it(name: str) -> None:
    maker, how = MADE_BY[name]
    assert f"from strands_tools.{name} import {maker}`" in str(remedy(f"strands_tools.{name}"))
    attribute = how.rpartition(".")[2]
    (package,) = strands_tools.__path__
    files = sorted(Path(package).glob(f"{name}/*.py")) or [Path(package) / f"{name}.py"]
    classes = {
        node.name: {inner.name for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)}
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    assert maker in classes
    assert any(attribute in methods for methods in classes.values())


@pytest.mark.server
async def test_what_such_a_class_makes_is_hosted_as_the_advice_says(agents: Agents) -> None:
    maker = module_of("agent_core_memory").AgentCoreMemoryToolProvider
    provider = maker(memory_id="m", actor_id="a", session_id="s", namespace="n", region="us-west-2")
    plugin = StrandsPlugin(
        models={"m": lambda: ScriptedModel(lambda call: ", ".join(call.tool_names))},
        tools={"agent_core_memory": lambda: provider.tools},
    )
    async with agents(workflows=[HostedWorkflow], plugins=[plugin]) as env:
        assert "agent_core_memory" in await env.run(HostedWorkflow.run, "agent_core_memory")


def rows() -> dict[str, str]:
    """Return where each module runs, according to the docs page."""
    return dict(re.findall(r"^\| `(\w+)` \| ([\w ]+?) \|", PAGE.read_text(), re.MULTILINE))


def test_the_page_speaks_of_each_module_as_the_code_does() -> None:
    assert sorted(rows()) == MODULES
    for name, where in rows().items():
        advice = remedy(f"strands_tools.{name}")
        expected = "workflow" if name in IN_WORKFLOW else "refused" if name in INSTEAD else "worker tool"
        assert where == expected, name
        assert (advice is None) == (expected == "workflow")


def test_the_page_says_which_tools_ask_at_the_terminal() -> None:
    (package,) = strands_tools.__path__
    for name, where in rows().items():
        files = sorted(Path(package).glob(f"{name}/*.py")) or [Path(package) / f"{name}.py"]
        asks = any("get_user_input(" in file.read_text() for file in files)
        (line,) = re.findall(rf"^\| `{name}` .*$", PAGE.read_text(), re.MULTILINE)
        if where == "worker tool":
            assert asks == ("asks " in line), name
            assert (name in MADE_BY) == ("from `" in line), name
        if name in MADE_BY:
            assert "".join(MADE_BY[name]) in line, name


def test_other_modules_are_none_of_its_business() -> None:
    for module in ("", "strands_tools", "strands_tools.utils.console_util", "strands.tools", "tests.sleep"):
        assert remedy(module) is None
