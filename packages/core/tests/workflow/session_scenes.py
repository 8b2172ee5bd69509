"""Agents with sessions, for the tests of sessions on a `TemporalStorage`."""

from typing import Any, Literal

from strands import Agent, ToolContext, tool
from strands.agent import AgentResult
from strands.session import SnapshotSessionManager
from temporalio import workflow

from strands_temporal import AgentCarry, TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool
from strands_temporal.workflow import TemporalStorage

SaveOn = Literal["message", "invocation", "trigger"]


def count(call: ScriptedCall) -> Reply:
    """Answer how many messages there are, and the first and the last of them."""
    texts = [str(message["content"][0].get("text", "-")) for message in call.messages]
    return say(f"{len(texts)}: {texts[0]}, {texts[-1]}")


@tool(context=True)
def ask(question: str, tool_context: ToolContext) -> str:
    """Ask a person."""
    return f"they say {tool_context.interrupt('ask', reason=question)}"


def ask_once(call: ScriptedCall) -> Reply:
    """Ask, and report the answer."""
    return say(call.text) if len(call.messages) > 1 else use_tool("ask", {"question": "why?"})


def answers_to(result: AgentResult) -> Any:
    return [
        {"interruptResponse": {"interruptId": interrupt.id, "response": "because"}}
        for interrupt in result.interrupts or ()
    ]


def session(save_on: SaveOn = "invocation", **options: Any) -> SnapshotSessionManager:
    return SnapshotSessionManager("s", storage=TemporalStorage("sessions"), save_latest_on=save_on, **options)


def build(kind: str, **arguments: Any) -> Agent:
    """Return an agent with a session: a `TemporalAgent`, or a plain one, or one with `storage=`."""
    given: dict[str, Any] = {"agent_id": "a", "callback_handler": None, **arguments}
    if kind == "plain":
        return Agent(TemporalModel("m"), session_manager=session(), **given)
    if kind == "storage":
        manager = SnapshotSessionManager("s")
        return TemporalAgent("m", session_manager=manager, storage=TemporalStorage("sessions"), **given)
    return TemporalAgent("m", session_manager=session(), **given)


@workflow.defn
class SessionWorkflow:
    """One turn of an agent that has a session; built in `run`."""

    @workflow.run
    async def run(self, kind: str, prompt: str) -> str:
        return str(await build(kind).invoke_async(prompt)).strip()


@workflow.defn
class SessionInInitWorkflow:
    """One turn of an agent that has a session; built in `__init__`."""

    @workflow.init
    def __init__(self, kind: str, prompt: str) -> None:
        self.agent = build(kind)

    @workflow.run
    async def run(self, kind: str, prompt: str) -> str:
        if isinstance(self.agent, TemporalAgent) and prompt == "ready?":
            await self.agent.wait_until_ready()
            return str(len(self.agent.messages))
        return str(await self.agent.invoke_async(prompt)).strip()


@workflow.defn
class AskingSessionWorkflow:
    """Asks in one run, and takes the answer in another."""

    @workflow.run
    async def run(self, kind: str, answers: Any) -> Any:
        agent = build(kind, tools=[ask])
        result = await agent.invoke_async(answers or "go")
        return answers_to(result) or str(result).strip()


@workflow.defn
class CarriedSessionWorkflow:
    """Continues as new with a carry and a session, with and without a turn before."""

    @workflow.run
    async def run(self, carry: AgentCarry | None, prompts: list[str], said: list[str]) -> list[str]:
        agent = TemporalAgent(
            "m", agent_id="a", callback_handler=None, session_manager=session(), carry=carry
        )
        if prompts and prompts[0]:
            said.append(str(await agent.invoke_async(prompts[0])).strip())
        if len(prompts) > 1:
            workflow.continue_as_new(args=[agent.carry(), prompts[1:], said])
        return said
