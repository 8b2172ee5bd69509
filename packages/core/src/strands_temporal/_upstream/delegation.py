"""The class of tools that Strands' delegation accepts: the tool's answer ends the caller's turn.

Strands asks `isinstance(tool, _AgentAsTool) and tool.delegate` in its delegation plugin, which every agent
has, in `ContextOffloader`, and for background tasks (1.62: agent/_agent_delegation.py:55,
vended_plugins/context_offloader/plugin.py:479, background_tasks/_background_tasks.py:442). There is no public
protocol.
"""

from strands.agent._agent_as_tool import (
    DELEGATION_DESCRIPTION_SUFFIX,
    _AgentAsTool,  # pyright: ignore[reportPrivateUsage]  # see above
)
from strands.types.tools import AgentTool
from typing_extensions import override

DELEGATE_DESCRIPTION = DELEGATION_DESCRIPTION_SUFFIX
"""Text that Strands adds to the description of a delegate's tool (1.62: _agent_as_tool.py:27)."""


class DelegateTool(_AgentAsTool):
    """A tool that Strands treats as a delegated sub-agent. It holds no agent.

    A subclass must define all of `AgentTool`'s methods.
    """

    def __init__(self) -> None:
        # Skips the base class's `__init__`, which keeps the agent and a copy of its conversation.
        AgentTool.__init__(self)

    @property
    @override
    def delegate(self) -> bool:
        """Always true."""
        return True

    @override
    def get_display_properties(self) -> dict[str, str]:
        """Return the properties that any tool has. The base class adds the name of its agent."""
        return AgentTool.get_display_properties(self)
