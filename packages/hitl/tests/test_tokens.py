"""Who decides, by tokens of a real key server: no token is in history, and a replay needs no key."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import jwt
import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import chain, refused, until
from packages.hitl.tests.people_support import TICKET_KEY, Office, OfficeWorkflow, client_of
from packages.hitl.tests.policy_support import ran, refund, refunds
from packages.hitl.tests.token_support import KeyServer, bearer, jwt_verifier
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.testing import assert_replays
from strands_temporal_hitl import Decision, HITLPlugin
from strands_temporal_hitl._protocol import NOT_PROVED
from strands_temporal_hitl._tickets import Claims, ticket_of

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
async def keys() -> AsyncGenerator[KeyServer]:
    async with KeyServer().serving() as server:
        server.make("first")
        yield server


async def question_of(approver: Any, handle: Any) -> Any:
    return (await until(lambda: approver.pending(handle.id), bool))[0]


async def test_a_token_decides_and_is_in_no_history(
    agents: Agents, client: Client, keys: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    plugin = HITLPlugin(verify=jwt_verifier(keys), ticket_keys=[TICKET_KEY])
    plugins = [StrandsPlugin(models={"model": lambda: refunds(7)}), plugin]
    async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins) as env:
        handle = await env.start(OfficeWorkflow.run, Office())
        token = keys.token("ana@example.org", "support", "finance")
        approver = client_of(client, lambda: bearer(token), channel="desk")
        question = await question_of(approver, handle)

        # Nobody decides without a proof, or with a bad one. The text does not say why.
        nobody = client_of(client)
        strange, other = KeyServer(), "x" * 40
        strange.make("first")
        strange.url = "http://127.0.0.1:9/"
        bad = {
            "nothing": None,
            "signed by another key": strange.token("ana"),
            "expired": keys.token("ana", exp=1_700_000_000),
            "without an expiry": keys.token("ana", exp=None),
            "for another service": keys.token("ana", aud="mail"),
            "of another provider": keys.token("ana", iss="https://evil.example.org/"),
            "without a name": keys.token("ana", sub=None),
            "with a secret": jwt.encode({"sub": "ana"}, other, headers={"kid": "first"}),
            "unsigned": jwt.encode({"sub": "ana"}, None, algorithm="none"),  # pyright: ignore[reportArgumentType]
            "no token": "ana",
        }
        for what, value in bad.items():
            given: Any = {"by": "ana"} if value is None else {"credential": bearer(value)}
            error = await refused(nobody.approve(handle.id, question, **given))
            assert error.kind == "NotVerified", what
            if value is None:
                assert str(error).startswith(f"{NOT_PROVED}. This client has none: give ApprovalsClient(cred")
                assert "--token or STRANDS_TEMPORAL_TOKEN" in str(error)
            else:
                assert str(error) == NOT_PROVED, what
        error = await refused(nobody.reject(handle.id, "no such question", by="ana", early=True))
        assert error.kind == "NotVerified"
        stranger = approver.approve(handle.id, question, by="bob")
        assert (await refused(stranger)).kind == "NotVerified", "the token is ana's"

        forged = Decision(question.id, "approve", proof=ticket_of(Claims("ana"), b"k" * 32))
        assert (await refused(nobody.decide(handle.id, forged))).kind == "NotVerified"

        record = await approver.approve(handle.id, question)
        told = (record.outcome, record.by, record.verified, record.groups, record.channel)
        assert told == ("approved", "ana@example.org", True, ["support", "finance"], "desk")
        result = await asyncio.wait_for(handle.result(), 30)
        assert result["text"] == "refunded 7 to bob"
        assert ran.pop() == (7, "bob")

        (history,) = await chain(handle)
        raw = b"".join(event.SerializeToString() for event in history.events)
        assert b"ana@example.org" in raw, "the accepted decision is in history"
        for each in [token, *token.split("."), *(str(v) for v in bad.values() if v and "." in v)]:
            assert each.encode() not in raw
            assert each not in caplog.text
        assert raw.count(b"decide_approval") == 1, "what was refused is not in history"

        # Without a verifier, and with other keys, a worker replays it all the same.
        for other_plugin in (HITLPlugin(), HITLPlugin(verify=jwt_verifier(strange), ticket_keys=[other])):
            await assert_replays(history, [OfficeWorkflow], plugins=[plugins[0], other_plugin])
