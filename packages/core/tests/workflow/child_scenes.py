"""A company of agents: a host, its clerk, a research department in a child workflow, and an archive."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packages.core.tests.workflow.carry_scenes import HandsOver
from strands import Agent, ToolContext, tool
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool, use_tools
from strands_temporal.workflow import SubAgentResult, SubAgentTask, activity_as_tool, child_workflow

BELOW = {"host": "clerk", "clerk": "research", "research": "archive"}
DESCRIPTION = "Do research."

keys: list[str] = []
"""The idempotency keys that the activity below saw."""


@activity.defn
async def erase(path: str, tool_context: ActivityToolContext) -> str:
    """Delete a file, if a person agrees."""
    keys.append(tool_context.idempotency_key)
    return f"erased {path}: {tool_context.interrupt('erase ' + path, reason=path)}"


@tool(name="erase", context=True)
async def plain_erase(path: str, tool_context: ToolContext) -> str:
    """Delete a file, if a person agrees."""
    return f"erased {path}: {tool_context.interrupt('erase ' + path, reason=path)}"


def company(call: ScriptedCall) -> Reply:
    """Each agent passes its task to the agent below; the archive erases each file that the task names."""
    me = str(call.system_prompt)
    if "toolResult" in call.messages[-1]["content"][0]:
        heard = " ".join(
            block["text"] for result in call.tool_results for block in result["content"] if "text" in block
        )
        return say(f"{me}({len(call.messages)}): {heard}".replace("\n", ""))
    count = len(call.messages)
    if me in BELOW and call.tool_names:
        name = BELOW[me] if BELOW[me] in call.tool_names else call.tool_names[0]
        return use_tool(name, {"input": call.text}, tool_use_id=f"{name}-{count}")
    files = [word for word in call.text.split() if word.endswith(".txt")]
    if files:
        return use_tools([("erase", {"path": name}, f"erase-{name}-{count}") for name in files])
    return say(f"{me}({count}) read {call.text}")


Make = Callable[..., Agent]


def archive(make: Make, eraser: Any) -> Agent:
    return make(name="archive", system_prompt="archive", tools=[eraser])


def research(make: Make, eraser: Any, **arguments: Any) -> Agent:
    return make(
        name="research",
        system_prompt="research",
        tools=[archive(make, eraser).as_tool(description="Ask the archive.")],
        **arguments,
    )


def host(make: Make, department: Any, **arguments: Any) -> Agent:
    """Return a host whose clerk asks the department: three agents deep, four with the archive."""
    clerk = make(name="clerk", system_prompt="clerk", tools=[department])
    return make(
        name="host",
        system_prompt="host",
        tools=[clerk.as_tool(description="Ask the clerk.", preserve_context=False)],
        **arguments,
    )


def durable(**arguments: Any) -> TemporalAgent:
    return TemporalAgent("m", callback_handler=None, **arguments)


@workflow.defn(name="research")
class ResearchWorkflow:
    """Do research."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(research(durable, activity_as_tool(erase), carry=task.carry))


@dataclass
class Owned:
    keeps: bool = False
    carry: AgentCarry | None = None


@workflow.defn
class OwnerWorkflow(HandsOver):
    """Answers turns, and waits for answers to what the agents below ask, over several runs."""

    @workflow.init
    def __init__(self, owned: Owned) -> None:
        self._keeps = owned.keeps
        department = child_workflow(ResearchWorkflow, preserve_context=owned.keeps)
        self._agent = host(durable, department, carry=owned.carry)

    @workflow.update
    async def turn(self, prompt: str) -> Any:
        return seen(await self._agent.invoke_async(prompt))

    @workflow.update
    async def answer(self, answers: dict[str, Any]) -> Any:
        return seen(await self._agent.invoke_async(answers_to(self._agent, answers)))

    @workflow.update
    async def stop(self) -> Any:
        """Stop the agents while they wait for an answer."""
        self._agent.cancel()
        return seen(await self._agent.invoke_async([]))

    @workflow.query
    def messages(self) -> Any:
        return bare(self._agent)

    @workflow.run
    async def run(self, owned: Owned) -> None:
        await self.until_handed_over()
        workflow.continue_as_new(Owned(self._keeps, self._agent.carry()))  # type: ignore[attr-defined]


def seen(result: Any) -> Any:
    """Return what a turn ended with. The ids of questions differ between the two kinds of sub-agents."""
    asked = sorted([one.name, one.reason] for one in result.interrupts or () if one.response is None)
    return [result.stop_reason, asked or str(result).strip()]


def answers_to(agent: Agent, answers: dict[str, Any]) -> Any:
    """Return the answers to questions, by their names, as the agent takes them."""
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    return [
        {"interruptResponse": {"interruptId": id_, "response": answers[one["name"]]}}
        for id_, one in state["interrupts"].items()
        if one["response"] is None and one["name"] in answers
    ]


def bare(agent: Agent) -> list[Any]:
    return [{"role": message["role"], "content": message["content"]} for message in agent.messages]


async def children_of(
    client: Client, workflow_id: str, run_id: str | None = None
) -> "list[WorkflowHandle[Any, Any]]":
    """Return the child workflows that a run started."""
    history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    started = [
        event.child_workflow_execution_started_event_attributes.workflow_execution
        for event in history.events
        if event.HasField("child_workflow_execution_started_event_attributes")
    ]
    return [client.get_workflow_handle(one.workflow_id, run_id=one.run_id) for one in started]
