"""Graphs and swarms, built alike from plain agents and from durable ones."""

from collections.abc import Callable
from typing import Any

from strands import Agent, ToolContext, tool
from strands.hooks import BeforeNodeCallEvent, HookProvider, HookRegistry
from strands.multiagent import GraphBuilder, Swarm
from strands.multiagent.graph import GraphState

from strands_temporal.testing import Reply, ScriptedCall, say, use_tool

Make = Callable[..., Agent]
"""Makes an agent of a team; its name is its system prompt too."""


@tool(context=True)
def ask(what: str, tool_context: ToolContext) -> str:
    """Ask a person."""
    return f"{what}? {tool_context.interrupt('ask ' + what, reason=what)}"


class AskBefore(HookProvider):
    """Asks before a node runs."""

    def __init__(self, node: str) -> None:
        self.node = node

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeNodeCallEvent, self.before)

    def before(self, event: BeforeNodeCallEvent) -> None:
        if event.node_id == self.node and event.interrupt("may I", reason=event.node_id) == "no":
            event.cancel_node = "not today"


def staff(call: ScriptedCall) -> Reply:
    """Hand over, ask, or answer, by the agent's name: `to_two` hands over to `two`, `asks_x` asks about x."""
    me, last = str(call.system_prompt), call.messages[-1]["content"][0]
    kind, _, what = me.partition("_")
    heard = " / ".join(block.get("text", "") for block in call.messages[-1]["content"]).strip()
    if "toolResult" in last:
        (result,) = call.tool_results
        heard = result["content"][0].get("text", "")
    elif kind == "to":
        arguments = {"agent_name": what, "message": f"from {me}", "context": {"seen by": me}}
        return use_tool("handoff_to_agent", arguments, tool_use_id=f"{me}-{len(call.messages)}")
    elif kind == "asks":
        return use_tool("ask", {"what": what}, tool_use_id=f"{me}-{len(call.messages)}")
    return say(f"{me}({len(call.messages)}): {heard}")


def holds(state: GraphState) -> bool:
    return "no" not in str(state.results["one"].result)


def graph(
    make: Make,
    *edges: tuple[str, str],
    only: str = "",
    nodes: dict[str, Any] | None = None,
    hooks: Any = None,
    again: bool = False,
    limit: int = 9,
    **more: Any,
) -> Any:
    """Return a graph of agents. `nodes` are other executors by name; edges into `only` are conditional."""
    builder = GraphBuilder()
    names = dict.fromkeys(name for edge in edges for name in edge)
    for name in names:
        builder.add_node((nodes or {}).get(name) or make(name=name, tools=[ask]), name)
    for one, two in edges:
        builder.add_edge(one, two, condition=holds if two == only else None)
    builder.set_entry_point(edges[0][0])
    builder.set_max_node_executions(limit)
    if again:
        builder.reset_on_revisit()
    if hooks:
        builder.set_hook_providers(hooks)
    if more.get("session_manager"):
        builder.set_session_manager(more["session_manager"])
    return builder.build()


def swarm(make: Make, *names: str, **limits: Any) -> Swarm:
    return Swarm([make(name=name, tools=[ask]) for name in names], **limits)


DIAMOND = (("one", "left"), ("one", "right"), ("left", "end"), ("right", "end"))

TEAMS: dict[str, Callable[[Make], Any]] = {
    "a diamond": lambda make: graph(make, *DIAMOND),
    "a condition that holds": lambda make: graph(make, ("one", "two"), ("one", "three"), only="two"),
    "a circle up to its limit": lambda make: graph(make, ("one", "two"), ("two", "one"), again=True, limit=5),
    "a swarm that hands over": lambda make: swarm(make, "to_to_two", "to_two", "two"),
    "a swarm up to its limit": lambda make: swarm(make, "to_to_two", "to_two", "two", max_handoffs=2),
    "a swarm in a graph": lambda make: graph(
        make, ("one", "team"), ("team", "end"), nodes={"team": swarm(make, "to_two", "two")}
    ),
    "a node that asks": lambda make: graph(make, ("one", "asks_x"), ("asks_x", "end")),
    "two nodes that ask": lambda make: graph(make, ("one", "asks_x"), ("one", "asks_y"), ("asks_x", "end")),
    "a hook that asks": lambda make: graph(make, ("one", "two"), hooks=[AskBefore("two")]),
    "a swarm that asks": lambda make: swarm(make, "to_asks_x", "asks_x"),
    "a graph in a graph that asks": lambda make: graph(
        make,
        ("one", "inner"),
        ("inner", "end"),
        nodes={"inner": graph(make, ("a", "asks_x"), ("asks_x", "b"))},
    ),
}
"""Teams by what they show. Those with "ask" in their name wait for people."""


def told(result: Any) -> dict[str, Any]:
    """Return what a call of a team ended with, as JSON values."""
    order = getattr(result, "node_history", None) or getattr(result, "execution_order", [])
    return {
        "status": result.status.value,
        "results": {name: str(node.result) for name, node in sorted(result.results.items())},
        "order": sorted(node.node_id for node in order),
        "usage": dict(result.accumulated_usage),
        "count": result.execution_count,
        "interrupts": sorted([one.name, one.reason] for one in result.interrupts or ()),
        "nodes": getattr(result, "total_nodes", None),
    }


def answers_of(result: Any) -> Any:
    return [
        {"interruptResponse": {"interruptId": one.id, "response": f"yes {one.reason}"}}
        for one in result.interrupts
    ]
