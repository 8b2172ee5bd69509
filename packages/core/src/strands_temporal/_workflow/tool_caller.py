"""Direct tool calls with `await`, and the check that refuses a `TemporalAgent` outside of a workflow."""

from collections.abc import Awaitable, Callable
from typing import Any

from strands import Agent
from strands.types.tools import ToolResult
from temporalio import workflow

from .._upstream.deferred import finish_setup
from .._upstream.private_api import call_tool
from .failures import mark_left_agent


class AsyncToolCaller:
    """The tools of an agent as attributes. Each is an async function that calls the tool."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def __getattr__(self, name: str) -> Callable[..., Awaitable[ToolResult]]:
        """Return a function that calls the tool `name`. Write underscores for dashes in a tool's name.

        The function raises AttributeError if there is no such tool. It raises ConcurrencyException while an
        invocation of the agent runs, unless it gets `record_direct_tool_call=False`.
        """
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(**arguments: Any) -> ToolResult:
            check_agent_in_workflow(f"agent.tool_async.{name}(...)")
            try:
                await finish_setup(self._agent)
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
