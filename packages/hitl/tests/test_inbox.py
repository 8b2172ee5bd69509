"""The inbox on a real server: what waits is listed, shown and decided, with forms alone."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import approver_for, until
from packages.hitl.tests.inbox_agents import Shop, ShopWorkflow, make_clerk, refunds
from packages.hitl.tests.inbox_browser import HOSTILE, OWN, Browser, browser, text_of

from strands_temporal import ConversationClient, StrandsPlugin
from strands_temporal.testing import AgentEnvironment
from strands_temporal_hitl import HITLPlugin, PendingApproval
from strands_temporal_hitl._links import question_query
from strands_temporal_hitl.inbox import inbox_app

pytestmark = pytest.mark.server


def plugins(**hitl: Any) -> list[Any]:
    return [StrandsPlugin(models={"model": refunds}, agents={"clerk": make_clerk}), HITLPlugin(**hitl)]


async def asked(env: AgentEnvironment, workflow_id: str) -> PendingApproval:
    """Return the question of a workflow, when it asks."""
    return (await until(lambda: approver_for(env.client).pending(workflow_id), bool))[0]


async def ask(env: AgentEnvironment, shop: Shop) -> tuple[Any, str]:
    """Start a workflow that asks. Return it and the query of its question's address."""
    handle = await env.start(ShopWorkflow.run, shop)
    return handle, question_query(handle.id, (await asked(env, handle.id)).id)


@pytest.mark.slow
async def test_a_question_is_listed_shown_edited_and_decided_with_forms_alone(agents: Agents) -> None:
    async with agents(workflows=[ShopWorkflow], plugins=plugins()) as env:
        chat = await ConversationClient.start(
            env.client, "clerk", id=f"chat-{HOSTILE}", task_queue=env.task_queue
        )
        answer = asyncio.create_task(chat.send(f"refund it {HOSTILE}"))
        shop, query = await ask(env, Shop({"number": HOSTILE, "amount": 40.0}, 3600.0))
        async with browser(inbox_app(env.client)) as person:
            listed = await until(lambda: person.get("/?tool=refund"), lambda page: shop.id in page.text)
            assert listed.status_code == 200
            page = await person.get(f"/question?{query}")
            review = await edited(person, query, amount="12.5", urgent="true")
            assert "amount 40.0 12.5 urgent not given true" in text_of(review)
            done = await person.send(review, "edit")
            assert done.status_code == 303
            after = await person.get(done.headers["location"])
            assert "Approved with other arguments by " in text_of(after)
            # A form that is sent again, and one of a page that was open before, decide nothing.
            assert (await person.send(review, "edit")).status_code == 303
            late = await person.send(page, "reject")
            assert (late.status_code, "already edited by" in text_of(late)) == (409, True)
            waits = question_query(chat.handle.id, (await asked(env, chat.handle.id)).id)
            talk = await person.get(f"/question?{waits}")
            for shown in (listed, page, review, after, late, talk):
                assert "<script>alert" not in shown.text
                assert not {"\u202e", "\x1b"} & set(text_of(shown))
            words = text_of(talk)
            assert "Person refund it <script>alert(1)</script> \\u202e gnp.exe \\x1b [2J" in words
            assert "Call refund number: A-7" in words
            assert (await person.send(talk, "reject", reason=f"no {HOSTILE}")).status_code == 303
        assert "refunded 12.5 for" in await shop.result()
        assert HOSTILE in (await answer).text
        await env.assert_replays(shop)


async def edited(person: Browser, query: str, **values: str) -> Any:
    form = await person.get(f"/edit?{query}")
    given = {f"argument__{name}": value for name, value in values.items()}
    return await person.send(form, path="/review", **given, reason="less")


@pytest.mark.slow
async def test_what_is_wrong_in_a_form_is_said_beside_it(agents: Agents) -> None:
    async with agents(workflows=[ShopWorkflow], plugins=plugins()) as env:
        shop, query = await ask(env, Shop())
        async with browser(inbox_app(env.client)) as person:
            bad = await edited(person, query, amount="much", number="B-1")
            assert bad.status_code == 422
            assert "'much' is not a number." in text_of(bad)
            assert 'value="B-1"' in bad.text
            unfit = await edited(person, query, kind='"bitcoin"')
            assert unfit.status_code == 422
            assert "bitcoin" in text_of(unfit)
            page = await person.get(f"/question?{query}")
            for verdict, fields in (("respond", {"response": " "}), ("approve", {"trust": "all"}), ("x", {})):
                token = {"token": visitors_token(page), "verdict": verdict, **fields}
                named = dict(part.split("=") for part in query.split("&"))
                refused = await person.http.post(
                    "/decide", data={**token, **named, "id": (await asked(env, shop.id)).id}, headers=OWN
                )
                assert refused.status_code == 422, text_of(refused)
            for path in ("/question?workflow=w", f"/question?workflow={shop.id}&id=none", "/nothing"):
                assert (await person.get(path)).status_code == 404
            gone = await person.get("/question?workflow=none&id=q")
            assert gone.status_code == 503
            version = (await person.get(f"/version?{query}")).text
            assert version == page.text.partition('data-version="')[2][:16]
            assert (await person.send(page, "respond", response="y", response_kind="text")).status_code == 303
            assert (await until(lambda: person.get(f"/version?{query}"), bool)).text != version
        assert "refunded 40.0" in await shop.result()


def visitors_token(page: Any) -> str:
    return page.text.partition('name="token" value="')[2].partition('"')[0]


@pytest.mark.slow
async def test_it_works_below_a_path_of_another_app(agents: Agents) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async with agents(workflows=[ShopWorkflow], plugins=plugins()) as env:
        shop, query = await ask(env, Shop())
        app = Starlette(routes=[Mount("/desk/inbox", inbox_app(env.client))])
        async with browser(app) as person:
            page = await person.get(f"/desk/inbox/question?{query}")
            assert page.text.count('href="/desk/inbox/') >= 4
            assert "Path=/desk/inbox" in page.headers["set-cookie"]
            assert (await person.get("/desk/inbox/assets/inbox.css")).status_code == 200
            done = await person.send(page, "approve")
            assert done.headers["location"].startswith("/desk/inbox/question?")
        assert "refunded 40.0" in await shop.result()


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_many_questions_are_listed_fast_and_one_without_worker_is_a_problem(agents: Agents) -> None:
    async with agents(workflows=[ShopWorkflow], plugins=plugins()) as env:
        many = [{"number": f"A-{i}", "amount": float(i)} for i in range(20)]
        handles = [await env.start(ShopWorkflow.run, Shop({"many": many})) for _ in range(25)]
        lost = await env.client.start_workflow(
            ShopWorkflow.run, Shop(), id=f"lost-{handles[0].id}", task_queue="nobody"
        )
        app = inbox_app(env.client, workflow_types=["ShopWorkflow"])
        loop = asyncio.get_running_loop()
        try:
            async with browser(app) as person:
                took: list[float] = []

                async def look() -> Any:
                    began = loop.time()
                    page = await person.get("/?group=tool")
                    took.append(loop.time() - began)
                    return page

                page = await until(look, lambda page: "500 questions wait." in text_of(page))
                assert max(took) < 10  # seconds, on a busy machine
                for _ in range(3):
                    await asyncio.sleep(1.1)
                    page = await look()
                assert max(took[-3:]) < 3, took
                assert "Page 1 of 20" in text_of(page)
                assert lost.id in page.text.partition("Could not be asked")[2]
                last = await person.get("/?page=20")
                assert last.text.count('class="row-link"') == 25
        finally:
            for handle in [*handles, lost]:
                await handle.terminate()
