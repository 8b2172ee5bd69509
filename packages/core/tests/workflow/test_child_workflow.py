"""A sub-agent in a child workflow does what `agent.as_tool()` does, and asks and remembers as it does."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.carry_scenes import hand_over
from packages.core.tests.workflow.child_scenes import (
    DESCRIPTION,
    Owned,
    OwnerWorkflow,
    ResearchWorkflow,
    answers_to,
    bare,
    children_of,
    company,
    erase,
    host,
    keys,
    plain_erase,
    research,
    seen,
)
from strands import Agent

from strands_temporal.testing import ScriptedModel

pytestmark = pytest.mark.server


class Plain:
    """The same company without Temporal."""

    def __init__(self, keeps: bool) -> None:
        self.model = ScriptedModel(company)

        def make(**arguments: Any) -> Agent:
            return Agent(self.model, callback_handler=None, **arguments)

        department = research(make, plain_erase).as_tool(description=DESCRIPTION, preserve_context=keeps)
        self.agent = host(make, department)

    async def turn(self, prompt: str) -> Any:
        return seen(await self.agent.invoke_async(prompt))

    async def answer(self, answers: dict[str, Any]) -> Any:
        return seen(await self.agent.invoke_async(answers_to(self.agent, answers)))


class Durable:
    """The company with its department in a child workflow."""

    def __init__(self, handle: Any, chat: Any) -> None:
        self.handle = handle
        self.chat = chat

    async def turn(self, prompt: str) -> Any:
        return await self.chat.execute_update(OwnerWorkflow.turn, prompt)

    async def answer(self, answers: dict[str, Any]) -> Any:
        return await self.chat.execute_update(OwnerWorkflow.answer, answers)


def given(model: ScriptedModel) -> list[Any]:
    """Return what the agents asked their models: who, after how many messages, with which tools."""
    return [[call.system_prompt, len(call.messages), call.tool_specs, call.text] for call in model.calls]


@pytest.mark.sample(1)
@pytest.mark.parametrize("keeps", [False, True], ids=["without memory", "with memory"])
async def test_it_works_asks_and_remembers_as_an_agent_as_a_tool(agents: Agents, keeps: bool) -> None:
    """Two turns, two questions at once from four agents down, one answer after the other, over three runs."""
    keys.clear()
    plain, model = Plain(keeps), ScriptedModel(company)
    worker = {"workflows": [OwnerWorkflow, ResearchWorkflow], "activities": [erase]}
    async with agents(models={"m": lambda: model}, **worker) as env:
        handle = await env.start(OwnerWorkflow.run, Owned(keeps))
        chat: Any = env.client.get_workflow_handle(handle.id)
        team = Durable(handle, chat)
        assert await team.turn("look up") == await plain.turn("look up")
        if keeps:
            await hand_over(chat)
        asked = await team.turn("erase a.txt b.txt")
        assert asked == await plain.turn("erase a.txt b.txt")
        assert asked == ["interrupt", [["erase a.txt", "a.txt"], ["erase b.txt", "b.txt"]]]
        first = await env.client.get_workflow_handle(handle.id).describe()
        await hand_over(chat)
        one = {"erase a.txt": "yes"}
        rest = await team.answer(one)
        assert rest == await plain.answer(one)
        assert rest == ["interrupt", [["erase b.txt", "b.txt"]]]
        await hand_over(chat)
        two = {"erase b.txt": {"no": b"never".decode()}}
        said = await team.answer(two)
        assert said == await plain.answer(two)
        assert "erased a.txt: yes" in str(said)
        assert await team.turn("once more") == await plain.turn("once more")
        assert await chat.query(OwnerWorkflow.messages) == bare(plain.agent)
        for run_id in (handle.first_execution_run_id, first.run_id, None):
            await env.assert_replays(env.client.get_workflow_handle(handle.id, run_id=run_id))
            for child in await children_of(env.client, handle.id, run_id):
                await env.assert_replays(child)
        await chat.terminate()
    assert given(model) == given(plain.model)
    assert len(set(keys)) == 2, "each call keeps its idempotency key when it is answered"


async def test_a_stop_drops_what_a_child_asked(agents: Agents) -> None:
    model = ScriptedModel(company)
    worker = {"workflows": [OwnerWorkflow, ResearchWorkflow], "activities": [erase]}
    async with agents(models={"m": lambda: model}, **worker) as env:
        handle = await env.start(OwnerWorkflow.run, Owned())
        chat: Any = env.client.get_workflow_handle(handle.id)
        assert (await chat.execute_update(OwnerWorkflow.turn, "erase a.txt"))[0] == "interrupt"
        assert (await chat.execute_update(OwnerWorkflow.stop))[0] == "cancelled"
        asked = await chat.execute_update(OwnerWorkflow.turn, "erase a.txt")
        assert asked == ["interrupt", [["erase a.txt", "a.txt"]]]
        _, said = await chat.execute_update(OwnerWorkflow.answer, {"erase a.txt": "no"})
        assert "erased a.txt: no" in said
        assert len(await children_of(env.client, handle.id)) == 3  # asked, asked again, answered
        await env.assert_replays(handle)
        await chat.terminate()
