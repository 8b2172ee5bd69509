# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
# Runs in its own environment, which has fastmcp-tasks and none of our packages.
# ruff: noqa: ASYNC240  # files of a few bytes
"""An MCP server whose tools run as tasks (SEP-2663), with FastMCP, as a client on mcp 2 expects."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import mcp_types
from fastmcp import Context, FastMCP
from fastmcp.utilities.tasks import TaskConfig
from fastmcp_tasks import TasksExtension

server: Any = FastMCP("tasks")
server.add_extension(TasksExtension())
AS_TASK = TaskConfig(mode="required", poll_interval=timedelta(milliseconds=100))


@server.tool(task=AS_TASK)
async def research(topic: str, seconds: float) -> str:
    """Find out about a topic."""
    await asyncio.sleep(seconds)
    return f"found {topic}"


@server.tool(task=AS_TASK)
async def broken(message: str) -> str:
    """Fail."""
    raise ValueError(message)


@server.tool(task=AS_TASK)
async def ask(question: str, context: Context) -> Any:  # pyright: ignore[reportUnknownParameterType]  # see above
    """Ask the user in the middle of the task."""
    answers = context.input_responses
    if answers:
        return f"the user is {answers['who'].content['value']}"
    schema = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}
    params = mcp_types.ElicitRequestFormParams(message=question, requested_schema=schema)
    return mcp_types.InputRequiredResult(input_requests={"who": mcp_types.ElicitRequest(params=params)})


@server.tool(task=AS_TASK)
async def hang(marker: str) -> str:
    """Never return, and note the end."""
    Path(marker).write_text(str(os.getpid()))
    try:
        await asyncio.Event().wait()
    finally:
        Path(f"{marker}.ended").touch()
    return "never"


@server.tool(task=AS_TASK)
async def die_once(marker: str) -> str:
    """End the server's process in the middle of the task, the first time."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(3)
    return "answered as a task"


@server.tool
def process() -> int:
    """Return the server's process id, without a task."""
    return os.getpid()


if __name__ == "__main__":
    port = os.environ.get("PORT")
    if port:
        server.run("http", host="127.0.0.1", port=int(port), show_banner=False)
    else:
        server.run("stdio", show_banner=False)
