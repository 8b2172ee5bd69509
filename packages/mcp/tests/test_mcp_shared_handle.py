"""One `TemporalMCPClient` in two runs of a worker."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporalio import workflow

from strands_temporal_mcp import TemporalMCPClient
from strands_temporal_mcp._types import ListedTool, ListTools, ToolListing


def tool(name: str) -> ListedTool:
    return ListedTool(name, {"name": name, "description": name, "inputSchema": {"json": {}}})


class Shared(TemporalMCPClient):
    """Asks a server that is only its latest listing."""

    now = ToolListing([], "")

    async def listing(self, activity: str, argument: Any, *rest: Any) -> Any:
        assert isinstance(argument, ListTools)
        return replace(self.now, tools=None) if argument.known == self.now.digest else self.now


def test_a_run_sees_a_change_that_another_run_saw_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "in_workflow", lambda: True)
    handle = Shared("search", cache_tools=False)
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()

    def names(run: asyncio.AbstractEventLoop) -> list[str]:
        return [listed.tool_name for listed in run.run_until_complete(handle.load_tools())]

    try:
        handle.now = ToolListing([tool("find")], "1")
        assert names(one) == ["find"]
        handle.now = ToolListing([tool("find"), tool("read")], "2")
        assert names(other) == ["find", "read"]
        assert names(one) == ["find", "read"]
    finally:
        one.close()
        other.close()
