"""Runs in an empty environment: use core and the siblings in PRESENT; check that those in ABSENT are missing.

`smoke_check.py PRESENT ABSENT cli|no-cli`, the first two comma-separated lists of modules.
"""

import asyncio
import importlib
import importlib.util
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from strands import tool
from temporalio import activity, workflow
from temporalio.worker import Replayer

from strands_temporal import ComposablePlugin, StrandsPlugin, TemporalAgent
from strands_temporal.workflow import activity_as_tool


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter in a word."""
    return word.count(letter)


@activity.defn
async def fetch_weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


@workflow.defn
class SmokeWorkflow:
    """An agent with both kinds of tools."""

    def __init__(self) -> None:
        self.agent = TemporalAgent(
            start_to_close_timeout=timedelta(seconds=60),
            tools=[letter_counter, activity_as_tool(fetch_weather)],
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Run the agent."""
        return str(await self.agent.invoke_async(prompt))


def siblings(names: list[str]) -> list[Any]:
    """Return a plugin of each sibling."""
    plugins: list[Any] = []
    for name in names:
        module = importlib.import_module(name)
        plugins += [getattr(module, exported)() for exported in module.__all__ if exported.endswith("Plugin")]
    return plugins


async def main(present: list[str], absent: list[str]) -> None:
    """Check that the installed packages work together and that no other sibling is there."""
    for name in absent:
        if importlib.util.find_spec(name) is not None:
            raise SystemExit(f"{name} came along uninvited")
    plugins = [StrandsPlugin(), *siblings(present)]
    if len(plugins) != 1 + len(present) or not all(
        isinstance(plugin, ComposablePlugin) for plugin in plugins
    ):
        raise SystemExit(f"Not one plugin for each of {present}: {plugins}")
    Replayer(workflows=[SmokeWorkflow], plugins=plugins)  # validates the workflow in Temporal's sandbox
    agent = SmokeWorkflow().agent
    if agent.tool_names != ["letter_counter", "fetch_weather"]:
        raise SystemExit(f"The agent has the tools {agent.tool_names}")
    here = Path(sys.modules["strands_temporal"].__file__ or "")
    print(f"    {', '.join(plugin.name() for plugin in plugins)}: work ({here.parent.parent.name})")


async def check_console() -> None:
    """Check that the console serves its page, where the extra `web` is installed."""
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "ag_ui", "uvicorn")):
        return
    web = importlib.import_module("strands_temporal_streaming.web")
    app = web.console_app(SimpleNamespace(namespace="default"), ["support"], task_queue="agents")
    for path in ("/", "/assets/main.js", "/assets/console.css"):
        await check_served(app, path)
    print("    the console serves its page")


async def check_inbox() -> None:
    """Check that the inbox serves its pages, where its extra is installed."""
    needed = ("strands_temporal_hitl", "starlette", "jinja2")
    if any(importlib.util.find_spec(name) is None for name in needed):
        return
    inbox = importlib.import_module("strands_temporal_hitl.inbox")
    login = inbox.SessionLogin(print)  # a function: nobody signs in here
    app = inbox.inbox_app(SimpleNamespace(namespace="default"), authenticate=login, key="k" * 32)
    for path in ("/sign-in", "/assets/inbox.js", "/assets/inbox.css"):
        await check_served(app, path)
    print("    the inbox serves its pages")


async def check_served(app: Any, path: str) -> None:
    """Check that an app answers a request of this machine with something.

    Raises:
        SystemExit: It does not.
    """
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
        "client": ("127.0.0.1", 1),
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, None, send)
    if sent[0]["status"] != 200 or not sent[1]["body"]:
        raise SystemExit(f"{path} is not served: {sent}")


def check_command(*, has_extra: bool) -> None:
    """Check that the script `strands-temporal` works, or names the extra that it needs."""
    script = Path(sys.executable).with_name("strands-temporal")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=False)
    wanted = "chat" if has_extra else "strands-temporal[cli]"
    if done.returncode != (0 if has_extra else 1) or wanted not in done.stdout + done.stderr:
        raise SystemExit(f"strands-temporal --help: {done}")
    if has_extra:
        for command in ("dev", "chat"):
            subprocess.run([script, command, "--help"], capture_output=True, timeout=60, check=True)


if __name__ == "__main__":
    asyncio.run(main(*([name for name in argument.split(",") if name] for argument in sys.argv[1:3])))
    asyncio.run(check_console())
    asyncio.run(check_inbox())
    check_command(has_extra=sys.argv[3] == "cli")
