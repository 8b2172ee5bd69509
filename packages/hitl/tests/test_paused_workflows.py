"""Workflows that an operator has paused (server 1.32 and later), and the people who wait for them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import pause, unpause
from packages.hitl.tests.approvals_support import (
    TYPE,
    AskingWorkflow,
    Opened,
    approver_for,
    paused,
    until,
)
from packages.hitl.tests.command_support import command
from temporalio.client import Client, WorkflowHandle

from strands_temporal_hitl import (
    ApprovalsClient,
    ApprovalsEndedError,
    ApprovalsUnreachableError,
    HITLPlugin,
    PendingApproval,
    WaitingWorkflow,
)

pytestmark = pytest.mark.server

BY = "ana"


@dataclass
class Paused:
    """A paused workflow and its pending approval."""

    handle: "WorkflowHandle[Any, Any]"
    pending: PendingApproval
    approver: ApprovalsClient

    @property
    def problem(self) -> str:
        return (
            f"Workflow {self.handle.id!r} is paused by an operator (to look at it): the server takes no "
            "queries or decisions until it is unpaused "
            f"(`temporal workflow unpause --workflow-id {self.handle.id}`)"
        )


@asynccontextmanager
async def paused_one(environments: Opened, client: Client) -> AsyncGenerator[Paused]:
    """Run a waiting workflow and pause it. At the end, unpause it, approve, and replay."""
    approver = approver_for(client)
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, handle)
        # Other tests may have left workflows without workers, and a list waits for each of them.
        listed = ApprovalsClient(client, timeout=timedelta(seconds=2)).list
        await until(listed, lambda found: handle.id in {waiting.workflow_id for waiting in found})
        await pause(client, handle.id)
        yield Paused(handle, pending, approver)
        await unpause(client, handle.id)
        record = await approver.approve(handle.id, pending, by=BY)
        assert record.outcome == "approved"
        assert await asyncio.wait_for(handle.result(), 30) == "removed /tmp/x"
        await env.assert_replays(handle)


@pytest.mark.sample(1)
@pytest.mark.parametrize("types", [(), (TYPE,)], ids=["by search attribute", "by type"])
async def test_a_paused_workflow_is_listed_with_its_problem(
    environments: Opened, client: Client, types: tuple[str, ...]
) -> None:
    async with paused_one(environments, client) as one:

        async def mine() -> list[WaitingWorkflow]:
            hasty = ApprovalsClient(client, timeout=timedelta(seconds=5))  # this needs no worker
            found = await hasty.list(workflow_types=types)
            return [waiting for waiting in found if waiting.workflow_id == one.handle.id]

        run_id = one.handle.first_execution_run_id or ""
        assert await mine() == [WaitingWorkflow(one.handle.id, run_id, TYPE, [], one.problem)]


async def test_a_paused_workflow_is_neither_asked_nor_decided_and_says_so(
    environments: Opened, client: Client
) -> None:
    async with paused_one(environments, client) as one:
        for question in (
            one.approver.pending(one.handle.id),
            one.approver.records(one.handle.id),
            one.approver.approve(one.handle.id, one.pending, by=BY),
            one.approver.reject(one.handle.id, one.pending, by=BY),
        ):
            with pytest.raises(ApprovalsUnreachableError) as caught:
                await question
            assert str(caught.value) == one.problem


async def test_the_command_line_says_that_a_workflow_is_paused(environments: Opened, client: Client) -> None:
    async with paused_one(environments, client) as one:
        for options in ((), ("--type", TYPE)):
            code, out, err = await command(client, "list", *options)
            assert (code, err) == (0, "")
            assert f"{one.handle.id}  ({TYPE})\n  {one.problem}\n" in out
        for verb in ("show", "approve", "reject"):
            assert await command(client, verb, one.handle.id) == (1, "", f"{one.problem}\n")


async def test_a_paused_workflow_that_is_terminated_has_ended(environments: Opened, client: Client) -> None:
    async with environments(HITLPlugin()) as env:
        approver = approver_for(client)
        handle = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, handle)
        await pause(client, handle.id)
        await handle.terminate()
        assert await approver.pending(handle.id) == []
        assert await approver.records(handle.id) == []
        with pytest.raises(ApprovalsEndedError) as caught:
            await approver.approve(handle.id, pending, by=BY)
        assert caught.value.status == "TERMINATED"
