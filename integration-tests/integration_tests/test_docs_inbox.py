"""The programs of docs/inbox.md: an inbox for a team, and a worker that sends links."""

import secrets
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import until
from packages.hitl.tests.inbox_agents import Shop, ShopWorkflow, refunds
from packages.hitl.tests.inbox_browser import OWN, browser, form_of, text_of
from packages.hitl.tests.token_support import AUDIENCE, ISSUER, KeyServer

from integration_tests.docs_code import module_of
from strands_temporal import StrandsPlugin

pytestmark = [pytest.mark.server, pytest.mark.slow]


async def test_ana_signs_in_and_bo_uses_a_link(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyServer()
    keys.make("first")
    async with keys.serving():
        for name in ("INBOX_KEY", "LINKS_KEY", "TICKET_KEY"):
            monkeypatch.setenv(name, secrets.token_urlsafe(32))
        monkeypatch.setenv("ID_KEYS", keys.url)
        monkeypatch.setenv("ID_ISSUER", ISSUER)
        monkeypatch.setenv("INBOX_URL", "http://127.0.0.1:8234")
        assert AUDIENCE == "approvals"
        server = module_of("inbox.md", "inbox_server", tmp_path, monkeypatch)
        worker: Any = __import__("inbox_worker")
        plugins = [StrandsPlugin(models={"model": refunds}), worker.make_plugin()]
        async with agents(workflows=[ShopWorkflow], plugins=plugins) as env:
            deciders = {"people": ["ana@example.com", "bo@example.com"], "quorum": 2}
            options = {"verified": True, "deciders": deciders}
            shop = await env.start(ShopWorkflow.run, Shop(options=options))

            async def mails() -> list[str]:
                return worker.sent

            await until(mails, lambda sent: len(sent) == 2)
            async with browser(server.make_inbox(env.client)) as ana:
                action, fields = form_of(await ana.get("/sign-in"))
                for token, status in (("guess", 401), (keys.token("ana@example.com"), 303)):
                    signed = await ana.http.post(action, data={**fields, "proof": token}, headers=OWN)
                    assert signed.status_code == status
                listed = await until(lambda: ana.get("/"), lambda page: shop.id in page.text)
                query = listed.text.partition('href="/question?')[2].partition('"')[0]
                page = await ana.get(f"/question?{query.replace('&amp;', '&')}")
                assert (await ana.send(page, "approve")).status_code == 303
            (link,) = [mail.partition(": ")[2] for mail in worker.sent if mail.startswith("bo@")]
            async with browser(server.make_inbox(env.client)) as bo:
                page = await bo.get(link)
                assert "Your decision was taken" in text_of(await bo.send(page, "approve"))
            assert "refunded 40.0" in await shop.result()
            await env.assert_replays(shop)
