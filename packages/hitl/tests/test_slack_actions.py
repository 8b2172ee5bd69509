"""Clicks on Slack's buttons: signatures as Slack makes them, and decisions of verified people."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import deletes
from packages.hitl.tests.channel_support import recording
from packages.hitl.tests.time_support import Listener, Timed, TimedWorkflow
from slack_sdk.signature import SignatureVerifier
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import HITLPlugin, Person
from strands_temporal_hitl._slack import APPROVE_ACTION, REJECT_ACTION, button_value
from strands_temporal_hitl.channels import slack_actions
from strands_temporal_hitl.identity import SignedVerifier

SECRET, KEY = "8f742231b10e8888abcd99yyyzzz85a5", "k" * 32  # of the tests


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def people(user: Any) -> Person | None:
    return Person("ana", ["ops"]) if user["id"] == "U-ana" else None


def app(client: Any, **options: Any) -> Any:
    return slack_actions(client, signing_secret=SECRET, people=people, key=KEY, **options)


async def send(
    to: Any, payload: Any, *, secret: str = SECRET, age: float = 0, headers: Any = None, body: Any = None
) -> int:
    """Send what Slack sends, signed by Slack's own SDK."""
    content = urlencode({"payload": json.dumps(payload)}) if body is None else body
    stamp = str(int(time.time() - age))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=content)
    given = {"x-slack-request-timestamp": stamp, "x-slack-signature": signature or ""}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(to), base_url="http://slack.test") as http:
        sent: dict[str, Any] = {
            **given,
            **(headers or {}),
            "content-type": "application/x-www-form-urlencoded",
        }
        return (await http.post("/slack", content=content, headers=sent)).status_code


def click(action: str, value: str, response_url: str, user: str = "U-ana") -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "ana", "team_id": "T1"},
        "trigger_id": "trigger",
        "response_url": response_url,
        "actions": [{"type": "button", "action_id": action, "value": value}],
    }


async def test_only_slacks_signature_of_the_last_minutes_counts() -> None:
    class Nobody:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("the client is used for a request that does not count")

    to = app(Nobody())
    assert await send(to, {"type": "other"}) == 200
    assert await send(to, {"type": "other"}, secret="another") == 401  # noqa: S106  # a wrong one
    assert await send(to, {"type": "other"}, age=301) == 401
    assert await send(to, {"type": "other"}, age=-301) == 401
    assert await send(to, {}, headers={"x-slack-signature": ""}) == 401
    assert await send(to, {}, headers={"x-slack-signature": "v0=é".encode("latin-1")}) == 401
    assert await send(to, {}, headers={"x-slack-request-timestamp": b"\xb2"}) == 401
    assert await send(to, None, body="payload=%7B") == 400
    assert await send(to, None, body="nothing") == 400
    assert await send(to, None, body="payload=" + "x" * 1_000_001) == 413
    async with httpx.AsyncClient(transport=httpx.ASGITransport(to), base_url="http://slack.test") as http:
        assert (await http.get("/slack")).status_code == 405


@pytest.mark.parametrize("options", [{"signing_secret": " "}, {"key": "short"}])
def test_short_secrets_are_refused(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"signing_secret": SECRET, "key": KEY, "people": people, **options}
    client: Any = None
    with pytest.raises(ValueError, match=r"slack_actions|sign_person"):
        slack_actions(client, **given)


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["approve", "reject", "reject with a reason"])
async def test_a_click_decides_as_the_person_whom_the_app_knows(
    agents: Agents, client: Client, verdict: str
) -> None:
    listener, model = Listener(), deletes()
    keys = [b"t" * 32]
    plugins: list[Any] = [
        StrandsPlugin(models={"model": lambda: model}),
        HITLPlugin(notifiers={"ops": lambda: listener}, verify=SignedVerifier([KEY]), ticket_keys=keys),
    ]
    with recording() as slack:
        async with agents(workflows=[TimedWorkflow], plugins=plugins) as env:
            options = {"token": "xoxb-1", "api": f"{slack.url}/api"} if verdict.endswith("reason") else {}
            to = app(client, answers=f"{slack.url}/answers/", **options)
            handle = await env.start(TimedWorkflow.run, Timed())
            asked = await listener.next("asked")
            value = button_value(handle.id, asked.pending[0])
            where = f"{slack.url}/answers/1"

            async def answered() -> Any:
                assert await asyncio.to_thread(slack.came.acquire, timeout=30)
                return slack.bodies[-1]

            assert await send(to, click(APPROVE_ACTION, value, where, user="U-eve")) == 200
            assert "not known" in (await answered())["text"]
            other = json.dumps([*json.loads(value)[:2], "sha256:other"])
            await send(to, click(APPROVE_ACTION, other, where))
            assert "not taken: The decision on" in (await answered())["text"]
            await send(to, click(APPROVE_ACTION, value, "https://evil.example/answers/1", user="U-eve"))
            await send(to, click(APPROVE_ACTION if verdict == "approve" else REJECT_ACTION, value, where))
            if verdict.endswith("reason"):
                opened = await answered()
                assert (slack.requests[-1][0], opened["trigger_id"]) == ("/api/views.open", "trigger")
                state = {"values": {"reason": {"reason": {"value": "too early"}}}}
                view = {**opened["view"], "state": state}
                await send(to, {"type": "view_submission", "user": {"id": "U-ana"}, "view": view})
            told = await answered()
            result = await asyncio.wait_for(handle.result(), 30)
            await env.assert_replays(handle)
    (record,) = result["records"]
    assert (record["by"], record["channel"], record["verified"]) == ("ana", "slack", True)
    assert record["outcome"] == ("approved" if verdict == "approve" else "rejected")
    assert record["reason"] == ("too early" if verdict.endswith("reason") else None)
    assert (told["text"], told["response_type"]) == (
        f"Your decision is taken: {record['outcome']}.",
        "ephemeral",
    )
