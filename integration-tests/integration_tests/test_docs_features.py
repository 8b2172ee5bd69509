"""Each row of the page of Strands' features that says what happens names a test that exists."""

import re
from pathlib import Path

import pytest

from integration_tests.doc_blocks import ROOT
from integration_tests.pages import sections

PAGE = ROOT / "docs" / "features.md"
TABLES = {section.split("\n", 1)[0].removeprefix("## "): section for section in sections(PAGE)[1:]}
TESTED = [
    "Vended tools and guards",
    "AWS's harness agent",
    "Context management",
    "Memory, storages and sessions",
    "Several agents",
    "Telemetry",
]
"""Sections whose rows name their tests."""

WORDS = ("works", "differs", "refused", "not yet")


def rows(section: str) -> list[list[str]]:
    """Return the cells of a section's rows, without the table's head."""
    lines = [line for line in TABLES[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


@pytest.mark.parametrize("section", TESTED)
def test_each_row_names_its_tests(section: str) -> None:
    features: list[str] = []
    for cells in rows(section):
        assert len(cells) == 4, f"{section}: {cells} has not the four cells feature, word, page and tests"
        feature, verdict, _, tests = cells
        word = re.match(r"\*\*([\w ]+)\*\*", verdict)
        assert word, f"{section}: {feature}: {verdict!r} does not begin with a word in bold"
        assert word[1] in WORDS, f"{section}: {feature}: {word[1]!r} is not one of {WORDS}"
        if word[1] == "refused":
            assert ":" in verdict, f"{section}: {feature}: say why it is refused, and what to use"
        if word[1] != "not yet":
            assert re.search(r"\[`test_\w+`\]\(", tests), f"{section}: {feature}: no test is named"
        features.append(feature)
    assert len(features) == len(set(features)), f"{section} has a feature twice"
    assert features


def test_each_test_of_the_page_exists() -> None:
    named = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", PAGE.read_text())
    assert len(named) > 40
    for name, target in named:
        path: Path = (PAGE.parent / target).resolve()
        assert path.is_file(), f"{PAGE.name} names {name} in {target}, which does not exist"
        assert re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE), (
            f"{name}: not in {target}"
        )
