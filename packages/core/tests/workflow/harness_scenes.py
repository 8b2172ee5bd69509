"""A session of AWS's harness agent, for a plain agent and for a durable one."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from strands import Agent, tool
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from temporalio import workflow

from strands_temporal import AgentValueError, TemporalAgent, TemporalModel
from strands_temporal.activity import encode
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

with workflow.unsafe.imports_passed_through():
    from strands_harness import create_harness

    from strands_temporal.workflow import TemporalSandbox, durable_harness

BOX = "/BOX"
"""Stands in a script for the directory of the sandbox."""


class BoxSandbox(NotASandboxLocalEnvironment):
    """A directory on this machine. `AGENTS.md` and the like are looked for in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        options["cwd"] = options.get("cwd") or str(self.directory)
        async for event in super().execute_streaming(command, **options):
            yield event

    async def read_file(self, path: str, **options: Any) -> bytes:
        return await super().read_file(str(self.directory / path), **options)

    async def list_files(self, path: str, **options: Any) -> Any:
        return await super().list_files(str(self.directory / path), **options)


def fill(directory: Path) -> None:
    """Make the directory anew, with a project and a skill."""
    shutil.rmtree(directory, ignore_errors=True)
    files = {
        "AGENTS.md": "Use spaces.",
        "main.py": "print(6 * 7)\n",
        "docs/README.md": "How to.",
        "docs/deep/AGENTS.md": "Deep.",
        ".agent/skills/greet/SKILL.md": "---\nname: greet\ndescription: How to greet\n---\nSay ahoy.\n",
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@tool
def facts(about: str = "all") -> dict[str, Any]:
    """Return facts."""
    return {"status": "success", "content": [{"json": {"about": about, "size": 3}}]}


@tool(name="fetch-url")
def fetch_url(url: str) -> str:
    """Return JSON as text."""
    return json.dumps({"url": url})


@tool
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return f"waited {seconds}"


CODES = {
    "one call": f'text = await read(path="{BOX}/main.py")\nprint(text)',
    "names": "f = facts\nprint((await f(about='x'))['about'], await fetch_url(url='u'), len([wait]))",
    "gather": (
        "import asyncio, json\n"
        "async def both(n):\n"
        "    a = await facts(about=str(n))\n"
        "    b = await shell(command=f'echo {n}')\n"
        "    return a['size'] + n, b['output'].strip()\n"
        "print(await asyncio.gather(*[both(n) for n in range(3)]))"
    ),
    "caught": f'try:\n    await read(path="{BOX}/none")\nexcept RuntimeError as e:\n    print("caught", e)',
    "uncaught": f'print("first")\nawait read(path="{BOX}/none")',
    "syntax": "def (",
    "runtime": 'print("before")\nx = {}\nx["a"]',
    "positional": "await facts('x')",
    "unknown name": "await nothing_here()",
    "no files": "print(open('/etc/passwd').read())",
    "nothing": "x = 1",
    "data": (
        "rows = [{'n': i, 's': 'é' * i, 'b': b'x', 't': (1, 2)} for i in range(50)]\n"
        "a = await facts(about='1')\nb = await facts(about=rows[3]['s'])\n"
        "print(len(rows), rows[49]['n'], a, b, rows[0]['t'], rows[0]['b'])"
    ),
    "not awaited": "c = facts(about='x')\nprint('end')",
    "itself": "await programmatic_tool_caller(code='1')",
}
"""Pieces of code that the model runs, by what they show."""


def in_box(value: Any, directory: Path) -> Any:
    """Return a value of a script with the directory in place of `BOX`."""
    return json.loads(json.dumps(value).replace(BOX, str(directory)))


def bare(value: Any, directory: Path) -> Any:
    """Return JSON with `BOX` in place of the directory."""
    return json.loads(json.dumps(value).replace(str(directory), BOX))


Steps = list[Reply]


def script(parent: Steps, child: Steps | None = None) -> Callable[[ScriptedCall], Reply]:
    """Return the script of a harness agent, of its sub-agents and of the summaries of web pages."""

    def reply(call: ScriptedCall) -> Reply:
        system = call.system_prompt or ""
        if system.startswith("You answer a request about a single fetched web page"):
            return say(f"It says {call.text.rpartition('--- Content ---')[2].strip()}")
        steps = child if "general-purpose subagent" in system else parent
        assert steps is not None
        return steps[call.answers] if call.answers < len(steps) else say("that is all")

    return reply


def session_steps(directory: Path, url: str, codes: Sequence[str]) -> Steps:
    """Return the session of the parity test: each built-in tool, and some pieces of code."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("shell", {"command": "ls; cat main.py"}),
        ("write", {"path": f"{BOX}/new.txt", "content": "one\ntwo"}),
        ("read", {"path": f"{BOX}/new.txt"}),
        ("edit", {"path": f"{BOX}/new.txt", "old_str": "two", "new_str": "three"}),
        ("edit", {"path": f"{BOX}/new.txt", "old_str": "nine", "new_str": "ten"}),
        ("read", {"path": f"{BOX}/new.txt", "offset": 2}),
        ("todo_write", {"todos": [{"content": "Test", "activeForm": "Testing", "status": "in_progress"}]}),
        ("web_fetch", {"url": url, "prompt": "What does it say?"}),
        ("web_fetch", {"url": url}),
        ("web_fetch", {"url": "ftp://x"}),
        *(("programmatic_tool_caller", {"code": CODES[name]}) for name in codes),
        ("subagent", {"task": "Count the files"}),
    ]
    return [
        use_tool(name, in_box(arguments, directory), tool_use_id=f"{name}-{number}")
        for number, (name, arguments) in enumerate(calls)
    ] + [say("I wait for the sub-agent"), say("done")]


def child_steps(directory: Path) -> Steps:
    return [use_tool("shell", {"command": "ls | wc -l"}, tool_use_id="c1"), say("4 files")]


def messages_of(agent: Agent) -> list[Any]:
    return encode([{"role": message["role"], "content": message["content"]} for message in agent.messages])


async def plain_session(
    model: ScriptedModel, directory: Path, prompts: list[str], **options: Any
) -> list[Any]:
    """Run a session with a plain harness agent, and return its messages."""
    given: dict[str, Any] = {"session": False, "memory": False, "skills": False, **options}
    agent = create_harness(
        model=model,
        sandbox=BoxSandbox(directory),
        tools=[facts, fetch_url, wait],
        callback_handler=None,
        **given,
    )
    for prompt in prompts:
        await agent.invoke_async(prompt)
    return messages_of(agent)


@workflow.defn
class HarnessWorkflow:
    """Runs a session with a durable harness agent, and returns its messages."""

    @workflow.run
    async def run(self, prompts: list[str], options: dict[str, Any]) -> list[Any]:
        agent = durable_harness(
            "m", sandbox="box", tools=[facts, fetch_url, wait], callback_handler=None, **options
        )
        for prompt in prompts:
            await agent.invoke_async(prompt)
        return messages_of(agent)


@workflow.defn
class AskingWorkflow:
    """Asks a person before each tool call, and gives each answer that comes by a signal."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.answers: list[str] = []
        self.carried = ""

    @workflow.signal
    def answer(self, answer: str) -> None:
        self.answers.append(answer)

    @workflow.query
    def asked(self) -> list[str]:
        return self.questions

    @workflow.run
    async def run(self, prompt: str, options: dict[str, Any]) -> list[Any]:
        agent = durable_harness(
            "m", sandbox="box", interventions="ask", tools=[facts], callback_handler=None, **options
        )
        result = await agent.invoke_async(prompt)
        while result.stop_reason == "interrupt":
            self.questions += [str(interrupt.reason) for interrupt in result.interrupts or ()]
            self.note_carry(agent)
            await workflow.wait_condition(lambda: bool(self.answers))
            answer = self.answers.pop(0)
            result = await agent.invoke_async(
                [
                    {"interruptResponse": {"interruptId": interrupt.id, "response": answer}}
                    for interrupt in result.interrupts or ()
                ]
            )
        return [self.questions, self.carried, messages_of(agent)]

    def note_carry(self, agent: TemporalAgent) -> None:
        try:
            agent.carry()
        except AgentValueError as error:
            self.carried = str(error)


@workflow.defn
class CreateHarnessWorkflow:
    """Builds an agent with the harness's own function."""

    @workflow.run
    async def run(self, options: dict[str, Any]) -> str:
        given: dict[str, Any] = {"session": False, "memory": False, "skills": False, **options}
        if given.get("model", "m") == "m":
            given["model"] = TemporalModel("m")
        if "sandbox" in given:
            given["sandbox"] = TemporalSandbox(given["sandbox"])
        agent = create_harness(callback_handler=None, **given)
        return str(await agent.invoke_async("Hello")).strip()


@workflow.defn
class RefusedWorkflow:
    """Builds a durable harness agent that is refused."""

    @workflow.run
    async def run(self, options: dict[str, Any]) -> None:
        durable_harness(options.pop("model", "m"), callback_handler=None, **options)


@workflow.defn
class KeptWorkflow:
    """One turn of an agent that keeps what it learns, and its session."""

    @workflow.run
    async def run(self, prompt: str, options: dict[str, Any]) -> str:
        agent = durable_harness("m", sandbox="box", callback_handler=None, builtin_plugins=[], **options)
        async with agent:
            return str(await agent.invoke_async(prompt)).strip()


@workflow.defn
class CancelledWorkflow:
    """Cancels its agent while the model's code runs."""

    @workflow.run
    async def run(self) -> list[Any]:
        agent = durable_harness(
            "m",
            sandbox=TemporalSandbox("box", heartbeat_timeout=timedelta(seconds=1)),
            tools=[wait],
            callback_handler=None,
            builtin_plugins=[],
        )
        turn = asyncio.ensure_future(agent.invoke_async("Go"))
        await workflow.sleep(1)
        agent.cancel()
        result = await turn
        return [result.stop_reason, messages_of(agent)]
