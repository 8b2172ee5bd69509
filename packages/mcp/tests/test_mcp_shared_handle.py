"""One `TemporalMCPClient` in two runs of a worker."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporalio import workflow

from strands_temporal import AgentTypeError
from strands_temporal.extension import RemoteTools, is_declared_safe
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


def test_read_only_counts_by_choice_and_as_first_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "in_workflow", lambda: True)
    server = Server()
    monkeypatch.setattr(f"{RemoteTools.__module__}.execute_activity", server.execute_activity)
    given = TemporalMCPClient("search", cache_tools=False, read_only_is_safe=True)
    run, later = asyncio.new_event_loop(), asyncio.new_event_loop()

    def safe(of: asyncio.AbstractEventLoop, handle: TemporalMCPClient = given) -> list[str]:
        return [t.tool_name for t in of.run_until_complete(handle.load_tools()) if is_declared_safe(t)]

    try:
        server.now = ToolListing([tool("find"), tool("write")], "1", read_only=["find"])
        assert safe(run) == ["find"]
        assert safe(later, TemporalMCPClient("search")) == []
        # The server changes what it says: nothing changes for a run that has listed.
        server.now = ToolListing([tool("find"), tool("write"), tool("new")], "2", read_only=["write", "new"])
        assert safe(run) == ["find"]
        assert safe(later) == ["write", "new"]
        server.now = ToolListing([tool("find")], "3")  # of a worker with an earlier release
        third = asyncio.new_event_loop()
        assert safe(third) == []
        third.close()
    finally:
        run.close()
        later.close()


def test_a_wrong_choice_is_refused() -> None:
    wrong: Any = "yes"
    with pytest.raises(AgentTypeError, match="read_only_is_safe='yes' is not True or False"):
        TemporalMCPClient("search", read_only_is_safe=wrong)
