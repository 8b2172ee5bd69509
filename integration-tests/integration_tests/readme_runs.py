"""Runs an example as its README.md says, section "Without a key", and compares what the README shows."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from integration_tests.terminals import ROOT, Terminal, terminal

SCRIPTED = {"STRANDS_TEMPORAL_MODEL": "scripted"}
"""Environment variables of a worker with the scripted model."""

SECTION = "\n## Without a key\n"

_TYPED = re.compile(r"^(?P<prompt>you> |.*\[y/n\] )(?P<line>.+)$")

_DIFFERS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b"), "…"),  # ids of workflows and traces
    (re.compile(r"[\d.]+ GB"), "… GB"),
    (re.compile(r"^small: .*\w.*"), "small: …"),  # a real model's answer
)
"""What differs from run to run."""


@dataclass(frozen=True)
class Shown:
    """What a README shows.

    Attributes:
        client: Lines in the client's terminal, with what a person types.
        worker: Lines in the worker's terminal, if the README shows them.
    """

    client: Sequence[str]
    worker: Sequence[str]


def shown_by_readme(example: str) -> Shown:
    """Return what the example's README shows."""
    text = (ROOT / "examples" / example / "README.md").read_text()
    assert text.count(SECTION) == 1
    section = text.partition(SECTION)[2]
    assert f"`STRANDS_TEMPORAL_MODEL=scripted python -m examples.{example}.worker`" in section
    blocks = [block.splitlines() for block in re.findall(r"```text\n(.*?)```", section, re.DOTALL)]
    return Shown(blocks[0], blocks[1] if blocks[1:] else [])


@asynccontextmanager
async def example_running(
    variables: Mapping[str, str], example: str
) -> AsyncGenerator[tuple[Terminal, Terminal]]:
    """Run an example's worker and its client while the block runs. Yields both, in this order."""
    async with (
        terminal({**variables, **SCRIPTED}, f"examples.{example}.worker") as worker,
        terminal(
            variables, f"examples.{example}.client"
        ) as client,  # needs no model, and waits for the worker
    ):
        started = await worker.until("Ctrl+C to exit.\n")
        assert "a scripted model, which is not a real one" in started
        yield worker, client


async def typed_as_shown(client: Terminal, lines: Sequence[str]) -> str:
    """Type what a README shows as typed; return all that the client's terminal then shows."""
    seen = ""
    for typed in filter(None, map(_TYPED.match, lines)):
        seen += await client.until(typed["prompt"]) + typed["line"] + "\n"
        await client.type(typed["line"])
    return seen + await client.rest()


def assert_as_shown(seen: str, lines: Sequence[str]) -> None:
    """Assert that a terminal shows what the README shows, but for what differs from run to run."""
    noted = [line for line in seen.splitlines() if line and not line.startswith("(No worker is there")]
    assert [_alike(line) for line in noted] == [_alike(line) for line in lines], seen


def _alike(line: str) -> str:
    for pattern, instead in _DIFFERS:
        line = pattern.sub(instead, line)
    return line
