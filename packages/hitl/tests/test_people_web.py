"""Several people decide in a web front end and in the terminal chat, which say that others have to, too."""

import asyncio
from typing import Any, cast

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import until
from packages.hitl.tests.people_support import Office, OfficeWorkflow, as_person, signing_plugin
from packages.hitl.tests.policy_support import ran, refund, refunds
from packages.hitl.tests.test_chat_part import Screen
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.extension import ChatScreen, WebAnswerRefusedError
from strands_temporal_hitl import PendingApproval
from strands_temporal_hitl._chat import ChatApprovalsPart
from strands_temporal_hitl._people_text import people_line
from strands_temporal_hitl._web import WebApprovalsPart
from strands_temporal_hitl.identity import ProvedName

pytestmark = [pytest.mark.server, pytest.mark.slow]

TWO = {"groups": ["finance"], "quorum": 2, "four_eyes": True}


class CountingScreen(Screen):
    """Counts how often the chat looks for questions."""

    looked = 0

    async def waits_for_people(self) -> None:
        self.looked += 1


async def test_votes_in_a_web_front_end_and_in_the_chat(
    agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins: list[Any] = [StrandsPlugin(models={"model": lambda: refunds(7)}), signing_plugin()]
    async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins) as env:
        handle = await env.start(OfficeWorkflow.run, Office(deciders=TWO, started_by="eve"))
        web = WebApprovalsPart(client)
        (question,) = await until(lambda: web.questions(handle.id), bool)
        assert "2 people decide: the group finance; nobody who asked for it" in (question.text or "")

        async def answer(by: str, value: Any) -> str | None:
            return await web.answer(handle.id, question, value, rejects=False, by=by, request=f"{by}:{value}")

        with pytest.raises(WebAnswerRefusedError) as caught:
            await answer("ana", True)
        assert caught.value.kind == "NotVerified", "the app's word is no proof"
        edit = {"approved": True, "arguments": {"amount": 5, "to": "ann"}}
        told = await answer(ProvedName("ana", as_person("ana", "finance")), edit)
        assert told == "Your vote counts. Others have to decide too"
        (again,) = await web.questions(handle.id)
        assert "ana proposes these arguments instead of" in (again.text or "")
        assert [vote["by"] for vote in (again.details or {})["votes"]] == ["ana"]

        screen = Screen("y")
        monkeypatch.setenv("STRANDS_TEMPORAL_TOKEN", "cat's")
        part = ChatApprovalsPart(client, handle.id)
        part._approvals._proving._credential = as_person("cat", "finance", channel="chat")  # pyright: ignore[reportPrivateUsage]
        following = asyncio.create_task(part.follow(cast("ChatScreen", screen)))
        result = await asyncio.wait_for(handle.result(), 30)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert any("approved by ana" in line for line in screen.shown)
        assert ran.pop() == (5, "ann")
        record = result["records"][-1]
        assert (record["by"], record["channel"]) == ("ana, cat", "web, chat")


async def test_the_chat_asks_a_person_once(agents: Agents, client: Client) -> None:
    plugins: list[Any] = [StrandsPlugin(models={"model": lambda: refunds(7)}), signing_plugin()]
    async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins) as env:
        handle = await env.start(OfficeWorkflow.run, Office(deciders=TWO, started_by="eve"))
        web = WebApprovalsPart(client)
        (question,) = await until(lambda: web.questions(handle.id), bool)
        screen = CountingScreen("y", "y")
        part = ChatApprovalsPart(client, handle.id)
        part._approvals._proving._credential = lambda: as_person("cat", "finance")  # pyright: ignore[reportPrivateUsage]
        following = asyncio.create_task(part.follow(cast("ChatScreen", screen)))
        await until(lambda: asyncio.sleep(0, screen.shown), lambda shown: "Your vote counts" in str(shown))
        looked = screen.looked
        await until(lambda: asyncio.sleep(0, screen.looked), lambda times: times > looked + 2)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert screen.typed == ["y"], "it does not ask cat again"
        ana = ProvedName("ana", as_person("ana", "finance"))
        assert await web.answer(handle.id, question, True, rejects=False, by=ana, request="r") is None
        await asyncio.wait_for(handle.result(), 30)


def test_nothing_is_said_where_anybody_may_decide() -> None:
    assert people_line(PendingApproval("q", "n")) == ""
