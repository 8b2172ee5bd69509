"""An agent, a graph, and a slow model."""

import asyncio
import itertools
import sys
from typing import Any

from strands.multiagent import GraphBuilder
from temporalio import activity

from strands_temporal import TemporalAgent

NODE_LIMITS_OF_SWARMS = sys.version_info >= (3, 11)
"""On Python 3.10, Strands checks the limit only when the node emits an event (1.62: swarm.py:513)."""


@activity.defn
async def takes(seconds: float) -> str:
    """Take some time.

    Args:
        seconds: How long.
    """
    await asyncio.sleep(seconds)
    return "took it"


def agent(name: str = "model", **arguments: Any) -> TemporalAgent:
    return TemporalAgent(name, callback_handler=None, name=name, **arguments)


def graph(*names: str, **settings: float) -> Any:
    builder = GraphBuilder()
    for name in names:
        builder.add_node(agent(name), name)
    builder.set_max_node_executions(20)
    for one, two in itertools.pairwise(names):
        builder.add_edge(one, two)
    if "execution_timeout" in settings:
        builder.set_execution_timeout(settings["execution_timeout"])
    if "node_timeout" in settings:
        builder.set_node_timeout(settings["node_timeout"])
    return builder.build()
