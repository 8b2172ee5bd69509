"""Workflows that use sandboxes of their worker, directly and by an agent's tools."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from strands import Agent
from strands.hooks import AfterToolCallEvent
from strands.sandbox import ExecutionResult, StreamChunk
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from strands.vended_tools import file_editor, shell
from strands.vended_tools.python_repl import python_repl
from temporalio import workflow

from strands_temporal import SandboxChain, TemporalAgent, TemporalModel
from strands_temporal.activity import decode, encode
from strands_temporal.workflow import SecretRef, TemporalSandbox

ERROR_FIELDS = ("errno", "strerror", "filename", "stdout", "stderr", "exit_code")


async def operate(sandbox: Any, method: str, arguments: dict[str, Any]) -> Any:
    """Call a method of a sandbox, and return its result, or its error, as JSON."""
    if "env" in arguments:
        arguments["env"] = with_secrets(arguments["env"])
    try:
        if method.endswith("_streaming"):
            return encode(_merged([event async for event in getattr(sandbox, method)(**arguments)]))
        return encode(_shown(await getattr(sandbox, method)(**arguments)))
    except Exception as error:  # noqa: BLE001  # the test looks at it
        return encode(shown_error(error))


def shown_error(error: BaseException) -> dict[str, Any]:
    """Return what a user sees of an exception."""
    fields = {name: getattr(error, name) for name in ERROR_FIELDS if getattr(error, name, None) is not None}
    return {"error": type(error).__name__, "text": str(error), **fields}


def with_secrets(env: dict[str, Any]) -> dict[str, Any]:
    """Return environment variables, with a reference in place of each `["secret", name]`."""
    return {key: value if isinstance(value, str) else SecretRef(value[1]) for key, value in env.items()}


def _brief(value: Any) -> Any:
    """Return a result with the lengths of long texts in their place: a workflow's result has a limit too."""
    if isinstance(value, str):
        return value if len(value) < 100_000 else f"<{len(value)}>"
    if isinstance(value, dict):
        return {key: _brief(item) for key, item in cast("dict[str, Any]", value).items()}
    return [_brief(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _merged(events: list[Any]) -> list[Any]:
    """Return a stream's events with neighbouring chunks of one stream joined: how they are cut is chance."""
    merged: list[Any] = []
    for event in map(_shown, events):
        if isinstance(event, list) and merged and merged[-1][0] == event[0]:
            merged[-1][1] += event[1]
        else:
            merged.append(event)
    return merged


def _shown(value: Any) -> Any:
    if isinstance(value, StreamChunk):
        return [value.stream_type, value.data]
    if isinstance(value, ExecutionResult):
        return dataclasses.asdict(value)
    if isinstance(value, list):
        return [dataclasses.asdict(item) for item in cast("list[Any]", value)]
    return value


class DirectorySandbox(NotASandboxLocalEnvironment):
    """The worker's machine, with a directory in which commands run."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        """Run a command in the directory."""
        options["cwd"] = options.get("cwd") or self.directory
        async for event in super().execute_streaming(command, **options):
            yield event


class Directories:
    """Makes a directory for each chain of runs, and removes it at its end. Remembers both."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        self.made: list[SandboxChain] = []
        self.ended: list[str] = []

    @property
    def left(self) -> int:
        """How many directories there are."""
        return len(list(self.parent.iterdir()))

    @contextlib.asynccontextmanager
    async def __call__(self, chain: SandboxChain) -> AsyncGenerator[DirectorySandbox]:
        """A factory for `StrandsPlugin(sandboxes=...)`."""
        self.made.append(chain)
        directory = tempfile.mkdtemp(dir=self.parent)
        try:
            yield DirectorySandbox(directory)
        finally:
            shutil.rmtree(directory)
            self.ended.append(chain.workflow_id)


@workflow.defn
class Operations:
    """Calls methods of the sandbox "box", one after the other. Waits for the signal `next` between two."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.allowed = 0

    @workflow.run
    async def run(self, steps: list[Any], options: dict[str, Any] | None = None, waits: bool = False) -> Any:
        sandbox = TemporalSandbox("box", **_options(options))
        for method, arguments in steps:
            if waits and self.done:
                allowed = len(self.done)
                await workflow.wait_condition(lambda: self.allowed >= allowed)  # noqa: B023
            if method == "continue_as_new":
                workflow.continue_as_new(args=[steps[steps.index([method, arguments]) + 1 :], options])
            if method == "sleep":
                await workflow.sleep(arguments["seconds"])
            elif method == "write_zeros":
                given = {"path": arguments["path"], "content": bytes(arguments["size"])}
                self.done.append(await operate(sandbox, "write_file", given))
            else:
                self.done.append(_brief(await operate(sandbox, method, decode(arguments))))
        return self.done

    @workflow.signal
    def next(self) -> None:
        """Allow the next step."""
        self.allowed += 1

    @workflow.query
    def results(self) -> list[Any]:
        """Return the results so far."""
        return self.done


def _options(options: dict[str, Any] | None) -> dict[str, Any]:
    return {
        name: timedelta(seconds=value) if name.endswith("timeout") else value
        for name, value in (options or {}).items()
    }


TOOLS: dict[str, Any] = {"shell": shell, "python_repl": python_repl, "file_editor": file_editor}


@workflow.defn
class SandboxedAgent:
    """An agent with vended tools that work in a sandbox of the worker.

    The model "m" decides. `kind` is the kind of agent: "temporal" or "plain".
    """

    @workflow.run
    async def run(
        self, kind: str, tools: list[str], name: str | None = "box", env: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        failed: list[Any] = []

        def remember(event: AfterToolCallEvent) -> None:
            if event.exception is not None:
                failed.append(shown_error(event.exception))

        chosen: Any = [TOOLS[tool] for tool in tools]
        beats = timedelta(seconds=2)  # a cancellation arrives with a heartbeat
        sandbox = (
            None
            if name is None
            else TemporalSandbox(name, env=with_secrets(env or {}), heartbeat_timeout=beats)
        )
        if kind == "plain":
            model = TemporalModel("m")
            agent = Agent(model, tools=chosen, sandbox=sandbox, hooks=[remember], callback_handler=None)
        else:
            agent = TemporalAgent("m", tools=chosen, sandbox=sandbox, hooks=[remember])
        self.agent = agent
        result = await agent.invoke_async("go")
        return {"messages": encode(agent.messages), "failed": encode(failed), "stop": result.stop_reason}

    @workflow.signal
    def cancel(self) -> None:
        """Cancel the agent."""
        self.agent.cancel()
