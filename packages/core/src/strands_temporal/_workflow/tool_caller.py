"""Direct calls of an agent's tools that are awaited, and the refusal of agents outside of a workflow."""

from collections.abc import Awaitable, Callable
from typing import Any

from strands import Agent
from strands.types.tools import ToolResult
from temporalio import workflow

from .._upstream.private_api import call_tool
from .failures import mark_left_agent


class AsyncToolCaller:
    """The tools of an agent, each as an attribute: a function that calls it and is awaited."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def __getattr__(self, name: str) -> Callable[..., Awaitable[ToolResult]]:
        """Return what calls the tool `name`; a tool's name with dashes is written with underscores.

        Called, it raises AttributeError if there is no such tool, and ConcurrencyException while an
        invocation of the agent runs, unless it is given `record_direct_tool_call=False`.
        """
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(**arguments: Any) -> ToolResult:
            check_agent_in_workflow(f"agent.tool_async.{name}(...)")
            try:
                return await call_tool(self._agent, name, arguments)
            except Exception as error:
                mark_left_agent(error)
                raise

        return call


def check_agent_in_workflow(what: str) -> None:
    """Refuse a call outside of a workflow, where nothing is durable and no worker runs the model.

    Raises:
        RuntimeError: Outside of a workflow.
    """
    if not workflow.in_workflow():
        raise RuntimeError(
            f"TemporalAgent: {what} works inside a Temporal workflow only. Start a workflow that has the "
            "agent, with client.execute_workflow(...); for an agent without Temporal build "
            "strands.Agent(model=...) with the model itself, not its name"
        )
