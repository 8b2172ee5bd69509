"""Reminders, deadlines, escalation and notices of decisions, with a real server and replay."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import deletes
from packages.hitl.tests.people_support import as_person, client_of, signing_plugin
from packages.hitl.tests.time_support import Listener, Timed, TimedWorkflow
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import Deciders

pytestmark = pytest.mark.server


def plugins(listener: Listener, model: Any = None) -> list[Any]:
    made = model or deletes()
    return [
        StrandsPlugin(models={"model": lambda: made}),
        signing_plugin(notifiers={"ops": lambda: listener}),
    ]


async def test_people_are_reminded_then_others_decide_and_all_are_told(
    agents: Agents, client: Client
) -> None:
    listener, approver = Listener(), client_of(client, as_person("mia", "managers"))
    given = Timed(
        deadline=1.8, remind=[1], at_deadline="escalate", escalate_to={"groups": ["managers"]}, escalation=60
    )
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(TimedWorkflow.run, given)
        asked = await listener.next("asked")
        reminder = await listener.next("reminder")
        escalated = await listener.next("escalated")
        (pending,) = escalated.pending
        assert pending.deciders == Deciders(["managers"]).to_json()
        assert (pending.deadline or "") > (asked.pending[0].deadline or "")
        await approver.approve(handle.id, pending, reason="seen")
        result = await asyncio.wait_for(handle.result(), 30)
        decided = await listener.next("decided")
        await env.assert_replays(handle)
    assert result["text"] == "deleted /etc/passwd"
    assert [r["outcome"] for r in result["records"]] == ["escalated", "approved"]
    assert result["records"][0]["to"] == {"group": "managers"}
    assert [each.reference for each in listener.notices] == [None, *["message 1"] * 3]
    assert (reminder.number, [each.id for each in reminder.pending]) == (1, [pending.id])
    assert ([r.by for r in decided.records], decided.pending) == (["mia"], [])
    assert [each.id for each in decided.decided] == [pending.id]
    assert len({each.id for each in listener.notices}) == 4
