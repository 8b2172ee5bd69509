"""Operations of a `TemporalSandbox` give what the worker's sandbox gives by itself."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.worker.sandbox_scenes import TOOLS, Operations, SandboxedAgent, operate
from strands import Agent
from strands.sandbox.docker import DockerSandbox
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from temporalio import worker

from strands_temporal import StrandsPlugin
from strands_temporal.activity import ToolProgress, decode, encode, forward_progress
from strands_temporal.testing import ScriptedModel, say, use_tool

pytestmark = pytest.mark.server
ANY_BYTES = bytes(range(256)) + b"\r\n\x00\xff"


def plugin(**options: Any) -> StrandsPlugin:
    """A plugin with the worker's own machine as its sandbox "box"."""
    return StrandsPlugin(sandboxes={"box": NotASandboxLocalEnvironment}, **options)


def steps(directory: Path) -> list[Any]:
    """Operations of all kinds, with their errors."""
    there, missing = str(directory / "sub" / "data.bin"), str(directory / "missing")
    both = "echo out; sleep 0.2; echo err >&2; sleep 0.2; printf 'ü\\377'; exit 3"
    return [
        ["execute", {"command": both, "cwd": str(directory)}],
        ["execute_streaming", {"command": both}],
        ["execute", {"command": "pwd; echo $TEA", "cwd": str(directory), "env": {"TEA": "green & 'hot'"}}],
        ["execute_code", {"code": "import sys; print(6 * 7); sys.exit(2)", "language": "python3"}],
        ["execute_code_streaming", {"code": "print('x')", "language": "python3", "cwd": str(directory)}],
        ["write_file", {"path": there, "content": encode(ANY_BYTES)}],
        ["read_file", {"path": there}],
        ["write_text", {"path": f"{there}.txt", "content": "Tee, 茶"}],
        ["read_text", {"path": f"{there}.txt"}],
        ["list_files", {"path": str(directory)}],
        ["list_files", {"path": str(directory / "sub")}],
        ["remove_file", {"path": there}],
        ["remove_file", {"path": there}],
        ["read_file", {"path": missing}],
        ["read_file", {"path": str(directory)}],
        ["list_files", {"path": missing}],
        ["execute", {"command": "echo part; echo bad >&2; sleep 30", "timeout": 1.5}],
        ["execute", {"command": "true", "env": {"A B": "x"}}],
        ["execute_code", {"code": "", "language": "python3; rm -rf /"}],
        ["execute", {"command": "pwd", "cwd": missing}],
    ]


DOCKER = """#!/bin/sh
# Stands in for `docker exec [-w DIRECTORY] [-e NAME=VALUE]... -- CONTAINER COMMAND...`
shift
while [ "$1" != "--" ]; do
  case "$1" in -w) cd "$2" || exit 126 ;; -e) export "$2" ;; esac
  shift 2
done
shift 2
exec "$@"
"""


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", ["local", "docker"])
async def test_each_operation_gives_what_the_sandbox_itself_gives(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    tools, files = tmp_path / "tools", tmp_path / "files"
    tools.mkdir()
    files.mkdir()
    program = tools / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    make = NotASandboxLocalEnvironment if kind == "local" else lambda: DockerSandbox("box")
    todo = steps(files)
    itself = make()
    expected = [await operate(itself, method, decode(arguments)) for method, arguments in todo]
    async with agents(workflows=[Operations], plugins=[StrandsPlugin(sandboxes={"box": make})]) as env:
        results = await env.run(Operations.run, todo)
    for (method, _), result, plain in zip(todo, results, expected, strict=True):
        assert result == plain, method
    assert decode(results[6]) == ANY_BYTES
    assert results[0]["exit_code"] == 3
    assert [chunk[0] for chunk in results[1][:-1]] == ["stdout", "stderr", "stdout"]
    assert results[16]["error"] == "SandboxTimeoutError"
    assert results[16]["stdout"] == "part\n"
    assert results[15]["error"] == "SandboxPathNotFoundError"
    assert results[13]["error"] == "FileNotFoundError"
    assert results[13].get("errno") == (2 if kind == "local" else None)


def conversation(directory: Path) -> ScriptedModel:
    """A model that uses each vended tool, and meets some errors."""
    path = str(directory / "note.txt")
    return ScriptedModel(
        use_tool("file_editor", {"command": "create", "path": path, "file_text": "tea\n"}, tool_use_id="a"),
        use_tool("shell", {"command": f"cat {path}; echo oops >&2; exit 4"}, tool_use_id="b"),
        use_tool("python_repl", {"code": f"print(open({path!r}).read().upper())"}, tool_use_id="c"),
        use_tool("file_editor", {"command": "view", "path": f"{path}.bak"}, tool_use_id="d"),
        use_tool("shell", {"command": "echo part; sleep 30", "timeout": 2}, tool_use_id="e"),
        use_tool(
            "file_editor",
            {"command": "str_replace", "path": path, "old_str": "tea", "new_str": "coffee"},
            tool_use_id="f",
        ),
        lambda call: say(call.text),
    )


@pytest.mark.parametrize("kind", ["temporal", "plain"])
async def test_vended_tools_work_through_the_handle_as_in_a_plain_agent(
    agents: Agents, tmp_path: Path, kind: str
) -> None:
    local = Agent(conversation(tmp_path), tools=list(TOOLS.values()), callback_handler=None)
    await local.invoke_async("go")
    (tmp_path / "note.txt").unlink()
    model = conversation(tmp_path)
    async with agents(workflows=[SandboxedAgent], plugins=[plugin(models={"m": lambda: model})]) as env:
        result = await env.run(SandboxedAgent.run, kind, list(TOOLS))

    def without_ids(messages: Any) -> list[Any]:
        return [{"role": message["role"], "content": message["content"]} for message in messages]

    assert without_ids(decode(result["messages"])) == without_ids(local.messages)
    assert (tmp_path / "note.txt").read_text() == "coffee\n"
    assert [failure["error"] for failure in result["failed"]] == ["ValueError", "SandboxTimeoutError"]


heard: list[ToolProgress] = []


def hear(progress: ToolProgress) -> None:
    heard.append(progress)


class Hearing(worker.Interceptor):
    """Listens to the progress of activities, as a user's interceptor may."""

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        class Inbound(worker.ActivityInboundInterceptor):
            async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
                with forward_progress(hear):
                    return await self.next.execute_activity(input)

        return Inbound(next)


async def test_output_is_progress_while_a_command_runs(agents: Agents, tmp_path: Path) -> None:
    heard.clear()
    go_on = tmp_path / "go_on"
    command = f"echo one; echo bad >&2; until [ -e {go_on} ]; do sleep 0.05; done; echo two"
    model = ScriptedModel(use_tool("shell", {"command": command}, tool_use_id="s-1"), say("done"))
    plugins = [plugin(models={"m": lambda: model})]
    async with agents(workflows=[SandboxedAgent], plugins=plugins, interceptors=[Hearing()]) as env:
        handle = await env.start(SandboxedAgent.run, "temporal", ["shell"])
        details: dict[str, Any] = {}
        for _ in range(300):
            (*_, pending) = (await handle.describe()).raw_description.pending_activities or [None]
            if pending is not None and pending.heartbeat_details.payloads:
                (details,) = await env.client.data_converter.decode(pending.heartbeat_details.payloads)
                if details.get("tail"):
                    break
            await asyncio.sleep(0.05)
        go_on.touch()
        await handle.result()
        await env.assert_replays(handle)
    assert details["started"] is True
    assert details["tail"] in ("one\n", "one\nbad\n", "bad\n", "bad\none\n")
    assert {(one.name, one.tool_use_id, one.attempt) for one in heard} == {("shell", "s-1", 1)}
    assert [one.number for one in heard] == list(range(len(heard)))
    out = "".join(one.value["text"] for one in heard if one.value["stream"] == "stdout")
    assert out == "one\ntwo\n"
    summary = await _summary(handle)
    assert summary == "box · shell"


async def _summary(handle: Any) -> str:
    """Return the summary of the command's activity."""
    async for event in handle.fetch_history_events():
        kind = event.activity_task_scheduled_event_attributes.activity_type.name
        if kind == "sandbox_execute":
            return json.loads(event.user_metadata.summary.data)
    raise AssertionError("no command")
