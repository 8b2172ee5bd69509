"""Sandboxes of a user's own in a workflow: with files in memory they work, with I/O they are refused."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, Sandbox
from strands.sandbox import ExecutionResult, FileInfo, StreamChunk
from strands.sandbox.errors import SandboxPathNotFoundError
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from strands.vended_plugins.skills import AgentSkills
from strands.vended_tools import file_editor, shell
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal._upstream.default_sandbox import works_on_a_machine
from strands_temporal.testing import AgentFactory, Scenario, ScriptedModel, prompts, run_parity, say, use_tool
from strands_temporal.workflow import TemporalSandbox

server = pytest.mark.server
SKILL = "---\nname: sums\ndescription: Adds numbers.\n---\nCarry the one.\n"


FILES = {"/notes.txt": "tea\n", "/skills/sums/SKILL.md": SKILL, "/skills/sums/scripts/add.py": "1+1"}


class MemorySandbox(Sandbox):
    """Files in memory, and one command: `cat FILE`."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = {path: content.encode() for path, content in files.items()}

    async def execute_streaming(
        self, command: str, **options: Any
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        text = (await self.read_file(command.removeprefix("cat "))).decode()
        yield StreamChunk(text, "stdout")
        yield ExecutionResult(0, text, "")

    async def execute_code_streaming(
        self, code: str, language: str, **options: Any
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        yield ExecutionResult(1, "", f"no {language}")

    async def read_file(self, path: str, **options: Any) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file", path)
        return self.files[path]

    async def write_file(self, path: str, content: bytes, **options: Any) -> None:
        self.files[path] = content

    async def remove_file(self, path: str, **options: Any) -> None:
        del self.files[path]

    async def list_files(self, path: str, **options: Any) -> list[FileInfo]:
        below = [name[len(path) + 1 :] for name in self.files if name.startswith(f"{path}/")]
        if not below:
            raise SandboxPathNotFoundError(path)
        return [FileInfo(name, "/" in rest) for name, _, rest in (entry.partition("/") for entry in below)]


class HostSandbox(MemorySandbox):
    """Files and commands of the machine."""

    async def execute_streaming(
        self, command: str, **options: Any
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        process = await asyncio.create_subprocess_shell(command)
        yield ExecutionResult(await process.wait(), "", "")

    async def read_file(self, path: str, **options: Any) -> bytes:
        with open(path, "rb") as file:  # noqa: ASYNC230, PTH123  # what is to be refused
            return file.read()


class LocalDirectory(NotASandboxLocalEnvironment):
    """Strands' own, a little changed."""


def works() -> ScriptedModel:
    """Read a skill, edit a file, look at it, and meet an error."""
    edit = {"command": "str_replace", "path": "/notes.txt", "old_str": "tea", "new_str": "coffee"}
    return ScriptedModel(
        use_tool("skills", {"skill_name": "sums"}, tool_use_id="a"),
        use_tool("file_editor", edit, tool_use_id="b"),
        use_tool("shell", {"command": "cat /notes.txt"}, tool_use_id="c"),
        use_tool("shell", {"command": "cat /none"}, tool_use_id="d"),
        lambda call: say(call.text),
    )


@server
@pytest.mark.parametrize("where", ["workflow", "worker"])
async def test_a_sandbox_in_memory_works_as_in_a_plain_agent(
    client: Client, worker_options: dict[str, Any], where: str
) -> None:
    def build(make: AgentFactory) -> Agent:
        handle = where == "worker" and make.durable
        sandbox = TemporalSandbox("box") if handle else MemorySandbox(FILES)
        return make(sandbox=sandbox, tools=[shell, file_editor], plugins=[AgentSkills("/skills")])

    scenario = Scenario(works, build, prompts("go"), sandboxes={"box": lambda: MemorySandbox(FILES)})
    parity = await run_parity(client, scenario, **worker_options)
    assert parity.plain.error is None
    parity.assert_equal()
    said = str(parity.durable.messages)
    assert "Carry the one." in said
    assert "scripts/add.py" in said
    assert "coffee" in said
    assert "Adds numbers." in parity.durable.given[0]["system_prompt"]


@workflow.defn
class Refused:
    """Builds an agent whose sandbox does I/O inside the workflow, and runs it."""

    @workflow.run
    async def run(self, kind: str, case: str) -> str:
        arguments: dict[str, Any] = {
            "command": {"tools": [shell], "sandbox": HostSandbox({})},
            "file": {"tools": [file_editor], "sandbox": HostSandbox({"/etc/hostname": ""})},
            "skills": {"plugins": [AgentSkills("/skills")], "sandbox": HostSandbox({"/skills/SKILL.md": ""})},
            "no sandbox": {"plugins": [AgentSkills("/skills")]},
            "unknown": {"plugins": [AgentSkills("/skills")], "sandbox": TemporalSandbox("bax")},
            "subclass": {"sandbox": LocalDirectory()},
            "local": {"sandbox": NotASandboxLocalEnvironment()},
            "host file": {},
        }[case]
        if case == "host file":
            return str(await NotASandboxLocalEnvironment().read_file("/etc/hostname"))
        agent = (
            TemporalAgent("m", **arguments)
            if kind == "temporal"
            else Agent(TemporalModel("m"), callback_handler=None, **arguments)
        )
        if case in ("subclass", "local", "no sandbox"):
            return "was built"
        return str(await agent.invoke_async("go"))


CASES = {
    "command": (
        r"^HostSandbox would .*StrandsPlugin\(sandboxes=\{'name': lambda: HostSandbox\(\.\.\.\)\}\).*"
        r"TemporalSandbox\('name'\).* It tried: asyncio's subprocess_"
    ),
    "file": r"^HostSandbox would .* It tried: open",
    "skills": r"^HostSandbox would .* It tried: open",
    "no sandbox": r"wants to list '/skills' from inside the workflow.*sandbox=TemporalSandbox\('name'\)",
    "unknown": r"Unknown sandbox 'bax'.* Did you mean 'box'\?.*StrandsPlugin\(sandboxes=\.\.\.\)",
    "subclass": r"gent\(sandbox=\.\.\.\): LocalDirectory would .*TemporalSandbox\('name'\)",
    "local": r"gent\(sandbox=\.\.\.\): NotASandboxLocalEnvironment would .*TemporalSandbox\('name'\)",
    "host file": r"^NotASandboxLocalEnvironment would .*TemporalSandbox\('name'\)",
}


TYPES = {"no sandbox": "AgentValueError", "unknown": "SandboxNotRegisteredError"}


@server
@pytest.mark.parametrize(
    ("kind", "cases"),
    [
        ("temporal", ["command", "skills", "unknown", "subclass"]),
        pytest.param("temporal", ["file", "no sandbox", "local", "host file"], marks=pytest.mark.slow),
        pytest.param("plain", list(CASES), marks=pytest.mark.slow),
    ],
)
async def test_one_that_does_io_is_refused_and_the_message_says_where_it_belongs(
    agents: Agents, kind: str, cases: list[str]
) -> None:
    def uses(call: Any) -> Any:
        if len(call.messages) > 1:
            return say(call.text)
        if "shell" in call.tool_names:
            return use_tool("shell", {"command": "ls"})
        return use_tool("file_editor", {"command": "view", "path": "/etc/hostname"})

    async with agents(
        workflows=[Refused],
        models={"m": lambda: ScriptedModel(uses, repeat=True)},
        sandboxes={"box": NotASandboxLocalEnvironment},
    ) as env:
        for case in cases:
            with pytest.raises(WorkflowFailureError) as failure:
                await env.run(Refused.run, kind, case)
            cause = failure.value.cause
            assert isinstance(cause, ApplicationError), case
            assert re.search(CASES[case], cause.message), (case, cause.message)
            if kind == "temporal":  # Strands wraps what a hook of a plain agent raises
                assert cause.type == TYPES.get(case, "AgentTypeError"), case


def test_a_class_with_operations_of_strands_own_sandboxes_works_on_a_machine() -> None:
    class Overrides(LocalDirectory, MemorySandbox):
        execute_streaming = MemorySandbox.execute_streaming  # pyright: ignore[reportAssignmentType]

    assert works_on_a_machine(LocalDirectory)
    assert works_on_a_machine(Overrides)
    assert not works_on_a_machine(MemorySandbox)
    assert not works_on_a_machine(TemporalSandbox)


def test_a_subclass_is_refused_outside_of_a_workflow_as_well() -> None:
    with pytest.raises(AgentTypeError, match="LocalDirectory would run commands"):
        TemporalAgent("m", sandbox=LocalDirectory())
