"""One `TemporalMCPClient` in two runs of a worker."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporalio import workflow

from strands_temporal.extension import RemoteTools
from strands_temporal_mcp import TemporalMCPClient
from strands_temporal_mcp._types import ListedTool, ListTools, ToolListing


def tool(name: str) -> ListedTool:
    return ListedTool(name, {"name": name, "description": name, "inputSchema": {"json": {}}})


class Server:
    """Answers the activity that lists a server's tools."""

    now = ToolListing([], "")

    async def execute_activity(self, activity: str, args: list[ListTools], *_: Any, **__: Any) -> ToolListing:
        return replace(self.now, tools=None) if args[0].known == self.now.digest else self.now


def test_a_run_sees_a_change_that_another_run_saw_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "in_workflow", lambda: True)
    server = Server()
    monkeypatch.setattr(f"{RemoteTools.__module__}.execute_activity", server.execute_activity)
    handle = TemporalMCPClient("search", cache_tools=False)
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    def names(run: asyncio.AbstractEventLoop) -> list[str]:
        return [listed.tool_name for listed in run.run_until_complete(handle.load_tools())]

    try:
        server.now = ToolListing([tool("find")], "1")
        assert names(one) == ["find"]
        server.now = ToolListing([tool("find"), tool("read")], "2")
        assert names(other) == ["find", "read"]
        assert names(one) == ["find", "read"]
    finally:
        one.close()
        other.close()
