"""An agent with the tools of an MCP server."""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal_mcp import TemporalMCPClient

TASK_QUEUE = "strands-mcp"
MODEL = "chosen"


@dataclass
class Answer:
    """The agent's answer and the tools behind it.

    Attributes:
        text: The agent's answer.
        tools: Names of its tools.
        calls: How often it called each of them.
    """

    text: str
    tools: list[str] = field(default_factory=list[str])
    calls: dict[str, int] = field(default_factory=dict[str, int])


@workflow.defn
class MCPWorkflow:
    """Answers one prompt."""

    def __init__(self) -> None:
        echo = TemporalMCPClient(server="echo", start_to_close_timeout=timedelta(seconds=30))
        self.agent = TemporalAgent(
            model=MODEL, start_to_close_timeout=timedelta(seconds=90), tools=[echo], callback_handler=None
        )

    @workflow.run
    async def run(self, prompt: str) -> Answer:
        """Ask the agent."""
        result = await self.agent.invoke_async(prompt)
        calls = {name: metrics.call_count for name, metrics in result.metrics.tool_metrics.items()}
        return Answer(str(result).strip(), self.agent.tool_names, calls)
