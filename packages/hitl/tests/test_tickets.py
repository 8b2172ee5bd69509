"""Tickets and keys in hard cases: forged, replayed, rotated, by signal, over runs and workers."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import chain, until
from packages.hitl.tests.people_support import (
    FRONT_KEY,
    TICKET_KEY,
    Office,
    OfficeWorkflow,
    as_person,
    client_of,
    signing_plugin,
)
from packages.hitl.tests.policy_support import ran, refund, refunds
from packages.hitl.tests.token_support import AUDIENCE, ISSUER, KeyServer, bearer, jwt_verifier
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin
from strands_temporal.testing import assert_replays
from strands_temporal_hitl import Credential, HITLPlugin, NotVerifiedError, Person
from strands_temporal_hitl._protocol import DECIDE_SIGNAL, DECIDE_UPDATE, NOT_PROVED, TICKET_QUERY
from strands_temporal_hitl._tickets import Claims, claims_of, digest_of_request, ticket_of
from strands_temporal_hitl._verifying import About, Identity
from strands_temporal_hitl.identity import JWTVerifier, SignedVerifier, sign_person

server = pytest.mark.server
slow = pytest.mark.slow


def plugins_of(plugin: HITLPlugin) -> list[Any]:
    return [StrandsPlugin(models={"model": lambda: refunds(7)}), plugin]


async def ticket_for(handle: Any, decision: dict[str, Any], credential: Credential) -> str:
    value = {"credential": {"scheme": credential.scheme, "value": credential.value}, "decision": decision}
    answer = await handle.query(TICKET_QUERY, value)
    return answer["ticket"]


async def sent(handle: Any, decision: dict[str, Any]) -> str:
    try:
        record = await handle.execute_update(DECIDE_UPDATE, decision)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        text = cause.message if isinstance(cause, ApplicationError) else None
        return str(getattr(cause, "type", "")) if text == NOT_PROVED else f"{text} tells why"
    return record["outcome"]


async def question_of(client: Client, handle: Any) -> Any:
    return (await until(lambda: client_of(client).pending(handle.id), bool))[0]


@server
@slow
async def test_a_ticket_is_for_one_decision_in_one_workflow(agents: Agents, client: Client) -> None:
    async with agents(
        workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(signing_plugin())
    ) as env:
        handle, other = [await env.start(OfficeWorkflow.run, Office()) for _ in range(2)]
        question = await question_of(client, handle)
        theirs = await question_of(client, other)
        decision = {"id": question.id, "verdict": "approve", "digest": question.digest}
        good = await ticket_for(handle, decision, as_person("ana"))
        claims = Claims(
            "ana",
            [],
            "",
            client.namespace,
            handle.id,
            digest_of_request(decision),
            time.time() + 60,
            "nonce",
        )

        def made(key: str = TICKET_KEY, **changes: Any) -> str:
            return ticket_of(replace(claims, **changes), key.encode())

        body, mac = good.split(".")
        bad = {
            "forged": made("another key, also of 32 bytes or more"),
            "by the front end's key": made(FRONT_KEY),
            "a signed person": as_person("ana").value,
            "expired": made(expires_at=time.time() - 1),
            "for a day": made(expires_at=time.time() + 86_400),
            "another workflow's": made(workflow_id=other.id),
            "another namespace's": made(namespace="other"),
            "another decision's": made(digest=digest_of_request({**decision, "reason": "x"})),
            "altered": f"{body[:-4]}AAAA.{mac}",
            "cut": good[:-2],
            "no ticket": "ana",
            "empty": "",
            "long": "a." * 200_000,
        }
        for what, proof in bad.items():
            assert await sent(handle, {**decision, "proof": proof}) == "NotVerified", what
        # A good one, with another decision: the person agreed to something else.
        for what, change in {
            "verdict": {"verdict": "reject"},
            "reason": {"reason": "because"},
            "trust": {"trust": "tool"},
            "early": {"early": True},
            "digest": {"digest": None},
        }.items():
            value = {k: v for k, v in {**decision, **change, "proof": good}.items() if v is not None}
            assert await sent(handle, value) == "NotVerified", what
        taken = {"id": theirs.id, "verdict": "approve", "digest": theirs.digest, "proof": good}
        assert await sent(other, taken) == "NotVerified"
        assert await sent(handle, {**decision, "proof": good}) == "approved"
        assert await sent(other, {**decision, "proof": good}) == "NotVerified"
        result = await asyncio.wait_for(handle.result(), 30)
        assert result["records"][0]["by"] == "ana"
        (history,) = await chain(handle)
        accepted = [
            e for e in history.events if e.HasField("workflow_execution_update_accepted_event_attributes")
        ]
        assert len(accepted) == 1, "nothing that was refused is in history"
        await client_of(client, lambda: as_person("ana")).reject(other.id, theirs)
        await asyncio.wait_for(other.result(), 30)


@server
@slow
async def test_a_ticket_counts_in_the_next_run_and_on_another_worker(agents: Agents, client: Client) -> None:
    old, new = TICKET_KEY, "the next ticket key of the tests, of 32 bytes"
    first = HITLPlugin(verify=SignedVerifier([FRONT_KEY]), ticket_keys=[old])
    second = HITLPlugin(verify=SignedVerifier([FRONT_KEY]), ticket_keys=[new, old])
    handle: Any = None
    async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(first)) as env:
        handle = await env.start(OfficeWorkflow.run, Office())
        question = await question_of(client, handle)
        decision = {"id": question.id, "verdict": "approve", "digest": question.digest}
        ticket = await ticket_for(handle, decision, as_person("ana", "finance"))
        again = await ticket_for(handle, decision, as_person("ana", "finance"))
        await handle.signal(OfficeWorkflow.hand_over)
        await until(lambda: chain(handle), lambda runs: len(runs) > 1)
        queue = env.task_queue
    current = client.get_workflow_handle(handle.id)
    async with agents(
        workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(HITLPlugin()), task_queue=queue
    ):
        assert await sent(current, {**decision, "proof": ticket}) == "NotVerified", "it verifies nobody"
    async with agents(
        workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(second), task_queue=queue
    ):
        assert await sent(current, {**decision, "proof": ticket}) == "approved"
        result = await asyncio.wait_for(current.result(), 30)
    assert (result["text"], ran.pop()) == ("refunded 7 to bob", (7, "bob"))
    for history in await chain(handle):
        await assert_replays(history, [OfficeWorkflow], plugins=plugins_of(HITLPlugin()))
    assert again != ticket


@server
@slow
async def test_a_decision_by_signal_is_verified_by_an_activity(agents: Agents, client: Client) -> None:
    async with agents(
        workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(signing_plugin())
    ) as env:
        handle = await env.start(OfficeWorkflow.run, Office())
        question = await question_of(client, handle)
        decision = {"id": question.id, "verdict": "approve", "digest": question.digest}
        good = await ticket_for(handle, decision, as_person("ana", channel="slack"))

        async def answered(request: str, given: dict[str, Any]) -> Any:
            await handle.signal(DECIDE_SIGNAL, {"decision": given, "request": request})
            return await until(
                lambda: handle.query("approval_answer", request), lambda a: a["record"] or a["refused"]
            )

        none = await answered("r-0", {**decision, "by": "ana"})
        forged = await answered("r-1", {**decision, "proof": f"{good}A"})
        other = await answered("r-2", {**decision, "reason": "x", "proof": good})
        for refused in (none, forged, other):
            assert (refused["kind"], refused["refused"]) == ("NotVerified", NOT_PROVED)
        taken = (await answered("r-3", {**decision, "proof": good}))["record"]
        assert (taken["outcome"], taken["by"], taken["channel"]) == ("approved", "ana", "slack")
        await asyncio.wait_for(handle.result(), 30)
        (history,) = await chain(handle)
        assert b"hitl-verify-ticket" in b"".join(event.SerializeToString() for event in history.events)
        await assert_replays(history, [OfficeWorkflow], plugins=plugins_of(HITLPlugin()))


@server
@slow
async def test_the_keys_of_a_key_server_may_change(agents: Agents, client: Client) -> None:
    async with KeyServer().serving() as keys:
        keys.fails = True
        plugin = HITLPlugin(verify=jwt_verifier(keys), ticket_keys=[TICKET_KEY])
        keys.make("first")
        async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(plugin)) as env:
            await until(lambda: asyncio.sleep(0, keys.reads), bool)
            keys.fails = False  # it was down when the worker started
            handle = await env.start(OfficeWorkflow.run, Office(deciders={"quorum": 2}))
            question = await question_of(client, handle)
            ana = client_of(client, lambda: bearer(keys.token("ana")))
            assert (await ana.approve(handle.id, question)).outcome == "voted"
            reads = keys.reads
            keys.make("second", "ES256")
            cat = client_of(client, lambda: bearer(keys.token("cat", kid="second")))
            assert (await cat.approve(handle.id, question)).outcome == "approved"
            assert keys.reads > reads
            await asyncio.wait_for(handle.result(), 30)


@server
@slow
async def test_a_verifier_that_takes_long_or_fails_refuses(agents: Agents, client: Client) -> None:
    def verify(credential: Credential) -> Person:
        if credential.scheme == "slow":
            time.sleep(4)  # as one that asks a server
        raise RuntimeError(f"the token is {credential.value}")

    plugin = HITLPlugin(verify=[verify, SignedVerifier([FRONT_KEY])], ticket_keys=[TICKET_KEY])
    async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins_of(plugin)) as env:
        handle = await env.start(OfficeWorkflow.run, Office())
        question = await question_of(client, handle)
        approver = client_of(client)
        for scheme in ("slow", "other"):
            with pytest.raises(Exception, match=NOT_PROVED):
                await approver.approve(handle.id, question, credential=Credential(scheme, "s3cret"))
        good = as_person("ana", about={"workflow_id": handle.id, "id": question.id})
        wrong = as_person("ana", about={"workflow_id": handle.id, "id": "another"})
        with pytest.raises(Exception, match=NOT_PROVED):
            await approver.approve(handle.id, question, credential=wrong)
        await approver.approve(handle.id, question, credential=good)
        await asyncio.wait_for(handle.result(), 30)


ABOUT = About("default", "w", "sha256:x", "q")


def test_a_signed_person_counts_for_a_while_and_for_what_it_says() -> None:
    identity = Identity(SignedVerifier(["k" * 32, FRONT_KEY]), [TICKET_KEY])
    person = Person("ana", ["finance"])
    assert identity.issue(sign_person(person, FRONT_KEY), ABOUT).by == "ana"
    assert identity.issue(sign_person(person, FRONT_KEY, about={"id": "q"}), ABOUT).by == "ana"
    bad = [
        sign_person(person, "another key, also of 32 bytes or more"),
        sign_person(person, FRONT_KEY, about={"id": "other"}),
        sign_person(person, FRONT_KEY, about={"workflow_id": "other"}),
        sign_person(person, FRONT_KEY, expires_in=timedelta(microseconds=1)),
        Credential("bearer", sign_person(person, FRONT_KEY).value),
        Credential("signed", ""),
        Credential("signed", "x" * 30_000),
        None,
    ]
    time.sleep(0.002)
    assert [identity.issue(each, ABOUT).ticket for each in bad] == [""] * len(bad)
    assert not identity.issue(sign_person(person, FRONT_KEY), replace(ABOUT, by="bob")).ticket
    for name in ("", "a\u202eb", "a\nb", "x" * 600):
        with pytest.raises(NotVerifiedError):
            sign_person(Person(name), FRONT_KEY)
    identity_of = Identity(_invisible, [TICKET_KEY])
    assert not identity_of.issue(Credential("bearer", "x"), ABOUT).ticket, "an invisible character"


def _invisible(credential: Credential) -> Person:
    return Person("an\u200ba")


def test_one_signed_person_counts_once_in_a_workflow() -> None:
    identity = Identity(SignedVerifier([FRONT_KEY]), [TICKET_KEY])
    credential = sign_person(Person("ana"), FRONT_KEY)
    first, second = (identity.issue(credential, ABOUT).ticket for _ in range(2))
    assert claims_of(first).nonce == claims_of(second).nonce


KEY = "s" * 32
WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: HITLPlugin(verify=SignedVerifier([KEY])), ValueError, "ticket_keys= is not given"),
    (lambda: HITLPlugin(ticket_keys=[KEY]), ValueError, "verify= is not given"),
    (lambda: HITLPlugin(verify=[], ticket_keys=[KEY]), ValueError, "there is no verifier"),
    (lambda: HITLPlugin(verify=_untyped(SignedVerifier), ticket_keys=[KEY]), TypeError, "is a class"),
    (lambda: HITLPlugin(verify=_untyped(_async), ticket_keys=[KEY]), TypeError, "is async"),
    (lambda: HITLPlugin(verify=_untyped(3), ticket_keys=[KEY]), TypeError, "is no function"),
    (lambda: HITLPlugin(verify=SignedVerifier([KEY]), ticket_keys=["short"]), ValueError, "5 bytes"),
    (lambda: HITLPlugin(verify=SignedVerifier([KEY]), ticket_keys=KEY), TypeError, r"Write \[key\]"),
    (lambda: SignedVerifier([]), ValueError, "there is no key"),
    (lambda: SignedVerifier(["x" * 31]), ValueError, "31 bytes"),
    (lambda: sign_person(Person("a"), "x"), ValueError, "1 bytes"),
    (lambda: sign_person(Person("a"), KEY, about={"run": "x"}), ValueError, "about= has 'run'"),
    (lambda: sign_person(Person("a"), KEY, expires_in=timedelta(days=2)), ValueError, "at most a day"),
    (lambda: _jwt(jwks_url="http://id.example.org/keys"), ValueError, "is not https"),
    (lambda: _jwt(), ValueError, "give one of"),
    (lambda: _jwt(jwks={}), ValueError, "no JWKS"),
    (lambda: _jwt(jwks="{"), ValueError, "not JSON"),
    (lambda: _jwt(key=KEY), ValueError, "no public key"),
    (lambda: _jwt(key=KEY, algorithms=["none"]), ValueError, "'none' is unknown"),
    (lambda: _jwt(key=KEY, algorithms=["HS256", "RS256"]), ValueError, "beside one of a public key"),
    (lambda: _jwt(key="short", algorithms=["HS256"]), ValueError, "5 bytes"),
    (lambda: _jwt(key="-----BEGIN PUBLIC KEY-----", algorithms=["HS256"]), ValueError, "takes a secret"),
    (lambda: _jwt(jwks={"keys": []}, algorithms=["HS256"]), ValueError, "A JWKS is public"),
    (lambda: JWTVerifier(issuer="", audience="a", key=KEY), ValueError, "may not be empty"),
]


def _untyped(value: Any) -> Any:
    return value


async def _async(credential: Credential) -> Person:
    return Person("ana")


def _jwt(**options: Any) -> JWTVerifier:
    return JWTVerifier(issuer=ISSUER, audience=AUDIENCE, **options)


@pytest.mark.parametrize(("make", "kind", "text"), WRONG)
def test_what_cannot_verify_is_refused_at_once(make: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        make()


@pytest.fixture(scope="module")
async def keys() -> AsyncGenerator[KeyServer]:
    async with KeyServer().serving() as one:
        one.make("rsa")
        one.make("ec", "ES256")
        yield one


async def test_keys_of_both_kinds_and_tokens_without_a_key_id(keys: KeyServer) -> None:
    verifier = jwt_verifier(keys)
    await verifier.refresh()
    for kid in ("rsa", "ec"):
        assert verifier.verify(bearer(keys.token("ana", "g", kid=kid))) == Person("ana", ["g"])
    secret = _jwt(key=KEY, algorithms=["HS256"], name_claim="email", groups_claim="roles")
    claims = {"email": "ana@x.org", "roles": "admin", "iss": ISSUER, "aud": [AUDIENCE], "exp": 4e9}
    assert secret.verify(bearer(jwt.encode(claims, KEY))) == Person("ana@x.org", ["admin"])
