"""`Approvals` and client tools: people approve a call before a client runs it, and both answer one pause."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents, at_rest
from packages.hitl.tests.approvals_support import BY, approver_for, pick_color, until
from packages.hitl.tests.carried_support import next_run
from strands.multiagent import GraphBuilder
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import AgentCarry, ClientTools, StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, assert_replays, say, use_tool, use_tools
from strands_temporal.workflow import client_tool
from strands_temporal_hitl import Approvals, ApprovalsCarry, HITLPlugin

pytestmark = pytest.mark.server

ran: list[str] = []


@client_tool
def read_file(path: str) -> str:
    """Read a file on the user's machine."""
    raise NotImplementedError


@client_tool(deadline=timedelta(seconds=0.5))
def look(at: str) -> str:
    """Look at something."""
    raise NotImplementedError


def reads(path: str) -> str:
    ran.append(path)
    return f"read {path}"


@dataclass
class Task:
    prompt: str | None = "go"
    agent: AgentCarry | None = None
    approvals: ApprovalsCarry | None = None


class HandsOver:
    """What the workflows below share."""

    approvals: Approvals
    agent: TemporalAgent
    handing_over = False

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.signal
    def stop(self) -> None:
        self.agent.cancel()

    async def until_end(self, task: Task) -> dict[str, Any]:
        result = await self.approvals.run(
            self.agent, task.prompt, stop_waiting_when=lambda: self.handing_over
        )
        if result.stop_reason == "interrupt":
            await workflow.wait_condition(workflow.all_handlers_finished)
            carry = self.agent.carry()
            workflow.continue_as_new(Task(None, carry, self.approvals.carry(carry)))
        outcomes = [record.outcome for record in self.approvals.records]
        return {"text": str(result).strip(), "stop_reason": result.stop_reason, "outcomes": outcomes}


@workflow.defn
class ApprovedWorkflow(HandsOver):
    """People are asked before the client."""

    @workflow.init
    def __init__(self, task: Task) -> None:
        self.approvals = Approvals(carry=task.approvals)
        tools = [read_file, pick_color]
        interventions: list[Any] = [HumanInTheLoop(allowed_tools=["pick_color"])]
        self.agent = TemporalAgent(
            "model", tools=tools, interventions=interventions, carry=task.agent, callback_handler=None
        )

    @workflow.run
    async def run(self, task: Task) -> dict[str, Any]:
        return await self.until_end(task)


@workflow.defn
class MixedWorkflow(HandsOver):
    """A person and a client answer one pause."""

    @workflow.init
    def __init__(self, task: Task) -> None:
        self.approvals = Approvals(carry=task.approvals)
        self.agent = TemporalAgent(
            "model", tools=[read_file, look, pick_color], carry=task.agent, callback_handler=None
        )

    @workflow.run
    async def run(self, task: Task) -> dict[str, Any]:
        return await self.until_end(task)


@workflow.defn
class GraphWorkflow:
    @workflow.run
    async def run(self) -> str:
        graph = GraphBuilder().set_max_node_executions(4)
        for name in ("one", "two"):
            node = TemporalAgent(
                "model", name=name, system_prompt=name, tools=[read_file], callback_handler=None
            )
            graph.add_node(node, name)
        result = await Approvals().run(graph.build(), "go")
        return " ".join(sorted(str(node.result).strip() for node in result.results.values()))


WORKFLOWS = [ApprovedWorkflow, MixedWorkflow, GraphWorkflow]


def environment(agents: Agents, *script: Any) -> Any:
    ran.clear()
    model = ScriptedModel(*script)
    plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin()]
    return agents(workflows=WORKFLOWS, plugins=plugins)


def echo(call: ScriptedCall) -> Any:
    return say(call.text)


async def opened(handle: Any) -> list[dict[str, Any]]:
    """Return the open client calls, when there are any."""

    async def ask() -> list[dict[str, Any]]:
        await at_rest(handle)  # a query in the midst of a workflow task may show another time
        return await handle.query("client_tool_calls")

    return await until(ask, bool)


async def asked(client: Client, handle: Any) -> Any:
    """Return the one question for people, when it is there."""

    async def ask() -> list[Any]:
        return list(await approver_for(client).pending(handle.id))

    (pending,) = await until(ask, bool)
    return pending


async def served(env: Any, handle: Any) -> Any:
    """Serve the client tools until the workflow has ended. Replay its runs, and return its result."""
    await asyncio.wait_for(ClientTools(env.client, handle.id, {"read_file": reads}).serve(), 30)
    run_id = handle.first_execution_run_id
    while run_id:
        history = await env.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        await assert_replays(history, WORKFLOWS, plugins=env.plugins)
        last = history.events[-1].workflow_execution_continued_as_new_event_attributes
        run_id = last.new_execution_run_id
    return await handle.result()


async def test_people_approve_a_call_before_a_client_runs_it(agents: Agents, client: Client) -> None:
    calls = [("read_file", {"path": "a"}, "read-1"), ("read_file", {"path": "b"}, "read-2")]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ApprovedWorkflow.run, Task())
        approver = approver_for(client)
        pending = await until(lambda: approver.pending(handle.id), lambda found: len(found) == 2)
        assert await handle.query("client_tool_calls") == []
        for one in pending:
            decide = approver.approve if one.arguments == {"path": "a"} else approver.reject
            await decide(handle.id, one, by=BY)
        result = await served(env, handle)
    assert ran == ["a"]
    assert "read a" in result["text"]
    assert sorted(result["outcomes"]) == ["approved", "rejected"]


MIXED = use_tools([("read_file", {"path": "a"}, "read-1"), ("pick_color", {"thing": "door"}, "pick-1")])


@pytest.mark.slow
@pytest.mark.parametrize("first", ["person", "client"])
async def test_both_answers_of_one_pause_over_continue_as_new(
    agents: Agents, client: Client, first: str
) -> None:
    async def hand_over() -> None:
        before = (await current.describe()).run_id
        await current.signal("hand_over")
        await next_run(current, before)

    async def answer(who: str) -> None:
        if who == "person":
            await approver_for(client).respond(handle.id, question, "red", by=BY)
        else:
            await current.execute_update("client_tool_result", {"id": call["id"], "result": "read a"})

    async with environment(agents, MIXED, echo) as env:
        handle = await env.start(MixedWorkflow.run, Task())
        current = env.client.get_workflow_handle(handle.id)
        (call,), question = await opened(handle), await asked(client, handle)
        assert call["arguments"] == {"path": "a"}
        await hand_over()
        assert await opened(current) == [call]
        assert await asked(client, handle) == question
        await answer(first)
        await hand_over()
        await answer("client" if first == "person" else "person")
        result = await served(env, handle)
    assert sorted(result["text"].split("\n")) == ["door is red", "read a"]
    assert result["outcomes"] == ["responded"]


@pytest.mark.slow
async def test_an_approved_call_waits_for_its_client_over_continue_as_new(
    agents: Agents, client: Client
) -> None:
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ApprovedWorkflow.run, Task())
        await approver_for(client).approve(handle.id, await asked(client, handle), by=BY)
        (call,) = await opened(handle)
        current = env.client.get_workflow_handle(handle.id)
        await current.signal("hand_over")
        await next_run(current, handle.first_execution_run_id)
        assert await opened(current) == [call]
        result = await served(env, handle)
    assert (result["text"], result["outcomes"]) == ("read a", ["approved"])


@pytest.mark.slow
async def test_a_stop_withdraws_the_question_and_the_call(agents: Agents, client: Client) -> None:
    async with environment(agents, MIXED, echo) as env:
        handle = await env.start(MixedWorkflow.run, Task())
        await opened(handle)
        await asked(client, handle)
        await handle.signal("stop")
        result = await served(env, handle)
    assert (result["stop_reason"], result["outcomes"]) == ("cancelled", ["withdrawn"])
    assert ran == []


@pytest.mark.slow
async def test_a_call_expires_while_a_person_thinks(agents: Agents, client: Client) -> None:
    calls = [("look", {"at": "a"}, "look-1"), ("pick_color", {"thing": "door"}, "pick-1")]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(MixedWorkflow.run, Task())
        await opened(handle)
        question = await asked(client, handle)
        await until(lambda: handle.query("client_tool_calls"), lambda calls: not calls)
        await approver_for(client).respond(handle.id, question, "red", by=BY)
        result = await served(env, handle)
    assert sorted(result["text"].split("\n")) == ["Error: No client ran the call in time", "door is red"]


@pytest.mark.slow
async def test_the_nodes_of_a_graph_have_client_tools(agents: Agents) -> None:
    def script(call: ScriptedCall) -> Any:
        name = str(call.system_prompt)
        return (
            say(call.text) if call.tool_results else use_tool("read_file", {"path": name}, tool_use_id=name)
        )

    async with environment(agents, script) as env:
        assert await served(env, await env.start(GraphWorkflow.run)) == "read one read two"
