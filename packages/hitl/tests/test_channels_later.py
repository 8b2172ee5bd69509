"""Channels of a workflow, from the question to the decision, against real servers. Slow."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import approver_for, deletes
from packages.hitl.tests.channel_support import Inbox, recording, smtp_server
from packages.hitl.tests.time_support import Listener, Timed, TimedWorkflow
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import HITLPlugin
from strands_temporal_hitl.channels import EmailNotifier, SlackNotifier, TeamsNotifier

pytestmark = [pytest.mark.server, pytest.mark.slow]


async def test_every_channel_hears_of_the_question_a_reminder_and_the_decision(
    agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    inbox, listener, model = Inbox(), Listener(), deletes()
    with (
        smtp_server(inbox) as port,
        recording() as slack,
        recording((503, {}), (202, {})) as teams,
    ):

        def mail() -> EmailNotifier:
            return EmailNotifier(
                "127.0.0.1", port, tls="none", sender="a@desk.example", to=["ana@desk.example"]
            )

        notifiers: Any = {
            "mail": mail,
            "slack": lambda: SlackNotifier(token="xoxb-1", channel="C1", api=f"{slack.url}/api"),  # noqa: S106
            "teams": lambda: TeamsNotifier(f"{teams.url}/hook"),
            "test": lambda: listener,
        }
        plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin(notifiers=notifiers)]
        async with agents(workflows=[TimedWorkflow], plugins=plugins) as env:
            handle = await env.start(TimedWorkflow.run, Timed(remind=[3.0]))
            asked = await listener.next("asked")
            await listener.next("reminder")
            for _ in range(2):
                assert await asyncio.to_thread(slack.came.acquire, timeout=30)
            await approver_for(client).approve(handle.id, asked.pending[0], by="ana")
            result = await asyncio.wait_for(handle.result(), 40)
            await env.assert_replays(handle)
    assert result["text"] == "deleted /etc/passwd"
    subjects = [mail["Subject"].split(" (")[0] for _, mail in inbox.mails]
    assert subjects == [
        "Approval needed: delete_file",
        "Reminder 1: delete_file still waits for approval",
        "Decided: delete_file is approved",
    ]
    root = inbox.mails[0][1]["Message-ID"]
    assert [mail["In-Reply-To"] for _, mail in inbox.mails] == [None, root, root]
    paths = [path for path, _, _ in slack.requests]
    assert paths == ["/api/chat.postMessage", "/api/chat.postMessage", "/api/chat.update"]
    assert slack.bodies[2]["ts"] == "17.1"
    cards = [str(each) for each in teams.bodies]
    assert cards[0] == cards[1]  # it was tried again
    assert "Approval needed: delete_file" in cards[0]
    assert "Approved by ana" in cards[-1]
