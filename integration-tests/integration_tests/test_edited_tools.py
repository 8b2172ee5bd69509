"""A person edits a call: of each kind of tool there is, and as a plain agent whose hook changes the call."""

import sys
from functools import partial
from typing import Any

import pytest
from conftest import Agents
from mcp import StdioServerParameters, stdio_client
from packages.core.tests.worker import mcp_server
from packages.hitl.tests.approvals_support import BY, Told, approver_for, chain, until
from pydantic import BaseModel
from strands import Agent, tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.tools.mcp import MCPClient
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.client import Client

from strands_temporal import ClientTools, StrandsPlugin, TemporalAgent
from strands_temporal.activity import tool_context
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, assert_replays, say, use_tool
from strands_temporal.workflow import (
    SubAgentResult,
    SubAgentTask,
    TemporalTools,
    activity_as_tool,
    child_workflow,
    client_tool,
)
from strands_temporal_hitl import Approvals, HITLPlugin, digest_of
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient

pytestmark = [pytest.mark.server, pytest.mark.slow]

NOTE = 'A person changed the arguments of this call to {"text": "psst"}. The reason: quieter.'
keys: list[tuple[str, str]] = []


@tool
def here(text: str) -> str:
    """Shout in the workflow."""
    return text.upper()


@activity.defn
async def by_activity(text: str) -> str:
    """Shout in an activity, at the second attempt."""
    keys.append((text, tool_context().idempotency_key))
    if activity.info().attempt == 1:
        raise RuntimeError("again")
    return text.upper()


@tool
def hosted(text: str) -> str:
    """Shout on the worker."""
    keys.append((text, tool_context().idempotency_key))
    return text.upper()


@client_tool
def at_client(text: str) -> str:
    """Shout at the client."""
    raise NotImplementedError


class Shouted(BaseModel):
    """What is shouted."""

    text: str


@workflow.defn(name="office")
class OfficeWorkflow:
    """Answers its prompt."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(TemporalAgent("model", name="office", carry=task.carry, callback_handler=None))


def office() -> Any:
    agent = TemporalAgent("model", name="office", callback_handler=None)
    return agent.as_tool(name="office", description="Shouts.")


KINDS: dict[str, Any] = {
    "here": lambda: [here],
    "by_activity": lambda: [activity_as_tool(by_activity)],
    "hosted": lambda: [TemporalTools("hosted")],
    "shout": lambda: [TemporalMCPClient("loud")],
    "at_client": lambda: [at_client],
    "Shouted": list,
    "background": lambda: [activity_as_tool(by_activity, name="background")],
    "office": lambda: [office()],
    "child": lambda: [child_workflow(OfficeWorkflow, name="child", description="Shouts.")],
    "delegate": lambda: [
        child_workflow(OfficeWorkflow, name="delegate", description="Shouts.", delegate=True)
    ],
}
OF_INPUT = ("office", "child", "delegate")


@workflow.defn
class ShoutWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, kind: str) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if kind == "Shouted":
            options["structured_output_model"] = Shouted
        if kind == "background":
            options["background_tasks"] = {"always": ["background"]}
        agent = TemporalAgent(
            "model",
            name="head",
            tools=KINDS[kind](),
            interventions=[HumanInTheLoop()],
            callback_handler=None,
            **options,
        )
        after: list[Any] = []
        agent.add_hook(lambda event: after.append(event.tool_use["input"]), AfterToolCallEvent)
        result = await self.approvals.run(agent, "go")
        output: Any = result.structured_output
        return {
            "text": str(result).strip(),
            "uses": [b["toolUse"]["input"] for m in agent.messages for b in m["content"] if "toolUse" in b],
            "after": after,
            "output": output.model_dump() if output else None,
        }


def script(kind: str) -> Any:
    def answer(call: ScriptedCall) -> Reply:
        if call.tool_names and not call.tool_results:
            given = {"input": "hello"} if kind in OF_INPUT else {"text": "hello"}
            return use_tool(call.tool_names[0], given, tool_use_id="call-1")
        return say(call.text.upper() if not call.tool_names else call.text)

    return answer


def shouts(text: str) -> str:
    return text.upper()


def loud() -> Any:
    parameters = StdioServerParameters(command=sys.executable, args=[str(mcp_server.__file__)])
    connect: Any = partial(stdio_client, parameters)  # each major version of mcp has its own type
    return MCPClient(connect)


@pytest.mark.parametrize("kind", list(KINDS))
async def test_the_edited_call_runs(agents: Agents, client: Client, kind: str) -> None:
    keys.clear()
    told = Told()
    model = ScriptedModel(script(kind))
    plugins = [
        StrandsPlugin(models={"model": lambda: model}, tools={"hosted": lambda: hosted}),
        MCPPlugin(mcp_clients={"loud": loud}),
        HITLPlugin(notifiers={"test": lambda: told}),
    ]
    workflows = [ShoutWorkflow, OfficeWorkflow]
    approver = approver_for(client)
    async with agents(workflows=workflows, activities=[by_activity], plugins=plugins) as env:
        handle = await env.start(ShoutWorkflow.run, kind)
        (pending,) = (await told.next()).pending
        name = "input" if kind in OF_INPUT else "text"
        assert (pending.tool, pending.arguments) == (kind, {name: "hello"})
        record = await approver.edit(handle.id, pending, {name: "psst"}, by=BY, reason="quieter")
        assert record.edited_digest == digest_of(kind, {name: "psst"})
        if kind == "at_client":
            await ClientTools(client, handle.id, {"at_client": shouts}).serve()
        result = await handle.result()
        for history in await chain(handle):
            await assert_replays(history, workflows, plugins=plugins)
    assert result["uses"][0] == {name: "hello"}  # the message stays as the model wrote it
    assert result["after"] == [{name: "psst"}]  # hooks see what ran
    if kind == "Shouted":
        assert result["output"] == {"text": "psst"}
        return
    assert "PSST" in result["text"]
    assert "HELLO" not in result["text"]
    expected = NOTE if name == "text" else NOTE.replace('"text"', '"input"')
    assert (expected in result["text"]) == (kind != "delegate")
    assert {text for text, _ in keys} <= {"psst"}
    assert len({key for _, key in keys}) == (1 if kind in ("by_activity", "hosted", "background") else 0)


# --- Beside a plain agent


class Observed:
    """What hooks and the model of an agent see."""

    def __init__(self, agent: Agent) -> None:
        self.seen: list[Any] = []
        self.agent = agent
        agent.add_hook(self.before, BeforeToolCallEvent)
        agent.add_hook(self.after, AfterToolCallEvent)

    def before(self, event: BeforeToolCallEvent) -> None:
        self.seen.append(["before", event.tool_use["input"]])

    def after(self, event: AfterToolCallEvent) -> None:
        self.seen.append(["after", event.tool_use["input"], event.result["status"]])

    def all(self) -> list[Any]:
        content = [[m["role"], m["content"]] for m in self.agent.messages]
        return [self.seen, content]


@workflow.defn
class ObservedWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> list[Any]:
        agent = TemporalAgent("model", tools=[here], interventions=[HumanInTheLoop()], callback_handler=None)
        observed = Observed(agent)
        await self.approvals.run(agent, "go")
        return observed.all()


async def test_hooks_and_messages_are_those_of_a_plain_agent_whose_hook_changes_the_call(
    agents: Agents, client: Client
) -> None:
    plain = Agent(
        ScriptedModel(script("here")), tools=[here], interventions=[HumanInTheLoop()], callback_handler=None
    )
    decided: list[bool] = []

    def change(event: BeforeToolCallEvent) -> None:
        if decided:
            event.tool_use = {**event.tool_use, "input": {"text": "psst"}}

    plain.add_hook(change, BeforeToolCallEvent)
    observed = Observed(plain)
    asked = await plain.invoke_async("go")
    decided.append(True)
    (interrupt,) = list(asked.interrupts or ())
    await plain.invoke_async([{"interruptResponse": {"interruptId": interrupt.id, "response": True}}])

    model = ScriptedModel(script("here"))
    plugins = [StrandsPlugin(models={"model": lambda: model})]
    approver = approver_for(client)
    async with agents(workflows=[ObservedWorkflow], plugins=plugins) as env:
        handle = await env.start(ObservedWorkflow.run)
        (pending,) = await until(lambda: approver.pending(handle.id), bool)
        await approver.edit(handle.id, pending, {"text": "psst"}, by=BY, reason="quieter")
        seen, messages = await handle.result()
        await env.assert_replays(handle)
    (result,) = [block for _, content in messages for block in content if "toolResult" in block]
    assert result["toolResult"]["content"].pop() == {"text": NOTE}
    assert messages.pop()[1] == [{"text": f"PSST\n{NOTE}"}]
    expected_seen, expected = observed.all()
    assert expected.pop()[1] == [{"text": "PSST"}]
    assert [seen, messages] == [expected_seen, expected]
