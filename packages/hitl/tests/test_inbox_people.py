"""People who decide in the inbox and by links, on a worker that verifies them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import approver_for
from packages.hitl.tests.inbox_agents import Shop, ShopWorkflow, refunds
from packages.hitl.tests.inbox_browser import OWN, Browser, browser, form_of, text_of
from packages.hitl.tests.people_support import FRONT_KEY, as_person, signing_plugin
from packages.hitl.tests.test_inbox import asked

from strands_temporal import StrandsPlugin
from strands_temporal.testing import AgentEnvironment
from strands_temporal_hitl import (
    ApprovalNotice,
    ApprovalRecord,
    Credential,
    DecisionLinks,
    NotVerifiedError,
    PendingApproval,
    Person,
)
from strands_temporal_hitl._links import question_query
from strands_temporal_hitl.identity import SignedVerifier
from strands_temporal_hitl.inbox import ProxyHeader, SessionLogin, inbox_app

pytestmark = pytest.mark.server

LINKS_KEY = "a key of the links of the tests, 32 bytes or more"
GROUPS = {"ana": ["finance"], "bo": ["finance"], "eve": ["sales"]}
TWO = {"groups": ["finance"], "quorum": 2}


def verify(credential: Credential) -> Person:
    """Accept a name as the token, for the tests."""
    if credential.value not in GROUPS:
        raise NotVerifiedError("unknown")
    return Person(credential.value, GROUPS[credential.value])


def known(name: str) -> Person | None:
    return Person(name, GROUPS[name]) if name in GROUPS else None


@dataclass
class Desk:
    """The inbox, on a worker with a question."""

    env: AgentEnvironment
    app: Any
    handle: Any
    pending: PendingApproval

    @property
    def query(self) -> str:
        return question_query(self.handle.id, self.pending.id)

    def link(self, person: str, verdict: str | None = None, **pending: Any) -> str:
        """Return the path of a link."""
        links = DecisionLinks("http://x", LINKS_KEY, known)  # pyright: ignore[reportArgumentType]  # all are known
        question = replace(self.pending, **pending)
        notice = ApprovalNotice("n", self.env.client.namespace, self.handle.id, "", "", [question])
        return links.url(notice, question, person, verdict).removeprefix("http://x")

    async def records(self) -> list[ApprovalRecord]:
        return await approver_for(self.env.client).records(self.handle.id)

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncGenerator[Browser]:
        async with browser(self.app) as person:
            action, fields = form_of(await person.get("/sign-in"))
            await person.http.post(action, data={**fields, "proof": name}, headers=OWN)
            yield person


@asynccontextmanager
async def desk(agents: Agents, deciders: Any = TWO, **options: Any) -> AsyncGenerator[Desk]:
    plugins = [StrandsPlugin(models={"model": refunds}), signing_plugin()]
    async with agents(workflows=[ShopWorkflow], plugins=plugins) as env:
        given = {"verified": True, "deciders": deciders, **options}
        handle = await env.start(ShopWorkflow.run, Shop(deadline=3_600.0, options=given))
        app = inbox_app(
            env.client,
            authenticate=SessionLogin(verify),
            key=FRONT_KEY,
            links_key=LINKS_KEY,
            people=known,
            workflow_types=["ShopWorkflow"],
        )
        yield Desk(env, app, handle, await asked(env, handle.id))


async def test_two_people_decide_by_a_link_and_in_the_inbox(agents: Agents) -> None:
    async with desk(agents) as at:
        link, spare = at.link("ana"), at.link("ana", "reject")
        async with browser(at.app, address="192.0.2.7", host="mail.example") as scanner:
            for method in ("GET", "HEAD", "GET"):
                page = await scanner.http.request(method, link)
                assert page.status_code == 200
            for bad in ({"token": ""}, {"verdict": "approve"}, {"verdict": "approve", "token": "guess"}):
                assert (await scanner.http.post(link, data=bad)).status_code == 403
            forged = await scanner.get(link[:-3])
            assert (forged.status_code, "not valid" in text_of(forged)) == (410, True)
        headers = page.headers
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
        assert "noindex" in headers["x-robots-tag"]
        assert "set-cookie" not in headers
        assert await at.records() == []
        async with at.signed_in("eve") as eve:
            page = await eve.get(f"/question?{at.query}")
            refused = await eve.send(page, "approve")
            assert (refused.status_code, "You may not decide this" in text_of(refused)) == (409, True)
        async with browser(at.app) as ana:  # without signing in
            page = await ana.get(link)
            assert "Your decision, ana" in text_of(page)
            _, fields = form_of(page, "approve")
            cross = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
            assert (await ana.http.post(link, data=fields, headers=cross)).status_code == 403
            # A page without referrer sends the origin null.
            own = {"origin": "null", "sec-fetch-site": "same-origin"}
            done = await ana.http.post(link, data=fields, headers=own)
            assert "Your vote was taken" in text_of(done)
            for again in (await ana.get(link), await ana.http.post(link, data=fields, headers=own)):
                assert (again.status_code, "You have used this link" in text_of(again)) == (410, True)
        async with at.signed_in("bo") as bo:
            page = await bo.get(f"/question?{at.query}")
            assert "approved ana" in text_of(page)
            assert (await bo.send(page, "approve")).status_code == 303
        async with browser(at.app) as ana:
            over = await ana.get(spare)
            assert (over.status_code, "already decided Approved by ana, bo" in _without(over, "refund")) == (
                410,
                True,
            )
        assert "refunded 40.0" in await at.handle.result()
        final = (await at.records())[-1]
        assert [(vote.by, vote.channel, vote.groups) for vote in final.votes] == [
            ("ana", "link", ["finance"]),
            ("bo", "inbox", ["finance"]),
        ]
        assert final.verified
        await at.env.assert_replays(at.handle)


def _without(page: Any, word: str) -> str:
    return text_of(page).replace(f" {word} ", " ")


@pytest.mark.slow
async def test_a_proposal_outdates_links_and_needs_the_others(agents: Agents) -> None:
    async with desk(agents) as at:
        link = at.link("bo", "approve")
        async with at.signed_in("ana") as ana:
            form = await ana.get(f"/edit?{at.query}")
            review = await ana.send(form, path="/review", argument__amount="12.5", reason="less")
            assert "2 people have to agree" in text_of(review)
            assert (await ana.send(review, "edit")).status_code == 303
            shown = await ana.get(f"/question?{at.query}")
            words = text_of(shown)
            assert "Changed by ana" in words
            assert "amount 40.0 12.5" in words
            again = await ana.send(shown, "approve")
            assert (again.status_code, "You have already voted" in text_of(again)) == (409, True)
        async with browser(at.app) as bo:
            over = await bo.get(link)
            assert (over.status_code, "The question has changed" in text_of(over)) == (410, True)
        async with at.signed_in("bo") as bo:
            assert (await bo.send(await bo.get(f"/question?{at.query}"), "approve")).status_code == 303
        assert "refunded 12.5" in await at.handle.result()
        await at.env.assert_replays(at.handle)


@pytest.mark.slow
async def test_a_person_hands_a_question_on(agents: Agents) -> None:
    async with desk(agents, {"groups": ["finance"]}) as at:
        async with at.signed_in("ana") as ana:
            page = await ana.get(f"/question?{at.query}")
            handed = await ana.send(page, "delegate", to_kind="person", to="eve", reason="away")
            assert handed.status_code == 303
            page = await ana.get(f"/question?{at.query}")
            assert "Handed on by ana" in text_of(page)
            assert (await ana.send(page, "approve")).status_code == 409
            empty = await ana.send(page, "delegate", to_kind="person", to=" ")
            assert empty.status_code == 422
        async with at.signed_in("eve") as eve:
            assert (await eve.send(await eve.get(f"/question?{at.query}"), "approve")).status_code == 303
        assert "refunded 40.0" in await at.handle.result()
        await at.env.assert_replays(at.handle)


@pytest.mark.slow
async def test_who_asked_may_not_decide_and_a_link_ends_with_its_time_and_its_person(agents: Agents) -> None:
    async with desk(agents, {"groups": ["finance"], "four_eyes": True}, started_by="ana") as at:
        async with at.signed_in("ana") as ana:
            refused = await ana.send(await ana.get(f"/question?{at.query}"), "approve")
            assert (refused.status_code, "your own request" in text_of(refused)) == (409, True)
        past = (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat()
        async with browser(at.app) as person:
            late = await person.get(at.link("bo", deadline=past))
            assert (late.status_code, "was good until" in text_of(late)) == (410, True)
            left = at.link("bo")
            GROUPS["bo"] = ["sales"]
            try:
                page = await person.get(left)
                moved = await person.send(page, "approve")
                assert (moved.status_code, "You may not decide this" in text_of(moved)) == (409, True)
                del GROUPS["bo"]
                assert (await person.get(left)).status_code == 403
            finally:
                GROUPS["bo"] = ["finance"]
            only = at.link("bo", "reject")
            page = await person.get(only)
            _, fields = form_of(page, "reject")
            other = await person.http.post(only, data={**fields, "verdict": "approve"}, headers=OWN)
            assert other.status_code == 422
            assert "Your decision was taken" in text_of(await person.send(page, "reject", reason="no"))
        assert "no" in await at.handle.result()
        await at.env.assert_replays(at.handle)


@pytest.mark.slow
async def test_a_proxys_own_proof_reaches_the_worker(agents: Agents) -> None:
    async with desk(agents, {"groups": ["finance"]}) as at:
        login = ProxyHeader(SignedVerifier([FRONT_KEY]), header="x-proof", scheme="signed", pass_on=True)
        app = inbox_app(at.env.client, authenticate=login, key="a key that no worker knows, 32 bytes")
        async with browser(app) as person:

            def proof() -> dict[str, str]:
                return {"x-proof": as_person("ana", "finance", channel="proxy").value}

            page = await person.get(f"/question?{at.query}", **proof())
            action, fields = form_of(page, "approve")
            done = await person.http.post(action, data=fields, headers={**OWN, **proof()})
            assert done.status_code == 303
        (record,) = await at.records()
        assert (record.by, record.verified, record.channel) == ("ana", True, "proxy")
        assert "refunded 40.0" in await at.handle.result()
