"""What `strands-temporal dev` finds in a user's file, and what it says of a file that it cannot serve."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from strands_temporal import AgentDefinition
from strands_temporal._commands._dev_target import (
    Target,
    TargetError,
    load,
    parse_target,
    users_files,
    users_traceback,
)

AGENTS = """
from strands_temporal import TemporalAgent
from temporalio import activity, workflow
from helpers_of_agents import shared


@workflow.defn
class Order:
    @workflow.run
    async def run(self) -> None: ...


@activity.defn
async def charge() -> None: ...


def support() -> TemporalAgent: ...
def sales(region: str = "eu") -> "TemporalAgent": ...
def _private() -> TemporalAgent: ...
def other() -> int: ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "helpers_of_agents.py").write_text("def shared() -> None: ...")
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def target(folder: Path, name: str, source: str, chosen: str = "") -> Target:
    (folder / f"{name}.py").write_text(source)
    return parse_target(f"{folder / name}.py{chosen}")


def test_it_finds_agents_workflows_and_activities(folder: Path) -> None:
    found = load(target(folder, "agents_one", AGENTS))
    assert sorted(found.agents) == ["sales", "support"]
    assert [cls.__name__ for cls in found.workflows] == ["Order"]
    assert [function.__name__ for function in found.activities] == ["charge"]
    assert (found.plugins, found.models) == ([], None)
    assert users_files(folder) == [str(folder / "agents_one.py"), str(folder / "helpers_of_agents.py")]


def test_a_refusal_of_this_package_has_no_frames_of_it(folder: Path) -> None:
    del folder
    with pytest.raises(ValueError, match="lambda") as refused:
        AgentDefinition(lambda: None)  # pyright: ignore[reportArgumentType]
    shown = users_traceback(refused.value)
    assert "ValueError: AgentDefinition: a lambda has no name" in shown
    assert "agent_definitions.py" not in shown


def test_lists_of_the_module_win_and_a_name_chooses(folder: Path) -> None:
    lists = "\nagents = {'only': sales}\nactivities = []\nmodels = {'claude': dict}\n"
    found = load(target(folder, "agents_two", AGENTS + lists))
    assert (list(found.agents), found.activities, found.models) == (["only"], [], {"claude": dict})
    found = load(target(folder, "agents_three", AGENTS, ":Order"))
    assert (list(found.agents), [cls.__name__ for cls in found.workflows]) == ([], ["Order"])
    found = load(target(folder, "agents_four", AGENTS, ":sales"))
    assert (list(found.agents), found.workflows) == (["sales"], [])


def test_a_file_of_a_package_has_its_dotted_name(folder: Path) -> None:
    package = folder / "shop" / "agents"
    package.mkdir(parents=True)
    (folder / "shop" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "desk.py").write_text(AGENTS)
    parsed = parse_target(str(package / "desk.py"))
    assert (parsed.module, parsed.root) == ("shop.agents.desk", folder)
    assert sorted(load(parsed).agents) == ["sales", "support"]


@pytest.mark.parametrize(
    ("source", "chosen", "says"),
    [
        ("x = 1", "", "has no agent, workflow or activity. Write `def support() -> TemporalAgent"),
        ("def f():\n    return 1", "", "`f` does not say what it returns: write `-> TemporalAgent`. Write"),
        (
            "from strands import Agent\ndef f() -> Agent: ...",
            "",
            "`f` returns a strands.Agent: return a Te",
        ),
        ("from strands import Agent\na = Agent()", "", "`a` is an agent, and each conversation makes one"),
        (AGENTS, ":Ordre", "Did you mean 'Order'? It has: Order, sales, support"),
        ("agents = []", "", "`agents` of broken_one.py is [], not a mapping"),
        ("plugins = 1", "", "`plugins` of broken_one.py is 1, not a list"),
        ("models = []", "", "`models` of broken_one.py is [], not a mapping"),
        ("def f():\n    1 / 0\nf()", "", "ZeroDivisionError: division by zero"),
        ("def f(:", "", "SyntaxError"),
        ("raise SystemExit('stop')", "", "SystemExit: stop"),
    ],
)
def test_what_cannot_be_served(folder: Path, source: str, chosen: str, says: str) -> None:
    with pytest.raises(TargetError) as refused:
        load(target(folder, "broken_one", source, chosen))
    assert says in str(refused.value)
    assert "_dev_target" not in str(refused.value)
    assert "importlib" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my-agents.py", "'my-agents' is not a Python name. Rename it, for example to 'my_agents'"),
        ("json.py", "this name belongs to"),
    ],
)
def test_a_file_name_that_cannot_be_imported(folder: Path, name: str, says: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(TargetError) as refused:
        load(parse_target(str(folder / name)))
    assert says in str(refused.value)
    assert "Rename" in str(refused.value)


def test_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(
        TargetError, match=r"There is no file .*helper_of_agents.py. Did you mean 'helpers_of"
    ):
        parse_target(str(folder / "helper_of_agents.py"))
    with pytest.raises(TargetError, match=r"neither a file, as in my_agents\.py, nor a module"):
        parse_target("my agents")
