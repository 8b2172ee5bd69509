"""examples/support_desk as processes: one person decides in the inbox, the other by the link in a mail."""

import re
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from packages.hitl.tests.inbox_browser import form_of, text_of

from integration_tests.readme_runs import SCRIPTED
from integration_tests.real_parts import free_port
from integration_tests.terminals import WAIT, example_worker, terminal
from strands_temporal.testing import DevServer

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]


class Person:
    """A person at the inbox, in a browser without scripts."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=WAIT, follow_redirects=True)
        self.headers = {"origin": url, "sec-fetch-site": "same-origin"}

    async def sign_in(self, token: str) -> str:
        action, fields = form_of(await self.http.get("/sign-in"))
        page = await self.http.post(action, data={**fields, "proof": token}, headers=self.headers)
        return page.text

    async def question(self, workflow_id: str) -> httpx.Response:
        listed = await self.http.get("/")
        [path] = set(re.findall(r'href="(/question\?[^"]+)"', listed.text))
        assert workflow_id in path
        return await self.http.get(path.replace("&amp;", "&"))

    async def decide(self, page: httpx.Response, verdict: str) -> httpx.Response:
        action, fields = form_of(page, verdict)
        return await self.http.post(action, data=fields, headers=self.headers)


async def token_of(name: str, variables: dict[str, str]) -> str:
    """Return the token that the example prints for a person."""
    async with terminal(variables, "examples.support_desk.people", name) as people:
        return (await people.rest()).strip()


async def test_two_people_of_finance_decide_by_inbox_and_mail(server: DevServer, tmp_path: Path) -> None:
    port = free_port()
    variables = {
        **SCRIPTED,
        "TEMPORAL_ADDRESS": server.address,
        "PORT": str(port),
        "SMTP_PORT": str(free_port()),
        "SUPPORT_DESK_KEYS": str(tmp_path / "keys"),
        "SUPPORT_DESK_PAID": str(tmp_path / "paid.jsonl"),
    }
    url = f"http://127.0.0.1:{port}"
    async with terminal(variables, "examples.support_desk.desk") as desk:
        await desk.until(f"Open {url}")
        async with (
            AsyncExitStack() as stack,
            example_worker(variables, "support_desk"),
            terminal(variables, "examples.support_desk.client") as clerk,
        ):
            said = await clerk.until("see the inbox.\n")
            [id_] = re.findall(r"strands-support-desk-[\w-]+", said)
            await desk.until("--- Mail to bo@desk.example: Approval needed: refund")
            mail = await desk.until("the page asks you to confirm.")
            cy, ana, bo = Person(url), Person(url), Person(url)
            for person in (cy, ana, bo):
                stack.push_async_callback(person.http.aclose)
            await cy.sign_in(await token_of("cy", variables))
            refused = await cy.decide(await cy.question(id_), "approve")
            assert "You may not decide your own request" in text_of(refused)
            await ana.sign_in(await token_of("ana", variables))
            page = await ana.question(id_)
            assert "800" in text_of(page)
            await ana.decide(page, "approve")
            assert "approved ana" in text_of(await ana.question(id_))
            [link] = re.findall(rf"Approve: {url}(/link/\S+)", mail)
            page = await bo.http.get(link)
            assert "Your decision, bo" in text_of(page)
            await bo.decide(page, "approve")
            said = await clerk.rest()
            await desk.until("--- Mail to bo@desk.example: Decided")
    assert "refund: approved by ana, bo" in said
    assert "Answer: [scripted] paid 800 euros back for order 17" in said
    assert (tmp_path / "paid.jsonl").read_text().count("\n") == 1
