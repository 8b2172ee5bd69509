"""Shared by the tests of client tools: tools, a workflow that goes from run to run, and clients."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from conftest import at_rest
from strands import tool
from strands.hooks import AfterToolCallEvent
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle

from strands_temporal import AgentCarry, ClientTools, TemporalAgent
from strands_temporal.testing import AgentEnvironment, ScriptedCall, say
from strands_temporal.workflow import ClientCalls, activity_as_tool, client_tool

QUICK = timedelta(milliseconds=50)

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "times": {"type": "integer", "minimum": 1}},
    "required": ["text"],
}


def read_file(path: str, lines: int = 2) -> str:
    """Read a file on the user's machine.

    Args:
        path: Where it is.
        lines: How many lines to read.
    """
    if path == "missing":
        raise FileNotFoundError(f"no file {path!r}")
    return f"{lines} lines of {path}"


async def shout(text: str, times: int = 1) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"shouted": [text.upper()] * times}


@activity.defn
async def work(item: str) -> str:
    """Do work on the worker."""
    return f"worked on {item}"


def plain_work(item: str) -> str:
    return f"worked on {item}"


READ_FILE = client_tool(read_file)
SHOUT = client_tool(
    "shout", "Shout a text.", SCHEMA, output_schema={"type": "object", "required": ["shouted"]}
)
TOOLS = [READ_FILE, SHOUT, activity_as_tool(work)]

PLAIN_TOOLS: list[Any] = [
    tool(read_file),
    tool(name="shout", description="Shout a text.", inputSchema=SCHEMA)(shout),
    tool(name="work", description="Do work on the worker.")(plain_work),
]
"""The same tools for a plain agent, which runs them itself."""

FUNCTIONS: dict[str, Callable[..., Any]] = {"read_file": read_file, "shout": shout}


def echo(call: ScriptedCall) -> Any:
    return say(call.text)


@dataclass
class ClientTask:
    prompt: str | None = "go"
    deadline: float | None = None
    agent: AgentCarry | None = None
    calls: dict[str, Any] = field(default_factory=dict[str, Any])


@workflow.defn
class ClientWorkflow:
    """One agent with client tools. Continues as new on a signal while it waits for a client."""

    @workflow.init
    def __init__(self, task: ClientTask) -> None:
        self.calls = ClientCalls(task.calls)
        soon = None if task.deadline is None else timedelta(seconds=task.deadline)
        tools = [client_tool(read_file, deadline=soon), *TOOLS[1:]]
        self.exceptions: list[str] = []
        self.agent = TemporalAgent("model", tools=tools, callback_handler=None, carry=task.agent)
        self.agent.add_hook(self._note, AfterToolCallEvent)
        self.handing_over = False

    def _note(self, event: AfterToolCallEvent) -> None:
        if event.exception is not None:
            self.exceptions.append(f"{type(event.exception).__name__}: {event.exception}")

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.signal
    def stop(self) -> None:
        self.agent.cancel()

    @workflow.run
    async def run(self, task: ClientTask) -> dict[str, Any]:
        result = await self.calls.run(self.agent, task.prompt, stop_waiting_when=lambda: self.handing_over)
        if result.stop_reason == "interrupt":
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(ClientTask(None, task.deadline, self.agent.carry(), self.calls.carry()))
        return {
            "text": str(result).strip(),
            "stop_reason": result.stop_reason,
            "messages": self.agent.messages,
            "exceptions": self.exceptions,
        }


@asynccontextmanager
async def serving(
    client: Client,
    handle: "WorkflowHandle[Any, Any]",
    functions: dict[str, Callable[..., Any]] | None = None,
    **options: Any,
) -> AsyncGenerator["asyncio.Task[None]"]:
    """Run a `ClientTools` meanwhile."""
    options.setdefault("poll_interval", QUICK)
    tools = ClientTools(client, handle.id, functions or FUNCTIONS, **options)
    task = asyncio.create_task(tools.serve())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def ended(env: AgentEnvironment, handle: "WorkflowHandle[Any, Any]") -> Any:
    """Return the workflow's result; replay all of its runs."""
    result = await asyncio.wait_for(handle.result(), 30)
    run_id: str | None = handle.first_execution_run_id
    while run_id:
        one = env.client.get_workflow_handle(handle.id, run_id=run_id)
        await env.assert_replays(one)
        last = (await one.fetch_history()).events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id or None
    return result


async def open_calls(handle: "WorkflowHandle[Any, Any]", count: int = 1) -> list[dict[str, Any]]:
    """Return the workflow's open client calls, when there are so many."""
    calls: list[dict[str, Any]] = []
    for _ in range(600):
        await at_rest(handle)
        calls = await handle.query("client_tool_calls")
        if len(calls) == count:
            return calls
        await asyncio.sleep(0.05)  # nobody is told of a call
    raise AssertionError(f"{count} client calls were expected, not {calls}")
