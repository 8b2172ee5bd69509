"""The code blocks of the pages that are not Python: commands are checked or run, data is parsed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from integration_tests.doc_blocks import (
    BLOCKS,
    COMMAND_LANGUAGES,
    ROOT,
    Block,
    check_command,
)

DRAWINGS = {"docs/tracing.md": ["ask "]}
"""Indented blocks that are not commands, by their beginnings. In new pages, write them as ```text."""


def test_each_block_is_of_a_known_kind() -> None:
    kinds = {"", "python", "json", "text", "toml", "yaml", *COMMAND_LANGUAGES}
    assert {str(block): block.language for block in BLOCKS if block.language not in kinds} == {}


def is_drawing(block: Block) -> bool:
    beginnings = DRAWINGS.get(str(block.page.relative_to(ROOT)), [])
    return any(block.text.startswith(beginning) for beginning in beginnings)


PLAIN = [block for block in BLOCKS if block.language in ("", *COMMAND_LANGUAGES) and not is_drawing(block)]


@pytest.mark.parametrize("block", PLAIN, ids=str)
def test_the_commands_of_a_block_can_be_given(block: Block) -> None:
    assert block.commands, f"no commands that are known here:\n{block.text}"
    for words in block.commands:
        check_command(words)


DATA = [block for block in BLOCKS if block.language in ("json", "toml", "yaml")]


@pytest.mark.parametrize("block", DATA, ids=str)
def test_data_can_be_read(block: Block) -> None:
    assert list(values(block.language, block.text))


def values(language: str, text: str) -> Iterator[Any]:
    """Yield the values that a block shows: JSON may be several."""
    if language == "yaml":
        yield from yaml.safe_load_all(text)
    elif language == "toml":
        tomllib = pytest.importorskip("tomllib", reason="Python 3.10 does not have it")
        yield tomllib.loads(text)
    else:
        while text := text.strip():
            value, end = json.JSONDecoder().raw_decode(text)
            yield value
            text = text[end:]


@pytest.mark.parametrize(
    ("language", "text"), [("json", '{"a": 1} {"b"'), ("json", ""), ("toml", "a = "), ("yaml", "a: [")]
)
def test_data_with_a_mistake_is_found(language: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError, yaml.YAMLError)):
        assert list(values(language, text))


@pytest.mark.parametrize(
    ("language", "text", "commands"),
    [
        (
            "console",
            "$ temporal --version\ntemporal version 1\n$ make \\\n  demo",
            [["temporal", "--version"], ["make", "demo"]],
        ),
        ("bash", "CHAT=1 make demo  # you type", [["make", "demo"]]),
        ("", "make demo\nmake test", [["make", "demo"], ["make", "test"]]),
        ("", "a drawing\nmake demo", []),
        ("", "the model's answer", []),
    ],
)
def test_the_commands_of_a_block_are_found(language: str, text: str, commands: list[list[str]]) -> None:
    assert Block(ROOT / "page.md", 1, language, text).commands == commands


@pytest.mark.parametrize(
    "words",
    [
        ["make", "tset"],
        ["make", "demo", "CHATT=1"],
        ["pip", "install", "strands-temporal[htil]"],
        ["python", "-m", "examples.nobody"],
        ["python", "-m", "strands_temporal_hitl", "aprove", "w"],
        ["strands-temporal-hitl", "approve", "w", "--yess"],
        ["temporal", "workflow", "pauze", "--workflow-id", "w"],
        ["temporal", "workflow", "pause", "--bogus", "w"],
        ["temporal", "workflow", "pauze"],
        ["uv", "run", "pytest", "packages/cor"],
        ["bash", "findings/none.sh"],
        ["python", "-c", "print("],
        ["nobody"],
    ],
    ids=" ".join,
)
def test_a_command_with_a_mistake_is_found(words: list[str]) -> None:
    with pytest.raises((AssertionError, ModuleNotFoundError, SyntaxError)):
        check_command(words)
