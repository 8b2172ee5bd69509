"""An agent stopped around a question is ready for the next prompt, and each call has one result."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from strands.hooks import AfterToolsEvent, BeforeToolCallEvent, BeforeToolsEvent
from temporalio import activity, workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

SOON = 30
paying = asyncio.Event()


@pytest.fixture(autouse=True)
def _forget() -> None:
    paying.clear()


@activity.defn
async def pay(amount: int) -> str:
    """Pay; the first time, until it is cancelled."""
    if not paying.is_set():
        paying.set()
        await asyncio.sleep(SOON)
    return f"paid {amount}"


@activity.defn
async def pay_if_agreed(amount: int, tool_context: ToolContext) -> str:
    """Pay, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('agree', reason=amount)}"


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


ACTIVITIES = [pay, pay_if_agreed]


def numbers_anew(call: ScriptedCall) -> Reply:
    """Ask for a sum and a payment in each turn, under the same ids each time."""
    if "toolResult" in call.messages[-1]["content"][-1]:
        return say(call.text)
    if call.text == "hello":
        return say("hello")
    name = next(name for name in call.tool_names if name != "add")
    arguments = {"input": "pay"} if name == "clerk" else {"amount": 5}
    return use_tools([("add", {"a": 1, "b": 2}, "call_0"), (name, arguments, "call_1")])


def approve(event: BeforeToolCallEvent) -> None:
    if event.tool_use["name"] == "pay" and event.interrupt("approval", reason="pay?") != "yes":
        event.cancel_tool = "not approved"


def asked(result: Any) -> list[Any]:
    return [interrupt for interrupt in result.interrupts or () if interrupt.response is None]


def yes(result: Any, answer: str = "yes") -> Any:
    return [{"interruptResponse": {"interruptId": one.id, "response": answer}} for one in asked(result)]


def results_of(agent: Agent) -> list[list[str]]:
    """Return the results in each message that has any, as call and status."""
    return [
        sorted(f"{block['toolResult']['toolUseId']} {block['toolResult']['status']}" for block in results)
        for message in agent.messages
        if (results := [block for block in message["content"] if "toolResult" in block])
    ]


class Stopping:
    def __init__(self) -> None:
        self.agent = self.made()
        self.first: Any = None
        self.stops: list[str] = []

    def made(self, carry: AgentCarry | None = None) -> TemporalAgent:
        agent = TemporalAgent("m", tools=[add, activity_as_tool(pay)], callback_handler=None, carry=carry)
        agent.add_hook(approve, BeforeToolCallEvent)
        return agent


@workflow.defn
class StoppedWorkflow(Stopping):
    @workflow.run
    async def run(self, way: str, carry: AgentCarry | None = None) -> list[Any]:
        if carry is not None:
            return await self.again(self.made(carry), way)
        agent = self.agent
        if way == "a hook that ends the turn":
            agent.add_hook(end_turn, AfterToolsEvent)
        result = await agent.invoke_async("go")
        if way == "before the tools":
            agent.add_hook(self.stop_once, BeforeToolsEvent)
        if way == "while asked":  # as `Approvals` handles a stop while people are asked
            agent.cancel()
            result = await agent.invoke_async([])
        else:
            result = await agent.invoke_async(yes(result))
        self.first = [result.stop_reason, results_of(agent)]
        if way == "carried":
            workflow.continue_as_new(args=[way, agent.carry()])
        return await self.again(agent, way)

    async def again(self, agent: TemporalAgent, way: str) -> list[Any]:
        """Prompt again. The earlier yes does not count for the new call with the same id."""
        result = await agent.invoke_async("go")
        reasons = [interrupt.reason for interrupt in asked(result)]
        result = await agent.invoke_async(yes(result))
        return [self.first, reasons, str(result).strip(), results_of(agent)]

    def stop_once(self, event: BeforeToolsEvent) -> None:
        if not self.stops:
            self.stops.append("before the tools")
            self.agent.cancel()

    @workflow.signal
    def stop(self) -> None:
        self.agent.cancel()


def end_turn(event: AfterToolsEvent) -> None:
    if event.agent.cancel_signal.is_set():
        event.end_turn = "ended by a hook"


FIRST = ["call_0 success", "call_1 error"]
WHOLE = ["call_0 success", "call_1 success"]


@pytest.mark.parametrize(
    "way", ["in the tool", "before the tools", "while asked", "a hook that ends the turn", "carried"]
)
async def test_the_next_prompt_works_after_a_stop(agents: Agents, way: str) -> None:
    model = ScriptedModel(numbers_anew)
    in_the_tool = way not in ("before the tools", "while asked")
    async with agents(workflows=[StoppedWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        handle = await env.start(StoppedWorkflow.run, way)
        if in_the_tool:
            await asyncio.wait_for(paying.wait(), SOON)
            await handle.signal(StoppedWorkflow.stop)
        else:
            paying.set()
        first, reasons, said, results = await asyncio.wait_for(handle.result(), SOON)
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    if way != "carried":
        reason = "end_turn" if way == "a hook that ends the turn" else "cancelled"
        assert first == [reason, [FIRST]]
    assert reasons == ["pay?"]
    assert said == "3\npaid 5"
    assert results == [FIRST, WHOLE]


@pytest.mark.parametrize("preserve", [True, False], ids=["with memory", "without"])
@pytest.mark.parametrize("how", ["a stop", "a hook"])
async def test_a_sub_agent_whose_question_nobody_waits_for_is_asked_anew(
    agents: Agents, preserve: bool, how: str
) -> None:
    model = ScriptedModel(numbers_anew)
    async with agents(workflows=[ClerkWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        stop_reason, results, reasons, said = await env.run(ClerkWorkflow.run, preserve, how)
    assert stop_reason == ("cancelled" if how == "a stop" else "end_turn")
    assert results == [FIRST]
    assert reasons == [5]
    assert "5: yes" in said


@workflow.defn
class ClerkWorkflow:
    """A clerk asks. His question is dropped with the call to him, and he is called again."""

    @workflow.run
    async def run(self, preserve: bool, how: str) -> list[Any]:
        clerk = TemporalAgent(
            "m", name="clerk", tools=[add, activity_as_tool(pay_if_agreed)], callback_handler=None
        )
        tools = [add, clerk.as_tool(name="clerk", description="Pays.", preserve_context=preserve)]
        head = TemporalAgent("m", tools=tools, callback_handler=None)
        result = await head.invoke_async("go")
        denied: list[str] = []

        def deny_once(event: BeforeToolCallEvent) -> None:
            if event.tool_use["name"] == "clerk" and how == "a hook" and not denied:
                denied.append("clerk")
                event.cancel_tool = "the clerk has gone"

        head.add_hook(deny_once, BeforeToolCallEvent)
        if how == "a stop":
            head.cancel()
        ended = await head.invoke_async(yes(result))
        results = results_of(head)
        result = await head.invoke_async("go")
        reasons = [interrupt.reason for interrupt in asked(result)]
        result = await head.invoke_async(yes(result))
        return [ended.stop_reason, results, reasons, str(result)]


async def test_plain_strands_raises_there() -> None:
    """`docs/interrupts.md` says this of a plain agent. If the test fails, Strands has changed it."""

    @tool(name="pay")
    async def stopped_pay(amount: int) -> str:
        """Pay, and be stopped meanwhile."""
        agent.cancel()
        return f"paid {amount}"

    agent = Agent(ScriptedModel(numbers_anew), tools=[add, stopped_pay], callback_handler=None)
    agent.add_hook(approve, BeforeToolCallEvent)
    result = await agent.invoke_async(yes(await agent.invoke_async("go")))
    assert result.stop_reason == "cancelled"
    with pytest.raises(TypeError, match="must resume from interrupt"):
        await agent.invoke_async("hello")


async def test_an_agent_that_waits_still_refuses_a_prompt(agents: Agents) -> None:
    model = ScriptedModel(numbers_anew)
    async with agents(workflows=[WaitingWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        assert "must resume from interrupt" in await env.run(WaitingWorkflow.run)


@workflow.defn
class WaitingWorkflow(Stopping):
    @workflow.run
    async def run(self) -> str:
        await self.agent.invoke_async("go")
        try:
            await self.agent.invoke_async("hello")
        except TypeError as error:
            return str(error)
        return "went on"
