"""Over AG-UI, a question that takes several people waits until all of them have decided."""

import uuid
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from conftest import Agents
from packages.streaming.tests.web_agents import keeper, steps
from packages.streaming.tests.web_support import WAIT, Web, serving, text_of
from starlette.requests import Request

from strands_temporal import AgentDefinition, StrandsPlugin
from strands_temporal.testing import ScriptedModel
from strands_temporal_hitl import Approvals, HITLPlugin, Person
from strands_temporal_hitl.identity import ProvedName, SignedVerifier, sign_person
from strands_temporal_streaming.web import agent_app

pytestmark = [pytest.mark.server, pytest.mark.slow]

KEY = "a key of the front end in the tests, 32 bytes or more"


def approvals(carry: Any) -> Approvals:
    return Approvals(carry=carry, deciders={"groups": ["tea"], "quorum": 2})


def authorize(request: Request, agent: str, thread: str | None) -> str:
    """Return who asks: the test says it in a header, as a proxy would."""
    name = request.headers["x-person"]
    return ProvedName(name, sign_person(Person(name, ["tea"]), KEY, channel="web"))


async def test_two_people_decide_one_question(agents: Agents) -> None:
    plugins = [
        StrandsPlugin(
            models={"m": lambda: ScriptedModel(steps)},
            agents={"panel": AgentDefinition(keeper, approvals=approvals)},
        ),
        HITLPlugin(
            verify=SignedVerifier([KEY]), ticket_keys=["a ticket key of the tests, 32 bytes and more"]
        ),
    ]
    async with AsyncExitStack() as stack:
        env = await stack.enter_async_context(agents(workflows=[], plugins=plugins))
        app = agent_app(env.client, ["panel"], task_queue=env.task_queue, authorize=authorize)
        url, server = await stack.enter_async_context(serving(app))
        people = [
            Web(env, http, url, server)
            for name in ("ana", "cat")
            for http in [httpx.AsyncClient(base_url=url, timeout=WAIT, headers={"x-person": name})]
        ]
        for each in people:
            await stack.enter_async_context(each.http)
        ana, cat = people
        thread = f"thread-{uuid.uuid4()}"
        asked = await ana.run("panel", 'tool look_up {"word": "tea"}', thread=thread)
        (question,) = asked[-1]["outcome"]["interrupts"]
        assert "2 people decide: the group tea" in question["message"]

        async def decide(who: Web) -> list[dict[str, Any]]:
            given = {"interruptId": question["id"], "status": "resolved", "payload": True}
            return await who.run("panel", None, thread=thread, messages=[], resume=[given])

        voted = await decide(ana)
        (again,) = voted[-1]["outcome"]["interrupts"]
        assert "approved by ana" in again["message"]
        assert [vote["by"] for vote in again["metadata"]["strands_temporal"]["votes"]] == ["ana"]
        twice = await decide(ana)
        assert (twice[-1]["type"], twice[-1]["code"]) == ("RUN_ERROR", "AlreadyVoted")
        done = await decide(cat)
        assert text_of(done) == "done: about tea"
        await cat.replays()
