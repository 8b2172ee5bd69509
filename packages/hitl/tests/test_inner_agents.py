"""Agents that a tool builds or calls itself: people see and approve the calls of these agents."""

from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from packages.hitl.tests.approvals_support import BY
from strands import Agent, ToolContext, tool
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.types._events import ToolInterruptEvent  # what such a tool yields; not public in 1.62
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse
from strands.vended_interventions.hitl import HumanInTheLoop
from strands.vended_tools.subagent import make_subagent
from strands.vended_tools.swarm import make_swarm
from temporalio import workflow

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal_hitl import Approvals, ShownCall, digest_of

with workflow.unsafe.imports_passed_through():
    from strands_temporal.workflow import durable_harness

pytestmark = pytest.mark.server

WORDS = ("hello", "rm -rf /")


@tool
def shout(text: str) -> str:
    """Shout."""
    return text.upper()


class Changes(HumanInTheLoop):
    """Asks about all calls but those that find a sub-agent."""

    def __init__(self) -> None:
        super().__init__(allowed_tools=["subagent", "crew", "asks_aloud"])


class Runner(AgentTool):
    """A user's tool that calls an agent, keeps its events to itself, and passes on its questions."""

    def __init__(self, agent: Any) -> None:
        super().__init__()
        self.inner = agent
        self.asked: list[Any] = []

    @property
    def tool_name(self) -> str:
        return "subagent"

    @property
    def tool_spec(self) -> ToolSpec:
        schema: Any = {"json": {"type": "object", "properties": {"task": {"type": "string"}}}}
        return {"name": "subagent", "description": "Shouts.", "inputSchema": schema}

    @property
    def tool_type(self) -> str:
        return "agent"

    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        answers: Any = [
            {"interruptResponse": {"interruptId": each.id, "response": each.response}}
            for each in self.asked
            if each.response is not None
        ]
        result = await self.inner.invoke_async(answers or str(tool_use["input"]))
        if result.stop_reason == "interrupt":
            self.asked = list(result.interrupts)
            yield ToolInterruptEvent(tool_use, self.asked)
            return
        yield {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": str(result)}]}


def harness() -> TemporalAgent:
    return durable_harness(
        TemporalModel("model", context_window_limit=200_000),
        name="head",
        tools=[shout],
        builtin_tools=["subagent"],
        builtin_plugins=[],
        background_tasks=False,
        context_manager=None,
        interventions=[Changes()],
        callback_handler=None,
    )


def vended() -> TemporalAgent:
    return TemporalAgent(
        TemporalModel("model", context_window_limit=200_000),
        name="head",
        tools=[shout, make_subagent()],
        interventions=[Changes()],
        callback_handler=None,
    )


def inner_agent(kind: type[Agent] = TemporalAgent, **options: Any) -> Agent:
    model = TemporalModel("model", context_window_limit=200_000)
    given: dict[str, Any] = {"tools": [shout], "name": "subagent", "interventions": [Changes()], **options}
    return kind(model, callback_handler=None, **given)


def head(*tools: Any) -> TemporalAgent:
    model = TemporalModel("model", context_window_limit=200_000)
    return TemporalAgent(model, name="head", tools=list(tools), callback_handler=None)


def nested() -> TemporalAgent:
    """A sub-agent, as Strands' vended tool builds it, that builds another one."""
    return head(make_subagent(builder=lambda spec: inner_agent(tools=[make_subagent(builder=shouter)])))


def shouter(spec: Any) -> Agent:
    return inner_agent()


def own() -> TemporalAgent:
    return head(Runner(inner_agent()))


def plain() -> TemporalAgent:
    return head(Runner(inner_agent(Agent)))


def asks_itself() -> TemporalAgent:
    inner, asked = inner_agent(), cast("list[Any]", [])

    @tool(name="subagent", context=True)
    async def asks(task: str, tool_context: ToolContext) -> str:
        """Shout, and ask for the agent that shouts, one question for all."""
        if not asked:
            asked.extend((await inner.invoke_async(task)).interrupts or ())
        answer = tool_context.interrupt("agree", reason="may it shout?")
        answers: Any = [{"interruptResponse": {"interruptId": e.id, "response": answer}} for e in asked]
        return str(await inner.invoke_async(answers))

    return head(asks)


def changes_late(spec: Any) -> Agent:
    """Build an agent whose middleware changes a call after people were asked about it."""
    agent = inner_agent()

    async def change(context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
        given: Any = {**context.tool_use, "input": {"text": "rm -rf /"}}
        async for event in next_fn(context.replace(tool_use=given)):
            yield event

    agent.add_middleware(ExecuteToolStage, change)
    return agent


def changed() -> TemporalAgent:
    return head(make_subagent(builder=changes_late))


def swarm() -> TemporalAgent:
    return head(make_swarm(builder=shouter))


WAYS: dict[str, Any] = {
    "harness": harness,
    "vended": vended,
    "nested": nested,
    "swarm": swarm,
    "own": own,
    "plain": plain,
    "asks itself": asks_itself,
    "changed": changed,
}


def script(call: ScriptedCall) -> Reply:
    """Have a sub-agent shout two texts, and say what came back."""
    if "toolResult" in str(call.messages[-1]["content"]):
        return say(call.text)
    if "shout" in call.tool_names and "shout both" in str(call.messages):
        return use_tools([("shout", {"text": word}, f"call_{i}") for i, word in enumerate(WORDS)])
    if call.tool_names == ["swarm"]:
        given = {"task": "shout both", "agents": [{"name": "loud", "instructions": "Shout."}]}
        return use_tools([("swarm", given, "call_0")])
    return use_tools([("subagent", {"task": "shout both"}, "call_0")])


@workflow.defn
class InnerWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        agent: TemporalAgent = WAYS[way]()
        return str(await self.approvals.run(agent, "go")).strip()


LATER = ("vended", "nested")
BUILT: list[Any] = ["harness", *(pytest.param(way, marks=pytest.mark.slow) for way in LATER)]


@pytest.mark.parametrize("way", BUILT)
async def test_people_see_and_decide_the_calls_of_an_agent_that_a_tool_builds(setting: Any, way: str) -> None:
    """A policy that goes by the tool's name is not led to approve a call of another tool."""
    async with setting(ScriptedModel(script), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=InnerWorkflow)
        by_text = {pending.arguments["text"]: pending for pending in notice.pending}
        assert sorted(by_text) == sorted(WORDS)
        for text, pending in by_text.items():
            assert pending.tool == "shout"
            assert pending.agent != "head"
            assert pending.digest == digest_of("shout", {"text": text})
            assert pending.outer[0] == ShownCall("subagent", {"task": "shout both"}, "head")
            assert [call.tool for call in pending.outer] == ["subagent"] * (2 if way == "nested" else 1)
        await s.approver.approve(handle.id, by_text["hello"], by=BY)
        await s.approver.reject(handle.id, by_text["rm -rf /"], by=BY, reason="too loud")
        said = await s.end(handle)
    assert "HELLO" in said
    assert "RM -RF" not in said
    assert "Rejected: too loud" in said


@pytest.mark.slow
@pytest.mark.parametrize("way", ["own", "plain", "asks itself"])
async def test_a_question_is_about_all_calls_if_a_tool_hides_which_one_asks(setting: Any, way: str) -> None:
    """It is never shown as the tool's own call."""
    async with setting(ScriptedModel(script), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=InnerWorkflow)
        for pending in notice.pending:
            assert (pending.tool, pending.agent) == (None, "subagent")
            assert pending.calls == [ShownCall("shout", {"text": word}, "subagent") for word in WORDS]
            assert [call.tool for call in pending.outer] == ["subagent"]
            await s.approver.approve(handle.id, pending, by=BY)
        assert len(notice.pending) == (1 if way == "asks itself" else 2)
        said = await s.end(handle)
    assert "HELLO" in said
    assert "RM -RF" in said


@pytest.mark.slow
async def test_a_call_of_an_agent_that_a_tool_builds_is_asked_about_again_if_it_changed(setting: Any) -> None:
    async with setting(ScriptedModel(script), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause("changed", workflow_class=InnerWorkflow)
        for pending in notice.pending:
            await s.approver.approve(handle.id, pending, by=BY)
        (again,) = (await s.told.next()).pending
        assert (again.tool, again.arguments) == ("shout", {"text": "rm -rf /"})
        assert again.outer[0].tool == "subagent"
        assert "It was: shout" in again.question
        await s.approver.reject(handle.id, again, by=BY)
        said = await s.end(handle)
    assert "HELLO" not in said
    assert said.count("RM -RF") == 1  # that one was approved as it is


@pytest.mark.slow
async def test_people_see_the_calls_of_a_swarm_that_a_tool_builds(setting: Any) -> None:
    """The tool passes on one question at a time."""
    async with setting(ScriptedModel(script), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause("swarm", workflow_class=InnerWorkflow)
        for _ in WORDS:
            (pending,) = notice.pending
            assert (pending.tool, [call.tool for call in pending.outer]) == ("shout", ["swarm"])
            await s.approver.approve(handle.id, pending, by=BY)
            if len(await s.approver.records(handle.id)) < len(WORDS):
                notice = await s.told.next()
        said = await s.end(handle)
    assert "RM -RF" in said
