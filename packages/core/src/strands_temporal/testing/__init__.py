"""A test kit for durable agents: a scripted model, a dev server, a worker, replay and parity."""

from ._environment import AgentEnvironment, agent_environment, assert_replays
from ._scripted import Reply, ScriptedCall, ScriptedModel, Step, fail, say, use_tool, use_tools

__all__ = [
    "AgentEnvironment",
    "Reply",
    "ScriptedCall",
    "ScriptedModel",
    "Step",
    "agent_environment",
    "assert_replays",
    "fail",
    "say",
    "use_tool",
    "use_tools",
]
