"""A test kit for durable agents: a scripted model, a dev server, a worker, replay and parity."""

from ._environment import AgentEnvironment, agent_environment, assert_replays
from ._parity import AgentFactory, Observation, Parity, ParityWorkflow, Scenario, prompts, run_parity
from ._replies import Reply, fail, say, use_tool, use_tools
from ._scripted import ScriptedModel
from ._server import DevServer
from ._server_binary import DevServerError, find_server_binary
from ._steps import ScriptedCall, Step

MakeAgent = AgentFactory
"""Deprecated: the former name of `AgentFactory`."""

Seen = Observation
"""Deprecated: the former name of `Observation`."""

__all__ = [
    "AgentEnvironment",
    "AgentFactory",
    "DevServer",
    "DevServerError",
    "MakeAgent",
    "Observation",
    "Parity",
    "ParityWorkflow",
    "Reply",
    "Scenario",
    "ScriptedCall",
    "ScriptedModel",
    "Seen",
    "Step",
    "agent_environment",
    "assert_replays",
    "fail",
    "find_server_binary",
    "prompts",
    "run_parity",
    "say",
    "use_tool",
    "use_tools",
]
