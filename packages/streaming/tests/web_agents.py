"""The agents of the web app's tests, and the script of their model. Workflow code imports this module."""

import json
from typing import Any

from strands import ToolContext, tool
from strands.interventions import InterventionHandler
from strands.multiagent import GraphBuilder
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool, use_tools
from strands_temporal.workflow import SubAgentResult, SubAgentTask, child_workflow, client_tool
from strands_temporal_streaming import StreamHooks

AGENTS = ("plain", "keeper", "asker", "pauser", "painter", "boss", "noter", "crew", "host")


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"about {word}"


@tool
def broken(word: str) -> str:
    """Fail."""
    raise ValueError(f"no {word}")


@tool(context=True)
def note(tool_context: ToolContext, key: str) -> str:
    """Note something in the agent's state."""
    tool_context.agent.state.set(key, True)
    return "noted"


@tool(context=True)
def ask(tool_context: ToolContext, q: str) -> str:
    """Ask a person."""
    return f"got {tool_context.interrupt('why', reason={'q': q})}"


@client_tool
def set_title(title: str) -> str:
    """Set the title of the page."""
    raise NotImplementedError


def plain() -> TemporalAgent:
    """Make an agent with tools."""
    return TemporalAgent("m", streaming_topic="events", tools=[look_up, broken, note], callback_handler=None)


def keeper() -> TemporalAgent:
    """Make an agent whose tool calls people decide."""
    interventions: list[InterventionHandler] = [HumanInTheLoop(allowed_tools=[])]
    return TemporalAgent("m", streaming_topic="events", tools=[look_up], interventions=interventions)


def asker() -> TemporalAgent:
    """Make an agent whose tool asks."""
    return TemporalAgent("m", streaming_topic="events", tools=[ask], callback_handler=None)


def painter() -> TemporalAgent:
    """Make an agent with a tool of the front end."""
    return TemporalAgent("m", streaming_topic="events", tools=[set_title, look_up], callback_handler=None)


def boss() -> TemporalAgent:
    """Make an agent with a sub-agent."""
    helper = TemporalAgent(
        "m",
        name="helper",
        description="Helps.",
        streaming_topic="events",
        tools=[look_up],
        callback_handler=None,
    )
    return TemporalAgent("m", streaming_topic="events", tools=[helper.as_tool()], callback_handler=None)


def noter() -> TemporalAgent:
    """Make an agent whose changes of state are events."""
    hooks: list[Any] = [StreamHooks(state=True)]
    return TemporalAgent("m", streaming_topic="events", tools=[note, forget], hooks=hooks)


@tool(context=True)
def forget(tool_context: ToolContext, key: str) -> str:
    """Remove something from the agent's state."""
    tool_context.agent.state.delete(key)
    return "forgotten"


@tool
async def ask_crew(task: str) -> str:
    """Have a graph of two agents do a task."""
    builder = GraphBuilder().set_max_node_executions(5)
    first, second = (TemporalAgent("m", name=name, streaming_topic="events") for name in ("finder", "writer"))
    builder.add_edge(builder.add_node(first, "find"), builder.add_node(second, "write"))
    builder.set_entry_point("find")
    builder.set_hook_providers([StreamHooks()])
    result = await builder.build().invoke_async(task)
    return str(result.results["write"].result)


def crew() -> TemporalAgent:
    """Make an agent with a graph in a tool."""
    return TemporalAgent("m", streaming_topic="events", tools=[ask_crew])


@workflow.defn(name="clerk")
class ClerkWorkflow:
    """Ask the clerk."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(TemporalAgent("m", name="clerk", carry=task.carry, callback_handler=None))


def host() -> TemporalAgent:
    """Make an agent with a sub-agent in a child workflow."""
    return TemporalAgent("m", streaming_topic="events", tools=[child_workflow(ClerkWorkflow)])


def steps(call: ScriptedCall) -> Reply:
    """Do what the person's words say: `tool NAME {...}`, `fail`, `think`, or say them again."""
    if call.tool_results:
        return say(f"done: {call.text}", chunk=8)
    command, _, rest = call.prompt.partition(" ")
    if command == "tool":
        name, _, arguments = rest.partition(" ")
        id_ = f"{name}-{len(call.messages)}"
        return use_tool(name, json.loads(arguments), tool_use_id=id_, text="Let me see.")
    if command == "tools":
        name, _, arguments = rest.partition(" ")
        return use_tools([(name, json.loads(arguments), f"{name}-{i}") for i in range(2)])
    if command == "fail":
        return Reply(error=ValueError(rest))
    if command == "think":
        return thought(rest)
    return say(f"You said {call.prompt}", chunk=8)


def thought(text: str) -> Reply:
    """Think before an answer."""
    first, *rest = say(text, chunk=8).events
    block: list[Any] = [
        {"contentBlockStart": {"start": {}}},
        {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hmm"}}}},
        {"contentBlockDelta": {"delta": {"reasoningContent": {"signature": "sig"}}}},
        {"contentBlockStop": {}},
    ]
    return Reply((first, *block, *rest))
