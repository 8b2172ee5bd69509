"""Approvers' queries beside other queries: during a workflow task the server holds only one query."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from packages.hitl.tests.approvals_support import AskingWorkflow, Opened, approver_for, paused
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from strands_temporal_hitl import ApprovalsClient, ApprovalsUnreachableError, HITLPlugin

pytestmark = pytest.mark.server

Refusing: TypeAlias = Callable[[int, RPCStatusCode], None]


@pytest.fixture
def refuse(client: Client, monkeypatch: pytest.MonkeyPatch) -> Refusing:
    """Makes the server refuse the next queries."""

    def refuse_next(times: int, status: RPCStatusCode) -> None:
        ask = client.workflow_service.query_workflow
        left = times

        async def query_workflow(*args: Any, **options: Any) -> Any:
            nonlocal left
            if left:
                left -= 1
                raise RPCError("the buffer is full", status, b"")
            return await ask(*args, **options)

        monkeypatch.setattr(client.workflow_service, "query_workflow", query_workflow)

    return refuse_next


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "status", [RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE, RPCStatusCode.CANCELLED]
)
async def test_a_query_that_is_refused_comes_again_at_once(
    environments: Opened, client: Client, refuse: Refusing, status: RPCStatusCode
) -> None:
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        waiting = await paused(approver_for(client), handle)
        refuse(12, status)
        assert [each.id for each in await approver_for(client).pending(handle.id)] == [waiting[0].id]
        await handle.terminate()


async def test_what_is_refused_for_too_long_says_why(client: Client, refuse: Refusing) -> None:
    refuse(1000, RPCStatusCode.RESOURCE_EXHAUSTED)
    hasty = ApprovalsClient(client, timeout=timedelta(seconds=0.5))
    with pytest.raises(ApprovalsUnreachableError, match="'busy' cannot be asked: the buffer is full"):
        await hasty.pending("busy")
