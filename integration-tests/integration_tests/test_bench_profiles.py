"""`make bench ONLY=profile` writes flame graphs, or says why it cannot."""

import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from benchmarks import profiles
from benchmarks.lab import Lab, Sizes

from strands_temporal.testing import DevServer


async def _busy() -> None:
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        sum(range(1000))


def _files(folder: Path) -> dict[str, str]:
    return {"raw": str(folder / "p.txt"), "flamegraph": str(folder / "p.svg")}


def _flame(file: Path) -> str:
    root = ET.parse(file).getroot()  # noqa: S314  # our own file
    return "".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title"))


def _text(file: str) -> str:
    return Path(file).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="py-spy needs root elsewhere")
async def test_a_phase_is_written_as_collapsed_stacks_and_as_a_flame_graph(tmp_path: Path) -> None:
    assert "error" not in await profiles.sample(_busy, _files(tmp_path), native=False)
    stacks = [line.rpartition(" ") for line in (tmp_path / "p.txt").read_text().splitlines()]
    assert sum(int(count) for stack, _, count in stacks if "_busy" in stack) > 0
    assert "_busy" in _flame(tmp_path / "p.svg")


async def test_a_machine_that_forbids_sampling_gets_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\necho 'Error: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(profiles, "py_spy", lambda: str(program))
    result = await profiles.sample(_busy, _files(tmp_path), native=False)
    assert "could not read the profiled process: Operation not permitted" in result["error"]
    assert "ptrace_scope" in result["error"]


@pytest.mark.server
@pytest.mark.slow
async def test_a_worker_with_agents_and_replays_are_profiled(server: DevServer, tmp_path: Path) -> None:
    sizes = Sizes(turns=12, agents=3)
    lab = Lab(server.address, {"ours": sys.executable}, tmp_path, sizes)
    lines = await profiles.profiles(lab, tmp_path)
    assert sorted(Path(line).name for line in lines) == [
        f"{name}.{end}"
        for name in ("agents-3", "replay-12-no-window", "replay-12-window")
        for end in ("svg", "txt")
    ]
    for line in lines:
        assert "TemporalAgent" in _text(line)
