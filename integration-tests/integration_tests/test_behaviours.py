"""docs/coming-from-contrib-strands.md says what a run of each integration shows."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.black_box import PACKAGE, black_box_python

from integration_tests.pages import DOCS
from integration_tests.terminals import ROOT
from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

PAGE = (DOCS / "coming-from-contrib-strands.md").read_text()
PROSE = " ".join(PAGE.split())

SHIM = """
from {package} import StrandsPlugin, TemporalAgent
from {package}.workflow import activity_as_hook, activity_as_tool
"""


async def behaviours(python: str, package: str, server: DevServer, folder: Path) -> dict[str, dict[str, Any]]:
    """Return what `integration_tests.behaviours` sees of an integration."""
    (folder / "integration.py").write_text(SHIM.format(package=package))
    process = await asyncio.create_subprocess_exec(
        *(python, "-W", "ignore", "-m", "integration_tests.behaviours", server.address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "integration-tests")])},
    )
    try:
        printed, errors = await asyncio.wait_for(process.communicate(), 150)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    [line] = [line for line in printed.decode().splitlines() if line.startswith("{")] or [errors.decode()]
    return json.loads(line)


async def test_here(server: DevServer, tmp_path: Path) -> None:
    seen = await behaviours(sys.executable, "strands_temporal", server, tmp_path)

    ended = {scene: (one.get("result") or one.get("failure") or "").strip() for scene, one in seen.items()}
    assert ended == {
        "plain tool": "end",
        "async tool": "end",
        "image": "end",
        "no timeout": "end",
        "synchronous call": "SynchronousCallError",
        "unknown model": "ValueError",
        "bad key": "AuthenticationError",
        "throttled": "ModelThrottledException",
        "overflow": "ContextWindowOverflowException",
        "token limit": "MaxTokensReachedException",
        "bad hook": "KeyError",
        "failing audit": "LookupError",
        "bad arguments": "end",
        "failing tool": "end",
        "agent.cancel": "0 s",
        "cancelled workflow": "CancelledError",
        "five turns": "done",
        "HumanInTheLoop": "interrupt, end",
    }
    assert "got 1" in seen["plain tool"]["read"]
    assert "Validation failed for input parameters" in seen["bad arguments"]["read"]
    assert "Error: LookupError - no such thing" in seen["failing tool"]["read"]
    first, *later = seen["five turns"]["inputs"]
    assert first < 1300
    assert all(number < 200 for number in later)


@pytest.mark.slow  # waits 25 seconds for runs that go on, and may install the other integration
async def test_there(server: DevServer, tmp_path: Path) -> None:
    python, why = await asyncio.to_thread(black_box_python)
    if python is None:
        pytest.skip(why)
    assert f"`{PACKAGE.replace('==', '` ')}" in PROSE
    seen = await behaviours(python, "temporalio.strands_agents", server, tmp_path)

    goes_on = {scene for scene, one in seen.items() if not one.keys() & {"result", "failure"}}
    assert goes_on == {
        "image",
        "no timeout",
        "synchronous call",
        "unknown model",
        "bad key",
        "token limit",
        "bad hook",
        "failing audit",
        "bad arguments",
        "cancelled workflow",
    }
    for scene in ("image", "no timeout", "synchronous call"):
        assert f"`{seen[scene]['task failed'].partition(' of 1 bytes')[0]}`" in PROSE
    for scene in ("unknown model", "bad key", "bad arguments"):
        assert seen[scene]["attempt"] == 6
    assert "Unknown model name 'unknown model'. Known: [" in seen["unknown model"]["pending"]
    assert "Failed decoding arguments" in seen["bad arguments"]["pending"]
    assert seen["throttled"]["result"] == seen["overflow"]["result"] == "ActivityError"
    assert '"Error: NotImplementedError - "' in seen["plain tool"]["read"]
    assert '"no such thing"' in seen["failing tool"]["read"]
    assert seen["agent.cancel"]["result"] in ("5 s", "6 s")
    assert seen["async tool"]["result"] == "end"
    assert seen["HumanInTheLoop"]["result"] == "interrupt, end"
    assert ", ".join(f"{number:,}" for number in seen["five turns"]["inputs"]) in PROSE
