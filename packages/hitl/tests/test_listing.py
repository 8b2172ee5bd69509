"""`ApprovalsClient.list` beside workflows that have unusual types or no workers."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import TYPE, until
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from strands_temporal_hitl import ApprovalsClient, ApprovalsNotIndexedError, PendingApproval
from strands_temporal_hitl._workflows import ListedWorkflow

pytestmark = pytest.mark.server


async def test_workflows_of_a_type_with_any_letters_are_found(client: Client) -> None:
    type_name = f"Prüfung 支付: it's {uuid.uuid4()}"
    handle = await client.start_workflow(type_name, id=f"letters-{uuid.uuid4()}", task_queue="nobody")
    hasty = ApprovalsClient(client, timeout=timedelta(seconds=1))
    (waiting,) = await until(lambda: hasty.list(workflow_types=["Other", type_name]), bool)
    assert (waiting.workflow_id, waiting.workflow_type) == (handle.id, type_name)
    await handle.terminate()


@pytest.mark.parametrize("type_name", [r"it\'s", r"\\", "a' OR WorkflowId != '", 'say "it"'])
async def test_no_type_changes_the_question(client: Client, type_name: str) -> None:
    handle = await client.start_workflow("Other", id=f"other-{uuid.uuid4()}", task_queue="nobody")
    hasty = ApprovalsClient(client, timeout=timedelta(seconds=1))
    assert await hasty.list(workflow_types=[type_name]) == []
    await handle.terminate()


async def test_a_short_outage_while_the_attribute_is_looked_up_does_no_harm(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = iter([RPCError("operation was canceled", RPCStatusCode.CANCELLED, b"")] * 2)

    async def known(_: Client) -> bool:
        for error in outage:
            raise error
        return False

    monkeypatch.setattr("strands_temporal_hitl._client.is_known", known)
    with pytest.raises(ApprovalsNotIndexedError):
        await ApprovalsClient(client).list()


async def test_an_outage_is_told_after_the_time_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def known(_: Client) -> bool:
        raise RPCError("no connection", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr("strands_temporal_hitl._client.is_known", known)
    with pytest.raises(RPCError, match="no connection"):
        await ApprovalsClient(client, timeout=timedelta(seconds=0.3)).list()


async def test_workflows_without_workers_are_waited_for_together(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, asked, all_asked = 50, list[str](), asyncio.Event()

    async def listed(*_: Any) -> AsyncIterator[ListedWorkflow]:
        for number in range(many):
            yield ListedWorkflow(f"workflow-{number}", "run", TYPE, datetime.now(timezone.utc))

    async def pending(self: ApprovalsClient, workflow_id: str) -> list[PendingApproval]:
        asked.append(workflow_id)
        if len(asked) == many:
            all_asked.set()
        await asyncio.wait_for(all_asked.wait(), 5)
        return [PendingApproval("id", "name")]

    monkeypatch.setattr("strands_temporal_hitl._client.open_workflows", listed)
    monkeypatch.setattr(ApprovalsClient, "pending", pending)
    assert len(await ApprovalsClient(client).list(workflow_types=[TYPE])) == many
