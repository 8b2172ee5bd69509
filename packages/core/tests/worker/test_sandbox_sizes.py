"""What is too large for history is a typed error that says what to do; no run is stuck."""

from pathlib import Path

import pytest
from conftest import Agents
from packages.core.tests.worker.sandbox_scenes import Operations
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment

from strands_temporal import StrandsPlugin
from strands_temporal._worker import sandbox_commands

pytestmark = pytest.mark.server
MIB = 1024 * 1024


async def test_a_large_file_or_output_is_a_typed_error_and_history_stays_small(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_commands, "LARGEST_OUTPUT", 16 * MIB)
    files, fits = tmp_path / "files", str(tmp_path / "fits")
    big = str(files / "big")
    making = f"mkdir {files}; head -c 100000000 /dev/zero > {big}; head -c {MIB} /dev/urandom > {fits}"
    steps = [
        ["execute", {"command": making}],
        ["read_file", {"path": big}],
        ["write_zeros", {"path": f"{big}2", "size": 100_000_000}],
        ["write_zeros", {"path": f"{big}2", "size": 3_000_000}],
        ["execute", {"command": "seq -w 1 1310720; echo done; echo failed >&2; exit 3"}],
        ["execute", {"command": "yes"}],
        ["execute", {"command": "head -c 1500000 /dev/zero | tr '\\0' 'x'; sleep 30", "timeout": 2}],
        ["list_files", {"path": str(files)}],
        ["read_file", {"path": fits}],
        ["execute", {"command": "head -c 1500000 /dev/zero | tr '\\0' 'x'"}],
    ]
    plugins = [StrandsPlugin(sandboxes={"box": NotASandboxLocalEnvironment})]
    async with agents(workflows=[Operations], plugins=plugins) as env:
        handle = await env.start(Operations.run, steps)
        (
            _,
            read,
            huge,
            written,
            output,
            endless,
            timed_out,
            refused_files,
            whole,
            printed,
        ) = await handle.result()
        await env.assert_replays(handle)
        size = (await handle.fetch_history()).to_json()
    assert read["error"] == "SandboxTooLargeError"
    assert "of 100,000,000 bytes in sandbox 'box' is too large" in read["text"]
    for refused in (huge, written):
        assert refused["error"] == "PayloadTooLargeError"
    assert refused_files == [{"name": "big", "is_dir": False, "size": 100_000_000}]
    assert output["error"] == "SandboxTooLargeError"
    assert output["exit_code"] == 3
    assert "ended with exit code 3 and wrote 10,485,765 characters to stdout" in output["text"]
    assert output["text"].endswith("The end of its stderr:\nfailed\n")
    assert output["stdout"].startswith("0000001\n")
    assert output["stdout"].endswith("1310720\ndone\n")
    assert endless["error"] == "SandboxTooLargeError"
    assert "The command was ended and wrote" in endless["text"]
    assert timed_out["error"] == "SandboxTimeoutError"
    assert "characters left out" in timed_out["stdout"]
    assert whole == {"$b64": f"<{(MIB + 2) // 3 * 4}>"}
    assert printed["stdout"] == "<1500000>"
    assert len(size) < 6 * MIB
