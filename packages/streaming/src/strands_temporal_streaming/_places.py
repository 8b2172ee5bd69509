"""Where in a run of agents the current task is: context variables that the hooks of `StreamHooks` set."""

from contextvars import ContextVar
from dataclasses import dataclass, replace

NODE = "node:"
"""Begins the step of a path that is a node of a graph or swarm."""


@dataclass(frozen=True)
class Place:
    """The place of an agent, a node or a tool call.

    Attributes:
        topic: Topic of the outermost agent, which gets the events of all agents below it.
        path: As in the events.
        tool_use_id: The tool call that runs here; None outside of one.
        is_node: Whether this is a node. The agent of the node is at the same path.
        outermost: Name of the outermost agent or team; "" if it is not known.
    """

    topic: str
    path: tuple[str, ...] = ()
    tool_use_id: str | None = None
    is_node: bool = False
    outermost: str = ""

    def of_agent(self, name: str) -> "Place":
        """Return the place of an agent that begins here."""
        if self.is_node:
            return replace(self, is_node=False)
        return replace(self, path=(*self.path, name))

    def of_tool(self, tool_use_id: str) -> "Place":
        """Return the place of a tool call of the agent that is here."""
        return replace(self, tool_use_id=tool_use_id, is_node=False)

    def of_node(self, node: str) -> "Place":
        """Return the place of a node of the team that is here."""
        return replace(self, path=(*self.path, f"{NODE}{node}"), is_node=True)


HERE: ContextVar[Place | None] = ContextVar("strands_temporal_streaming_place", default=None)
"""The place of the current task; None outside of an agent with `StreamHooks`."""
