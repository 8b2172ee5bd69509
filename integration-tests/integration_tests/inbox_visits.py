"""Shared by the tests and the pictures of the inbox: a shop's questions, served with its pages."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from conftest import Agents
from packages.hitl.tests.approvals_support import until
from packages.hitl.tests.inbox_agents import Shop, ShopWorkflow, make_clerk, refunds
from packages.streaming.tests.web_support import serving

from integration_tests.browser import Seen, Visit, browse
from strands_temporal import StrandsPlugin
from strands_temporal.testing import AgentEnvironment
from strands_temporal_hitl import ApprovalsClient, HITLPlugin, PendingApproval
from strands_temporal_hitl.inbox import inbox_app


@dataclass
class Served:
    """The inbox on a real server."""

    env: AgentEnvironment
    url: str

    async def ask(self, shop: Shop, **options: Any) -> tuple[Any, PendingApproval, str]:
        """Start a workflow that asks. Return it, its question and the address of its page."""
        handle = await self.env.start(ShopWorkflow.run, shop, **options)
        pending = await until(lambda: ApprovalsClient(self.env.client).pending(handle.id), bool)
        return handle, pending[0], f"{self.url}/question?workflow={handle.id}&id={pending[0].id}"

    async def visit(self, *visits: Visit, faults: Sequence[str] = ()) -> list[Seen]:
        """Make the visits. Nothing goes wrong on the way but what `faults` names."""
        seen = await asyncio.to_thread(browse, visits)
        for number, one in enumerate(seen):
            wrong = [fault for fault in one.faults if not any(known in fault for known in faults)]
            assert not wrong, (number, wrong, one.values)
        return seen


def shop_plugins(**hitl: Any) -> Sequence[Any]:
    """Return the plugins of the worker."""
    return [StrandsPlugin(models={"model": refunds}, agents={"clerk": make_clerk}), HITLPlugin(**hitl)]


@asynccontextmanager
async def inbox(agents: Agents, **options: Any) -> AsyncGenerator[Served]:
    """Run a worker with the shop's agent, and the inbox for this machine."""
    async with AsyncExitStack() as stack:
        env = await stack.enter_async_context(agents(workflows=[ShopWorkflow], plugins=shop_plugins()))
        app = inbox_app(env.client, workflow_types=["ShopWorkflow"], **options)
        url, _ = await stack.enter_async_context(serving(app))
        yield Served(env, url)
