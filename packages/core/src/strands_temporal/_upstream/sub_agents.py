"""The sub-agents of an agent, and its records of paused child workflows.

Strands has no public name for them. Each docstring says where upstream defines the private name. A test in
`tests/upstream` fails when that name changes.
"""

import inspect
from typing import Any, cast

from strands import Agent


def sub_agents(agent: Agent) -> dict[str, Agent]:
    """Return the sub-agents that are tools of an agent (`agent.as_tool()`), by tool name.

    Strands keeps the class of these tools private (1.62: _agent_as_tool.py:32).
    """
    return {
        name: cast("Any", tool).agent
        for name, tool in agent.tool_registry.registry.items()
        if hasattr(tool, "_preserve_context") and isinstance(getattr(tool, "agent", None), Agent)
    }


def sub_agents_that_remember(agent: Agent) -> dict[str, Agent]:
    """Return the sub-agents that keep their conversation from call to call, by tool name.

    Strands keeps `preserve_context` private (1.62: _agent_as_tool.py:102).
    """
    registry = agent.tool_registry.registry
    return {
        name: inner
        for name, inner in sub_agents(agent).items()
        if getattr(registry[name], "_preserve_context", False) is True
    }


def keeps_sub_agents(agent: Agent, name: str) -> bool:
    """Tell whether a tool of an agent keeps paused sub-agents in memory.

    Strands' `subagent` and `swarm` do, and so does the `subagent` of strands-harness. Their classes and
    their sub-agents are private (Strands 1.62: vended_tools/subagent/subagent.py:138,
    vended_tools/swarm/swarm.py:148; strands-harness 0.3.2: tools/subagent.py:500).
    """
    tool: Any = agent.tool_registry.registry.get(name)
    module = str(getattr(inspect.unwrap(tool) if callable(tool) else tool, "__module__", ""))
    return module.startswith(_KEEP_SUB_AGENTS)


_KEEP_SUB_AGENTS = (
    "strands.vended_tools.subagent",
    "strands.vended_tools.swarm",
    "strands_harness.tools.subagent",
)

_CHILDREN = "strands_temporal_children"


def paused_children(agent: Agent) -> dict[str, Any]:
    """Return the agent's records of its paused child workflows, by tool use id.

    They are in the agent's interrupt state, where Strands keeps paused sub-agents (1.62:
    _agent_as_tool.py:383). So they are in every snapshot and carry of the agent, and they are gone when the
    agent no longer waits. There is no public way to add to that state.
    """
    state: Any = getattr(agent, "_interrupt_state")  # noqa: B009  # private
    return state.context.get(_CHILDREN, {})


def keep_paused_child(agent: Agent, tool_use_id: str, child: dict[str, Any] | None) -> None:
    """Keep a paused child workflow, as JSON values, until the agent no longer waits. None drops it."""
    state: Any = getattr(agent, "_interrupt_state")  # noqa: B009  # private
    if child is not None:
        state.context.setdefault(_CHILDREN, {})[tool_use_id] = child
    elif _CHILDREN in state.context:
        state.context[_CHILDREN].pop(tool_use_id, None)
