"""Each mistake before a release is a sentence that says what to do. A checkout without one passes."""

import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from scripts import release_check
from scripts.release_check import plan, problems
from scripts.urls import write_urls
from scripts.workspace import ROOT, Checkout, run

ADDRESS = "https://github.com/someone/strands-temporal"
CORE = "packages/core/pyproject.toml"
MCP = "packages/mcp/pyproject.toml"
TODAY = "2026-02-03"


class Calendar(date):
    """A day that does not end while the tests run."""

    @classmethod
    def today(cls) -> "Calendar":
        """Return `TODAY`."""
        return cls.fromisoformat(TODAY)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_check, "date", Calendar)


def git(root: Path, *arguments: str) -> None:
    run("git", "-c", "user.name=Someone", "-c", "user.email=someone@example.org", *arguments, cwd=root)


def edit(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Change something")


def release(root: Path, *shorts: str) -> None:
    for package in Checkout(root).packages:
        if not shorts or package.short in shorts:
            git(root, "tag", f"{package.short}/v{package.version}")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's packages in a repository of their own, with what a first release changes."""
    root = tmp_path_factory.mktemp("template")
    shutil.copytree(
        ROOT / "packages", root / "packages", ignore=shutil.ignore_patterns("*tests", "__pycache__")
    )
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, root)
    settings = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(re.sub('repository = ".*"', f'repository = "{ADDRESS}"', settings))
    write_urls(root)
    for package in Checkout(root).packages:
        # One version for all, and one section: a test that follows knows where it starts.
        file = package.folder / "pyproject.toml"
        text = re.sub(r'^version = ".*"', 'version = "0.1.0"', file.read_text(), flags=re.MULTILINE)
        text = re.sub(r'"strands-temporal>=[^"]*"', '"strands-temporal>=0.1.0,<0.2"', text)
        text = re.sub(r'"(strands-temporal-\w+)>=[^"]*"', r'"\1>=0.1.0"', text)
        file.write_text(text)
        (package.folder / "CHANGELOG.md").write_text(
            f"# Changelog\n\n## 0.1.0 - {TODAY}\n\n### Added\n- All.\n"
        )
    git(root, "init", "--quiet")
    git(root, "config", "commit.gpgsign", "false")
    commit(root)
    return root


@pytest.fixture
def checkout(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "checkout")


def test_this_checkout_lacks_only_what_a_release_changes() -> None:
    at_a_release = (
        "No repository address is set.",
        "CHANGELOG.md has no section for",
        "is not committed.",
        "is released, but",
    )
    assert [one for one in problems(ROOT) if not any(part in one for part in at_a_release)] == []


def test_a_first_release_is_let_through(checkout: Path) -> None:
    assert problems(checkout) == []
    commands = plan(Checkout(checkout))
    assert commands[:2] == ["uv publish dist/strands_temporal_hitl-0.1.0*", "git tag hitl/v0.1.0"]
    assert commands[-2:] == ["uv publish dist/strands_temporal-0.1.0*", "git tag core/v0.1.0"]
    assert len(commands) == 10


def test_nothing_is_due_after_a_release(checkout: Path) -> None:
    release(checkout)
    edit(
        checkout, "packages/core/CHANGELOG.md", "# Changelog\n", "# Changelog\n\n## Unreleased\n\n- A test.\n"
    )
    commit(checkout)
    assert problems(checkout) == []
    assert plan(Checkout(checkout)) == []


def test_one_package_is_released_alone(checkout: Path) -> None:
    release(checkout)
    edit(checkout, MCP, 'version = "0.1.0"', 'version = "0.1.1"')
    edit(checkout, "packages/mcp/CHANGELOG.md", "## 0.1.0", f"## 0.1.1 - {TODAY}\n\n- More.\n\n## 0.1.0")
    commit(checkout)
    assert problems(checkout) == []
    assert plan(Checkout(checkout)) == ["uv publish dist/strands_temporal_mcp-0.1.1*", "git tag mcp/v0.1.1"]


def test_a_new_minor_of_core_needs_siblings_that_accept_it(checkout: Path) -> None:
    release(checkout)
    edit(checkout, CORE, 'version = "0.1.0"', 'version = "0.2.0"')
    edit(checkout, "packages/core/CHANGELOG.md", "## 0.1.0", f"## 0.2.0 - {TODAY}\n\n- More.\n\n## 0.1.0")
    commit(checkout)
    assert len(problems(checkout)) == 4
    assert (
        "packages/mcp/pyproject.toml requires strands-temporal<0.2,>=0.1.0, and core is 0.2.0. The cap is "
        "the next version that may break its users: write 'strands-temporal>=0.1.0,<0.3', and bump "
        "strands-temporal-mcp if it is released."
    ) in problems(checkout)
    for short in ("mcp", "otel", "hitl", "streaming"):
        edit(checkout, f"packages/{short}/pyproject.toml", "<0.2", "<0.3")
        edit(checkout, f"packages/{short}/pyproject.toml", 'version = "0.1.0"', 'version = "0.1.1"')
        edit(
            checkout,
            f"packages/{short}/CHANGELOG.md",
            "## 0.1.0",
            f"## 0.1.1 - {TODAY}\n\n- Core 0.2.\n\n## 0.1.0",
        )
    commit(checkout)
    assert problems(checkout) == []


def test_a_floor_on_core_has_what_the_sibling_imports(checkout: Path) -> None:
    release(checkout)
    edit(checkout, CORE, 'version = "0.1.0"', 'version = "0.1.1"')
    edit(checkout, "packages/core/CHANGELOG.md", "## 0.1.0", f"## 0.1.1 - {TODAY}\n\n- More.\n\n## 0.1.0")
    edit(
        checkout,
        "packages/core/src/strands_temporal/extension.py",
        "__all__ = [",
        '__all__ = [\n    "novelty",',
    )
    edit(checkout, MCP, 'version = "0.1.0"', 'version = "0.1.1"')
    edit(checkout, "packages/mcp/CHANGELOG.md", "## 0.1.0", f"## 0.1.1 - {TODAY}\n\n- More.\n\n## 0.1.0")
    (checkout / "packages/mcp/src/strands_temporal_mcp/_more.py").write_text(
        "from strands_temporal.extension import novelty\n"
    )
    commit(checkout)
    assert problems(checkout) == [
        "strands-temporal-mcp imports novelty from strands_temporal.extension, which strands-temporal "
        "0.1.0 does not have. Raise the floor in packages/mcp/pyproject.toml to the version that brings it."
    ]
    edit(checkout, MCP, ">=0.1.0,<0.2", ">=0.1.1,<0.2")
    commit(checkout)
    assert problems(checkout) == []


@pytest.mark.sample(15)
@dataclass(frozen=True)
class Mistake:
    """What is done to a checkout, and the sentence that follows."""

    edits: tuple[tuple[str, str, str], ...]
    sentence: str
    released: bool = False
    tag: str = ""


MISTAKES = {
    "no address": Mistake(
        (("pyproject.toml", f'repository = "{ADDRESS}"', 'repository = ""'),),
        "No repository address is set. Write it to `repository` in [tool.strands-temporal] of "
        "pyproject.toml, then run `make urls`.",
    ),
    "no real address": Mistake(
        (("pyproject.toml", ADDRESS, "https://example.org/code"),),
        "The repository address 'https://example.org/code' in pyproject.toml is not of the form "
        "https://github.com/<owner>/<name>. Correct it, then run `make urls`.",
    ),
    "urls of another address": Mistake(
        ((MCP, ADDRESS, "https://github.com/someone-else/strands-temporal"),),
        f"The urls of strands-temporal-mcp are not those of {ADDRESS}. Run `make urls`.",
    ),
    "unknown classifier": Mistake(
        ((MCP, '"Typing :: Typed",', '"Typing :: Typed",\n    "Framework :: Temporal",'),),
        "packages/mcp/pyproject.toml has the classifier 'Framework :: Temporal', which PyPI does not "
        "know. Correct it.",
    ),
    "licence as a classifier": Mistake(
        ((MCP, '"Typing :: Typed",', '"Typing :: Typed",\n    "License :: OSI Approved :: MIT License",'),),
        "packages/mcp/pyproject.toml has the classifier 'License :: OSI Approved :: MIT License'. Remove "
        "it: `license` replaces it.",
    ),
    "missing classifier": Mistake(
        ((MCP, '    "Programming Language :: Python :: 3.12",\n', ""),),
        "packages/mcp/pyproject.toml lacks the classifier 'Programming Language :: Python :: 3.12'. Add it.",
    ),
    "no status": Mistake(
        ((MCP, '    "Development Status :: 4 - Beta",\n', ""),),
        "packages/mcp/pyproject.toml lacks a classifier for its Development Status. Add one.",
    ),
    "no description": Mistake(
        ((MCP, 'description = "', 'description = ""  # "'),),
        "packages/mcp/pyproject.toml lacks `description`. Add it.",
    ),
    "other Pythons than core": Mistake(
        ((MCP, 'requires-python = ">=3.10"', 'requires-python = ">=3.11"'),),
        "packages/mcp/pyproject.toml has requires-python = '>=3.11', and core has '>=3.10'. Make them the "
        "same.",
    ),
    "another licence": Mistake(
        (("packages/mcp/LICENSE", "MIT License", "Some Licence"),),
        "packages/mcp/LICENSE is not the project's LICENSE. Copy that file there.",
    ),
    "tag without a package": Mistake(
        (),
        "The tag 'v0.1.0' is a version but names no package. Delete it, and use <x>/v0.1.0, where <x> is "
        "one of core, hitl, mcp, otel, streaming.",
        tag="v0.1.0",
    ),
    "tag with the distribution's name": Mistake(
        (),
        "The tag 'strands-temporal-mcp/v0.1.0' is a version but names no package. Delete it, and use "
        "<x>/v0.1.0, where <x> is one of core, hitl, mcp, otel, streaming.",
        tag="strands-temporal-mcp/v0.1.0",
    ),
    "tag of another version": Mistake(
        (),
        "The tag 'mcp/v0.0.9' marks a commit whose strands-temporal-mcp is 0.1.0. Delete the tag, and set "
        "it on the commit that 0.0.9 was built from.",
        tag="mcp/v0.0.9",
    ),
    "odd version": Mistake(
        ((MCP, 'version = "0.1.0"', 'version = "0.2"'),),
        "strands-temporal-mcp 0.2 is not a version of the form 1.2.3. Run `uv version --package "
        "strands-temporal-mcp --bump minor` (or `patch`).",
    ),
    "older version": Mistake(
        ((MCP, 'version = "0.1.0"', 'version = "0.0.9"'),),
        "strands-temporal-mcp 0.0.9 is older than 0.1.0, which is released. Run `uv version --package "
        "strands-temporal-mcp --bump minor` (or `patch`).",
        released=True,
    ),
    "changed without a new version": Mistake(
        (("packages/mcp/src/strands_temporal_mcp/_errors.py", "Errors of", "The errors of"),),
        "strands-temporal-mcp 0.1.0 is released, but packages/mcp/src/strands_temporal_mcp/_errors.py has "
        "changed since the tag mcp/v0.1.0. Run `uv version --package strands-temporal-mcp --bump minor` "
        "(or `patch`).",
        released=True,
    ),
    "section still unreleased": Mistake(
        (("packages/mcp/CHANGELOG.md", f"## 0.1.0 - {TODAY}", "## Unreleased (0.1.0)"),),
        "packages/mcp/CHANGELOG.md has no section for 0.1.0. Rename '## Unreleased (0.1.0)' to "
        f"'## 0.1.0 - {TODAY}'.",
    ),
    "no section": Mistake(
        (("packages/mcp/CHANGELOG.md", f"## 0.1.0 - {TODAY}", "## 0.0.9 - 2026-01-01"),),
        f"packages/mcp/CHANGELOG.md has no section for 0.1.0. Add '## 0.1.0 - {TODAY}', with what changes "
        "for users.",
    ),
    "lines left unreleased": Mistake(
        (("packages/mcp/CHANGELOG.md", "## 0.1.0", "## Unreleased\n\n- More.\n\n## 0.1.0"),),
        "packages/mcp/CHANGELOG.md has lines under '## Unreleased', which the release of 0.1.0 would "
        f"leave out. Move them to '## 0.1.0 - {TODAY}'.",
    ),
    "section not at the top": Mistake(
        (("packages/mcp/CHANGELOG.md", "## 0.1.0", "## 0.0.9 - 2026-01-01\n\n- Less.\n\n## 0.1.0"),),
        f"packages/mcp/CHANGELOG.md has '## 0.0.9 - 2026-01-01' above '## 0.1.0 - {TODAY}'. Move the "
        "section of this release to the top.",
    ),
    "empty section": Mistake(
        (("packages/mcp/CHANGELOG.md", "- All.\n", ""),),
        f"packages/mcp/CHANGELOG.md has no line under '## 0.1.0 - {TODAY}'. Write there what changes for "
        "users.",
    ),
    "no date": Mistake(
        (("packages/mcp/CHANGELOG.md", f"## 0.1.0 - {TODAY}", "## 0.1.0 - soon"),),
        f"packages/mcp/CHANGELOG.md has no date in '## 0.1.0 - soon'. Write '## 0.1.0 - {TODAY}'.",
    ),
    "lost section": Mistake(
        (
            (MCP, 'version = "0.1.0"', 'version = "0.1.1"'),
            ("packages/mcp/CHANGELOG.md", "## 0.1.0", "## 0.1.1"),
        ),
        "packages/mcp/CHANGELOG.md lost its section for 0.1.0, which is released. Restore it.",
        released=True,
    ),
    "no cap on core": Mistake(
        ((MCP, '"strands-temporal>=0.1.0,<0.2"', '"strands-temporal>=0.1.0"'),),
        "packages/mcp/pyproject.toml has no floor or no cap on strands-temporal. Write "
        "'strands-temporal>=<version>,<0.2'.",
    ),
    "cap on core too high": Mistake(
        ((MCP, '"strands-temporal>=0.1.0,<0.2"', '"strands-temporal>=0.1.0,<1"'),),
        "packages/mcp/pyproject.toml requires strands-temporal<1,>=0.1.0, and core is 0.1.0. The cap is "
        "the next version that may break its users: write 'strands-temporal>=0.1.0,<0.2', and bump "
        "strands-temporal-mcp if it is released.",
    ),
    "floor on a core that does not exist": Mistake(
        ((MCP, '"strands-temporal>=0.1.0,<0.2"', '"strands-temporal>=0.1.7,<0.2"'),),
        "packages/mcp/pyproject.toml requires strands-temporal<0.2,>=0.1.7, and 0.1.7 is neither released "
        "nor the 0.1.0 of this checkout. Write a floor that exists.",
    ),
    "no extra": Mistake(
        ((CORE, 'mcp = ["strands-temporal-mcp>=0.1.0"]\n', ""),),
        "packages/core/pyproject.toml has no extra for strands-temporal-mcp. Add "
        '`mcp = ["strands-temporal-mcp>=0.1.0"]`.',
    ),
    "extra with a cap": Mistake(
        ((CORE, '"strands-temporal-mcp>=0.1.0"', '"strands-temporal-mcp>=0.1.0,<0.2"'),),
        "packages/core/pyproject.toml requires strands-temporal-mcp<0.2,>=0.1.0. An extra has a floor and "
        "no cap: the sibling's own cap on core decides. Write 'strands-temporal-mcp>=0.1.0'.",
    ),
    "extra with a floor that does not exist": Mistake(
        ((CORE, '"strands-temporal-mcp>=0.1.0"', '"strands-temporal-mcp>=0.3.0"'),),
        "packages/core/pyproject.toml requires strands-temporal-mcp>=0.3.0, and 0.3.0 is neither released "
        "nor the 0.1.0 of this checkout. Write a floor that exists.",
    ),
    "extra `all` without a sibling": Mistake(
        ((CORE, "strands-temporal[mcp,", "strands-temporal["),),
        "packages/core/pyproject.toml has an extra `all` without `mcp`. Add it.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_a_sentence_that_says_what_to_do(checkout: Path, mistake: Mistake) -> None:
    if mistake.released:
        release(checkout)
    for path, old, new in mistake.edits:
        edit(checkout, path, old, new)
    commit(checkout)
    if mistake.tag:
        git(checkout, "tag", mistake.tag)
    assert mistake.sentence in problems(checkout)


def test_what_is_not_committed_is_named(checkout: Path) -> None:
    edit(checkout, "packages/mcp/README.md", "# ", "# The ")
    assert problems(checkout) == [
        "packages/mcp/README.md is not committed. Commit it, or remove it: a release is built from a commit."
    ]


def test_urls_come_from_one_address(checkout: Path) -> None:
    edit(checkout, "pyproject.toml", ADDRESS, "https://github.com/others/durable/")
    write_urls(checkout)
    for package in Checkout(checkout).packages:
        urls = package.project["urls"]
        assert urls["Homepage"] == "https://github.com/others/durable"
        assert urls["Changelog"].endswith(f"/durable/blob/main/packages/{package.short}/CHANGELOG.md")
    commit(checkout)
    assert problems(checkout) == []


def test_urls_are_not_written_without_an_address(checkout: Path) -> None:
    edit(checkout, "pyproject.toml", ADDRESS, "")
    before = (checkout / MCP).read_text()
    with pytest.raises(SystemExit, match="Write the address to `repository`"):
        write_urls(checkout)
    assert (checkout / MCP).read_text() == before
