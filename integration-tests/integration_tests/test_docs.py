"""The code in the README and the docs runs, and the commands and files that they name exist."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Agents
from pytest_examples import CodeExample, EvalExample, find_examples

from integration_tests.doc_blocks import PAGES, ROOT
from integration_tests.pages import files_in, write_files
from strands_temporal.testing import ScriptedModel, say

PACKAGES = sorted(ROOT.glob("packages/*/README.md"))
PAPERS = [ROOT / f"{name}.md" for name in ("AGENTS", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT")]
EXAMPLES = list(find_examples(*PAGES))
HELLOS = [example for example in EXAMPLES if "class HelloWorkflow" in example.source]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.path.name}:{example.start_line}")
def test_the_code_of_the_docs_runs(
    example: CodeExample, eval_example: EvalExample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A page's programs import each other: the README's worker gets its workflow from `hello.py` above it.
    text = example.path.read_text()
    before = "\n".join(text.split("\n")[: example.start_line])
    write_files(files_in(before), tmp_path, monkeypatch)
    eval_example.run(example, module_globals={"__name__": "docs"})  # not as `__main__`: that would connect


@pytest.mark.server
@pytest.mark.parametrize("hello", HELLOS, ids=lambda hello: str(hello.path.relative_to(ROOT)))
async def test_the_ten_line_agent_answers(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hello: CodeExample
) -> None:
    (tmp_path / "ten_line_agent.py").write_text(hello.source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "ten_line_agent", raising=False)
    workflow_class: Any = importlib.import_module("ten_line_agent").HelloWorkflow
    model = ScriptedModel(lambda call: say(f"Hello, {call.text}"))
    async with agents(workflows=[workflow_class], models={"claude": lambda: model}) as env:
        assert await env.run(workflow_class.run, "world") == "Hello, world\n"


@pytest.mark.parametrize("page", [*PAGES, *PAPERS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PACKAGES, ids=lambda page: page.parent.name)
def test_a_package_readme_reads_well_alone(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://"), f"PyPI shows {page} alone: {target} leads nowhere there"
    for path in ("docs/", "examples/", "make "):
        assert path not in text, f"PyPI shows {page} alone: nobody has {path} there"
    assert "```python" in text
    assert "pip install" in text


def test_folders_to_install_exist() -> None:
    folders = re.findall(r"\./(packages/\w+)", (ROOT / "README.md").read_text())
    assert all((ROOT / folder / "pyproject.toml").exists() for folder in folders)


@pytest.mark.parametrize(
    "form", sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml")), ids=lambda form: form.name
)
def test_issue_forms_are_whole(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    if form.name == "config.yml":
        return
    assert {"name", "description", "body"} <= content.keys()
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_guides_sections_lead_to_every_example() -> None:
    examples = ROOT / "examples"
    folders = {
        file.parent.name for name in ("workflow", "agent", "agents") for file in examples.glob(f"*/{name}.py")
    }
    assert set(re.findall(r"\.\./examples/(\w+)\)", (ROOT / "docs" / "guide.md").read_text())) == folders


def test_make_targets_of_the_docs_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*PAGES, *PAPERS]:
        for name in re.findall(r"`make ([a-z-]+)", page.read_text()):
            assert name in targets, f"{page.name} speaks of `make {name}`"


def test_agents_md_stays_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) <= 80


@pytest.mark.parametrize("package", sorted((ROOT / "packages").iterdir()), ids=lambda package: package.name)
def test_each_package_has_its_papers(package: Path) -> None:
    for name in ("README.md", "CHANGELOG.md", "pyproject.toml"):
        assert (package / name).read_text().strip()
    assert list(package.glob("src/*/py.typed"))


def test_each_code_of_a_message_has_its_section() -> None:
    sources = [path.read_text() for path in ROOT.glob("packages/*/src/**/*.py")]
    codes = {code for source in sources for code in re.findall(r"\bST\d{3}\b", source)}
    sections = re.findall(r"^## (.*)$", (ROOT / "docs" / "messages.md").read_text(), re.MULTILINE)
    assert sections == sorted(codes)
