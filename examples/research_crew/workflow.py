"""A research crew: a planner, two researchers, a writer, and a fact checker in a child workflow."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from strands.multiagent import GraphBuilder
from strands.multiagent.graph import Graph
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.workflow import SubAgentResult, SubAgentTask, child_workflow
from strands_temporal_mcp import TemporalMCPClient

TASK_QUEUE = "strands-research-crew"
CHECKS_QUEUE = "strands-research-crew-checks"
MODEL = "chosen"

PLANNER = (
    "You are the planner of a research crew. Divide the question into two parts, one for the historian and "
    "one for the merchant. Answer with two lines, one for each."
)
HISTORIAN = (
    "You are the historian of a research crew. Search the library for your part of the plan. "
    "Answer with what it says, word for word."
)
MERCHANT = (
    "You are the merchant of a research crew. You know trade. Search the library for your part of the plan. "
    "Answer with what it says, word for word."
)
WRITER = (
    "You are the writer of a research crew. Write a report of at most three sentences from what the "
    "researchers found. Give your draft to the fact_checker before you answer, and follow what it says."
)
CHECKER = (
    "You are the fact checker of a research crew. Search the library for each statement of the draft. Answer "
    "with the statements that it does not have, or that it has all of them."
)


@dataclass
class Report:
    """What the crew found out.

    Attributes:
        text: The report.
        calls: The members of the crew, and how often each called which tool.
    """

    text: str
    calls: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])


def member(name: str, system_prompt: str, **options: Any) -> TemporalAgent:
    """Return an agent of the crew. A killed worker is noticed after five seconds."""
    return TemporalAgent(
        model=MODEL,
        name=name,
        system_prompt=system_prompt,
        start_to_close_timeout=timedelta(seconds=90),
        heartbeat_timeout=timedelta(seconds=5),
        callback_handler=None,
        **options,
    )


def library() -> TemporalMCPClient:
    """Return the handle of the MCP server. The worker runs it."""
    return TemporalMCPClient(server="library", heartbeat_timeout=timedelta(seconds=5))


@workflow.defn
class FactCheckerWorkflow:
    """Checks a draft against the library. Give it the whole draft."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        """Check one draft, in a history and on a task queue of its own."""
        return await task.run(member("fact_checker", CHECKER, tools=[library()], carry=task.carry))


@workflow.defn
class ResearchCrewWorkflow:
    """Answers one question."""

    def __init__(self) -> None:
        self.crew = crew()

    @workflow.run
    async def run(self, question: str) -> Report:
        """Let the crew work."""
        result = await self.crew.invoke_async(question)
        calls: dict[str, dict[str, int]] = {}
        for name, node in self.crew.nodes.items():
            agent: Any = node.executor
            tools = agent.event_loop_metrics.tool_metrics
            calls[name] = {tool: metrics.call_count for tool, metrics in tools.items()}
        return Report(str(result.results["writer"].result).strip(), calls)


def crew() -> Graph:
    """Return the graph: planner, then both researchers at once, then the writer, who waits for both."""
    checker = child_workflow(
        FactCheckerWorkflow,
        name="fact_checker",
        task_queue=CHECKS_QUEUE,
        execution_timeout=timedelta(minutes=10),
    )
    builder = GraphBuilder()
    builder.add_node(member("planner", PLANNER), "planner")
    builder.add_node(member("historian", HISTORIAN, tools=[library()]), "historian")
    builder.add_node(member("merchant", MERCHANT, tools=[library()]), "merchant")
    builder.add_node(member("writer", WRITER, tools=[checker]), "writer")
    for researcher in ("historian", "merchant"):
        builder.add_edge("planner", researcher)
        builder.add_edge(researcher, "writer")
    builder.set_max_node_executions(10)
    return builder.build()
