"""The activities of `HITLPlugin`: they tell workflows what the worker offers, and run its notifiers."""

import asyncio

from temporalio import activity
from temporalio.client import Client

from strands_temporal.extension import NamedFactories, heartbeating

from ._types import (
    NOTIFY_ACTIVITY,
    SETUP_ACTIVITY,
    VERIFY_ACTIVITY,
    ApprovalNotice,
    PendingApproval,
    Setup,
)
from ._verifying import About, Identity
from ._visibility import is_known, make_known
from ._webhook import Notifier


class HITLActivities:
    """The activities of one plugin. It also remembers which servers know the search attribute.

    Args:
        notifiers: The worker's notifiers.
        register: Whether to register the search attribute if it is unknown.
        identity: Verifies who decides.
    """

    def __init__(self, notifiers: NamedFactories[Notifier], *, register: bool, identity: Identity) -> None:
        self.notifiers = notifiers
        self.register = register
        self.identity = identity
        self._looked_up: dict[str, asyncio.Task[bool]] = {}

    @activity.defn(name=SETUP_ACTIVITY)
    async def setup(self) -> Setup:
        """Tell a workflow what this worker offers."""
        with heartbeating():
            known = await asyncio.shield(self.look_up(activity.client()))
        return Setup(search_attribute=known, notifiers=self.notifiers.names)

    @activity.defn(name=NOTIFY_ACTIVITY)
    async def notify(self, name: str, pending: list[PendingApproval], notice_id: str) -> None:
        """Run one notifier."""
        info = activity.info()
        notice = ApprovalNotice(
            id=notice_id,
            namespace=info.namespace,
            workflow_id=info.workflow_id or "",
            run_id=info.workflow_run_id or "",
            workflow_type=info.workflow_type or "",
            pending=pending,
        )
        with heartbeating():
            await (await self.notifiers.get_async(name)).notify(notice)

    @activity.defn(name=VERIFY_ACTIVITY)
    async def verify_ticket(self, ticket: str, digest: str) -> bool:
        """Check the ticket of a decision that came by signal."""
        info = activity.info()
        return self.identity.check(ticket, About(info.namespace, info.workflow_id or "", digest))

    def look_up(self, client: Client) -> "asyncio.Task[bool]":
        """Start to look up the search attribute, or return the earlier look-up for this namespace.

        A look-up that failed is started again.
        """
        key = f"{client.service_client.config.target_host}/{client.namespace}"
        task = self._looked_up.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._looked_up[key] = asyncio.create_task(self._look_up(client))
        return task

    async def clear(self) -> None:
        """Drop the looked-up facts and the notifiers. Called when the last worker has ended."""
        tasks, self._looked_up = list(self._looked_up.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.notifiers.clear()

    async def _look_up(self, client: Client) -> bool:
        if await is_known(client):
            return True
        return self.register and await make_known(client)
