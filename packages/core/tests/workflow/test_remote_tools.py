"""`RemoteTools`: one handle, shared by agents and by runs."""

import asyncio
from collections.abc import Sequence

import pytest
from strands.types.tools import AgentTool
from temporalio import workflow

from strands_temporal.extension import RemoteTools


class Listed(RemoteTools):
    """A handle that counts its listings."""

    def __init__(self) -> None:
        super().__init__()
        self.listings = 0

    @property
    def owner(self) -> str:
        return "The tools"

    @property
    def clash_hint(self) -> str:
        return "Leave them out"

    async def list_tools(self, known: bool) -> Sequence[AgentTool] | None:
        self.listings += 1
        await asyncio.sleep(0)
        return []


def test_each_run_that_shares_a_handle_lists_once_for_its_agents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workflow, "in_workflow", lambda: True)
    handle = Listed()

    async def run() -> None:
        await asyncio.gather(*(handle.load_tools() for _ in range(3)))

    asyncio.run(run())
    asyncio.run(run())
    assert handle.listings == 2
