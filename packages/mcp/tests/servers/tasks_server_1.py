# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false, reportCallIssue=false, reportMissingTypeArgument=false
# The type checker sees mcp 2, which does not have these names.
# ruff: noqa: ASYNC240  # files of a few bytes
"""An MCP server whose tools run as tasks of revision 2025-11-25, with the experimental API of mcp 1."""

import asyncio
import os
import warnings
from pathlib import Path
from typing import Any

import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.experimental.tasks.helpers import cancel_task
from mcp.shared.experimental.tasks.in_memory_task_store import InMemoryTaskStore

warnings.filterwarnings("ignore", message="The experimental tasks API is deprecated")
server: Any = Server("tasks")
store = InMemoryTaskStore()
server.experimental.enable_tasks(store=store)
hanging: dict[str, str] = {}

PARAMETERS = {
    "research": {"topic": "string", "seconds": "number"},
    "broken": {"message": "string"},
    "hang": {"marker": "string"},
    "die_once": {"marker": "string"},
    "process": {},
}


@server.list_tools()
async def list_tools() -> list[types.Tool]:
    return [
        types.Tool(
            name=name,
            inputSchema={
                "type": "object",
                "properties": {p: {"type": kind} for p, kind in parameters.items()},
            },
            execution=types.ToolExecution(taskSupport="forbidden" if name == "process" else "required"),
        )
        for name, parameters in PARAMETERS.items()
    ]


@server.call_tool()
async def call_tool(name: str, arguments: dict[str, Any]) -> Any:
    if name == "process":
        return [types.TextContent(type="text", text=str(os.getpid()))]
    experimental = server.request_context.experimental
    experimental.validate_task_mode("required")

    async def work(task: Any) -> types.CallToolResult:
        text = await WORK[name](task, **arguments)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    return await experimental.run_task(work)


@server.experimental.cancel_task()
async def cancelled(request: types.CancelTaskRequest) -> types.CancelTaskResult:
    marker = hanging.get(request.params.taskId)
    if marker:
        Path(f"{marker}.ended").touch()
    return await cancel_task(store, request.params.taskId)


async def research(task: Any, topic: str, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"found {topic}"


async def broken(task: Any, message: str) -> str:
    raise ValueError(message)


async def hang(task: Any, marker: str) -> str:
    hanging[task.task_id] = marker
    Path(marker).write_text(str(os.getpid()))
    await asyncio.Event().wait()
    return "never"


async def die_once(task: Any, marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(3)
    return "answered as a task"


WORK: dict[str, Any] = {function.__name__: function for function in (research, broken, hang, die_once)}


async def main() -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
