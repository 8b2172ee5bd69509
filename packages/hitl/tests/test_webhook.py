"""Notifiers: the webhook against our own HTTP server, and workflows with notifiers."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from integration_tests.http_server import QuietHandler, serving
from packages.hitl.tests.approvals_support import (
    AskingWorkflow,
    approver_for,
    one,
)
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import (
    ApprovalNotice,
    HITLPlugin,
    PendingApproval,
    WebhookNotifier,
    _activities,  # pyright: ignore[reportPrivateUsage]  # its look-ups succeed at once
    _announcing,  # pyright: ignore[reportPrivateUsage]  # its timeouts exceed a test's
    _tellers,  # pyright: ignore[reportPrivateUsage]  # the same
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


NOTICE = ApprovalNotice("n-1", "default", "wf", "run", "Deploy", [PendingApproval("a", "approval", "ok?")])


class Receiver:
    """An HTTP server that answers with the given statuses, then with the last one. Keeps the requests."""

    def __init__(self, statuses: list[int], headers: dict[str, str]) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.enough = threading.Event()
        received = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.body()
                named = {name.lower(): value for name, value in self.headers.items()}
                received.requests.append((self.path, named, body))
                number = min(len(received.requests), len(statuses))
                self.send_response(statuses[number - 1])
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()
                if number == len(statuses):
                    received.enough.set()

        self.handler = Handler
        self.url = ""


@contextmanager
def receiving(*statuses: int, **headers: str) -> Generator[Receiver]:
    receiver = Receiver(list(statuses), headers)
    with serving(receiver.handler) as url:
        receiver.url = f"{url}/hook?token=hidden"
        yield receiver


async def test_a_notice_is_posted_and_signed_as_standard_webhooks_are() -> None:
    key = b"0123456789abcdef"
    for secret in (f"whsec_{base64.b64encode(key).decode()}", key.decode()):
        with receiving(204) as receiver:
            notifier = WebhookNotifier(receiver.url, secret=secret, headers={"authorization": "Bearer x"})
            await notifier.notify(NOTICE)
        ((path, headers, body),) = receiver.requests
        assert path == "/hook?token=hidden"
        assert json.loads(body) == {
            "type": "approval.pending",
            "id": "n-1",
            "namespace": "default",
            "workflow_id": "wf",
            "run_id": "run",
            "workflow_type": "Deploy",
            "pending": [
                {
                    "id": "a",
                    "name": "approval",
                    "question": "ok?",
                    "tool": None,
                    "arguments": None,
                    "digest": None,
                    "asked_at": "",
                    "deadline": None,
                    "agent": None,
                    "outer": [],
                    "calls": [],
                    "allowed_decisions": ["approve", "reject", "respond"],
                    "input_schema": None,
                    "deciders": None,
                    "votes": [],
                    "proposed_by": None,
                    "original_arguments": None,
                }
            ],
            "kind": "asked",
            "number": 0,
            "records": [],
            "decided": [],
            "reference": None,
        }
        assert (headers["content-type"], headers["authorization"]) == ("application/json", "Bearer x")
        signed = f"n-1.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


async def test_without_a_secret_nothing_is_signed() -> None:
    with receiving(200) as receiver:
        await WebhookNotifier(receiver.url).notify(NOTICE)
    assert "webhook-signature" not in receiver.requests[0][1]


@pytest.mark.parametrize(
    ("status", "retryable"), [(500, True), (503, True), (429, True), (400, False), (404, False), (302, False)]
)
async def test_what_is_worth_another_attempt(status: int, retryable: bool) -> None:
    with receiving(status, **{"retry-after": "7", "location": "http://127.0.0.1:9/"}) as receiver:
        with pytest.raises(ApplicationError) as caught:
            await WebhookNotifier(receiver.url).notify(NOTICE)
        assert len(receiver.requests) == 1
    assert caught.value.message == f"http://127.0.0.1 answers {status}"
    assert caught.value.non_retryable is not retryable
    assert caught.value.next_retry_delay == timedelta(seconds=7)


async def test_a_receiver_that_is_away_is_tried_again_and_its_address_not_told() -> None:
    with receiving(200) as receiver:
        url = receiver.url
    with pytest.raises(ApplicationError) as caught:
        await WebhookNotifier(url).notify(NOTICE)
    assert not caught.value.non_retryable
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WebhookNotifier("file:///etc/passwd"), "is not an http or https address"),
        (lambda: WebhookNotifier("example.org/hook"), "is not an http or https address"),
        (lambda: WebhookNotifier("http://:80/hook"), "is not an http or https address"),
        (lambda: WebhookNotifier("http://example.org:99999/hook"), "Port out of range"),
        (lambda: WebhookNotifier("http://h", secret=""), "the secret is empty"),
        (lambda: WebhookNotifier("http://h", secret="whsec_%"), "is not base64"),  # noqa: S106  # a bad password
    ],
)
def test_bad_settings_are_refused_at_once(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


# --- In a workflow


def plugins(notifiers: Any) -> list[Any]:
    return [StrandsPlugin(models={"model": lambda: one("/x")}), HITLPlugin(notifiers=notifiers)]


class Flaky:
    """A notifier that fails the first time."""

    def __init__(self) -> None:
        self.notices: list[ApprovalNotice] = []
        self.delivered = asyncio.Event()

    async def notify(self, notice: ApprovalNotice) -> None:
        self.notices.append(notice)
        if len(self.notices) == 1:
            raise ConnectionError("not yet")
        self.delivered.set()


@pytest.mark.server
async def test_every_notifier_hears_of_a_pause_and_a_failure_is_tried_again(
    agents: Agents, client: Client
) -> None:
    flaky, approver = Flaky(), approver_for(client)
    with receiving(503, 200) as receiver:
        notifiers: Any = {"flaky": lambda: flaky, "web": lambda: WebhookNotifier(receiver.url)}
        async with agents(workflows=[AskingWorkflow], plugins=plugins(notifiers)) as env:
            handle = await env.start(AskingWorkflow.run)
            await asyncio.wait_for(flaky.delivered.wait(), 30)
            assert await asyncio.to_thread(receiver.enough.wait, 30)
            await approver.approve(handle.id, flaky.notices[0].pending[0], by="ana")
            assert await asyncio.wait_for(handle.result(), 30) == "removed /x"
            await env.assert_replays(handle)
    first, second = flaky.notices
    assert first == second  # the same id, so a receiver can recognize a retry
    assert (first.workflow_id, first.workflow_type, first.namespace) == (
        handle.id,
        "AskingWorkflow",
        "default",
    )
    assert len(receiver.requests) == 2
    assert len({headers["webhook-id"] for _, headers, _ in receiver.requests}) == 1


@pytest.mark.server
async def test_a_notifier_that_gives_up_or_hangs_does_not_hold_the_decision(
    agents: Agents, client: Client
) -> None:
    class Hanging:
        async def notify(self, notice: ApprovalNotice) -> None:
            reached.set()
            await asyncio.Event().wait()

    reached = asyncio.Event()
    with receiving(400) as receiver:
        notifiers: Any = {
            "hanging": Hanging,
            "refused": lambda: WebhookNotifier(receiver.url),
            "broken": lambda: 1 / 0,
        }
        async with agents(workflows=[AskingWorkflow], plugins=plugins(notifiers)) as env:
            handle = await env.start(AskingWorkflow.run)
            await asyncio.wait_for(reached.wait(), 30)
            approver = approver_for(client)
            (pending,) = await approver.pending(handle.id)
            await approver.approve(handle.id, pending, by="ana")
            assert await asyncio.wait_for(handle.result(), 30) == "removed /x"
            await env.assert_replays(handle)
    assert len(receiver.requests) == 1


@pytest.mark.server
async def test_the_worker_heartbeats_while_it_finds_out_and_while_it_tells_people(
    agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification that takes longer than the heartbeat timeout happens once."""
    given: list[Any] = [vars(_announcing)["_SETUP_OPTIONS"], _tellers.NOTIFY_OPTIONS]
    for options in given:
        assert options["heartbeat_timeout"] == timedelta(seconds=15)  # notices a dead worker fast
        monkeypatch.setitem(options, "heartbeat_timeout", timedelta(seconds=1))
    told = asyncio.Event()

    async def slowly(done: asyncio.Event) -> bool:
        asyncio.get_running_loop().call_later(2.5, done.set)
        return await done.wait()

    class Slow:
        async def notify(self, notice: ApprovalNotice) -> None:
            await slowly(told)

    def look_up(*_: object) -> "asyncio.Task[bool]":
        return asyncio.create_task(slowly(asyncio.Event()))

    async with agents(workflows=[AskingWorkflow], plugins=plugins({"slow": Slow})) as env:
        monkeypatch.setattr(_activities.HITLActivities, "look_up", look_up)
        handle = await env.start(AskingWorkflow.run)
        await asyncio.wait_for(told.wait(), 30)
        approver = approver_for(client)
        (pending,) = await approver.pending(handle.id)
        await approver.approve(handle.id, pending, by="ana")
        assert await asyncio.wait_for(handle.result(), 30) == "removed /x"
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    scheduled = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    attempts = {
        scheduled[started.scheduled_event_id]: started.attempt
        for event in history.events
        if (started := event.activity_task_started_event_attributes).scheduled_event_id in scheduled
    }
    # The notifier may or may not have completed before the decision came.
    assert attempts.pop("hitl-tell", 1) == 1
    assert attempts["hitl-setup"] == 1
