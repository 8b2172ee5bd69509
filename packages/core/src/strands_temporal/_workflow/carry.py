"""Carries an agent over continue-as-new: Strands' session snapshot, plus usage and metrics."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands import Agent, Snapshot
from strands.telemetry.metrics import ToolMetrics
from strands.types.tools import AgentTool
from temporalio import workflow

from .._errors import AgentTypeError, AgentValueError, CarryTooLargeError
from .._upstream.deferred import drop_restore, is_unrestored
from .._upstream.run_local import run_local
from .._upstream.sub_agents import keeps_sub_agents, sub_agents, sub_agents_that_remember
from .._wire.carry import CARRY_LIMIT, CarryFormat
from .._wire.model_call import ModelFacts
from .._wire.reading import read_as
from .._wire.values import set_fields
from .agent_views import AgentViews
from .model import TemporalModel
from .usage import WorkflowUsage

CARRY_VERSION = 1


@dataclass(frozen=True)
class AgentCarry:
    """An agent between two turns, as one compressed value: an argument for `workflow.continue_as_new`.

    Made by `TemporalAgent.carry()`; the next run goes on with `TemporalAgent(carry=...)`.

    Attributes:
        data: Compressed JSON, as text.
        version: Layout of the data.
    """

    data: str
    version: int = CARRY_VERSION

    def __repr__(self) -> str:
        return f"AgentCarry({len(self.data):,} bytes)"


class ChildMemories(WeakKeyDictionary[AgentTool, AgentCarry]):
    """The conversations of sub-agents in child workflows (`preserve_context=True`), by tool, in one run."""


_FORMAT = CarryFormat(
    AgentCarry, CARRY_VERSION, "TemporalAgent(carry=...)", made_by="agent.carry()", package="strands-temporal"
)


def pack(agent: Agent) -> AgentCarry:
    """Return the carry of an agent that is between two turns.

    Raises:
        CarryTooLargeError: If the carry is larger than `CARRY_LIMIT`.
        AgentTypeError: If the agent's state holds something that is neither JSON nor bytes.
        AgentValueError: If the agent is its own sub-agent.
    """
    contents = f"{len(agent.messages)} messages"
    return AgentCarry(packed(_FORMAT, lambda: _carried(agent), repr(agent.name), contents))


def packed(format: CarryFormat, make: Callable[[], dict[str, Any]], what: str, contents: str) -> str:
    """Return the data of a carry, with the run's usage.

    Args:
        format: The format of carries of this kind.
        make: Returns the content: JSON values and bytes.
        what: Name of the agent or team, for messages.
        contents: Summary of the content, for messages: "3 messages".

    Raises:
        CarryTooLargeError: If the carry is larger than `CARRY_LIMIT`.
        AgentTypeError: If something in the content is neither JSON nor bytes.
        AgentValueError: If `make` raises it.
    """
    try:
        content = make()
        if workflow.in_workflow():
            content["usage_by_chain"] = run_local(WorkflowUsage).carried()
        data = format.pack(content)
    except AgentValueError:
        raise
    except (TypeError, ValueError) as error:
        raise AgentTypeError(f"{what} cannot be carried into another run: {error}") from error
    if len(data) > CARRY_LIMIT:
        raise CarryTooLargeError(
            f"The carry of {what} has {len(data):,} bytes ({contents}), and {CARRY_LIMIT:,} can go into "
            "another run. Trim the conversation first: use a conversation manager, fewer or smaller tool "
            "results, or images by reference"
        )
    return data


def unpack(carry: object, agent: Agent, *, keep_system_prompt: bool) -> None:
    """Restore the content of a carry in an agent that was just built.

    Args:
        carry: The value that `pack` returned, as a payload converter decoded it.
        agent: The agent.
        keep_system_prompt: Keep the agent's own system prompt, because the user gave one.

    Raises:
        AgentTypeError: If `carry` is not an `AgentCarry`.
        AgentValueError: If the carry is damaged, was made by a newer release, or holds a question of a
            sub-agent that the agent lacks.
    """
    content = _FORMAT.unpack(carry)
    with _FORMAT.reading():
        _unpack(content, agent, keep_system_prompt=keep_system_prompt)
        if "usage_by_chain" in content and workflow.in_workflow():
            run_local(WorkflowUsage).take_over(content["usage_by_chain"])


def _carried(agent: Agent, *within: Agent) -> dict[str, Any]:
    """Return the content to carry for an agent and for its sub-agents that keep their conversation.

    Args:
        agent: The agent.
        *within: The agents that have this agent as a sub-agent, outermost first.

    Raises:
        AgentValueError: If the agent is its own sub-agent, or waits for an answer that only this run can
            take.
    """
    if any(agent is outer for outer in within):
        way = " -> ".join(repr(outer.name) for outer in (*within, agent))
        raise AgentValueError(
            f"{agent.name!r} cannot be carried into another run: it is its own sub-agent ({way}). Build the "
            "sub-agent that closes the cycle as an agent of its own, or give it as "
            ".as_tool(preserve_context=False), the default"
        )
    # Calls the base class's method, because a TemporalAgent refuses snapshots to its users.
    snapshot = Agent.take_snapshot(agent, preset="session", include=["system_prompt"])
    metrics = agent.event_loop_metrics
    content: dict[str, Any] = {
        "snapshot": snapshot.data,
        "cycles": metrics.cycle_count,
        "usage": dict(metrics.accumulated_usage),
        "metrics": dict(metrics.accumulated_metrics),
        "tools": {name: asdict(tool) for name, tool in metrics.tool_metrics.items()},
    }
    if is_unrestored(agent):
        content["unrestored"] = True  # the next run restores the session
    if workflow.in_workflow():
        content["turns"] = run_local(AgentViews).of(agent).turn
        content.update(_model_of(agent))
    return {**content, **_carried_below(agent, *within)}


def carried_agent(agent: Agent) -> dict[str, Any]:
    """Return the content to carry for an agent that is a part of a team. See `pack`."""
    return _carried(agent)


def restore_agent(content: dict[str, Any], agent: Agent) -> None:
    """Restore an agent from what `carried_agent` returned. It keeps its own system prompt if it has one."""
    _unpack(content, agent, keep_system_prompt=agent.system_prompt is not None)


def _carried_below(agent: Agent, *within: Agent) -> dict[str, Any]:
    """Return the content to carry for the agents and child workflows that are an agent's tools, at any depth.

    A sub-agent without memory is not carried itself: its caller's interrupt state has its paused turn. But it
    may have sub-agents with memory.
    """
    _check_may_be_carried(agent)
    remembering = sub_agents_that_remember(agent)
    parts = {
        "agents": {name: _carried(inner, *within, agent) for name, inner in remembering.items()},
        "below": {
            name: part
            for name, inner in sub_agents(agent).items()
            if name not in remembering and not any(inner is outer for outer in (*within, agent))
            if (part := _carried_below(inner, *within, agent))
        },
        "children": _children_that_remember(agent),
    }
    return {key: part for key, part in parts.items() if part}


def _children_that_remember(agent: Agent) -> dict[str, Any]:
    """Return the conversations that sub-agents in child workflows keep, by tool name."""
    if not workflow.in_workflow():
        return {}
    tools = agent.tool_registry.registry.items()
    memories = run_local(ChildMemories).items()
    return {name: asdict(memory) for name, tool in tools for owner, memory in memories if owner is tool}


def _check_may_be_carried(agent: Agent) -> None:
    """Refuse an agent that waits for an answer to a sub-agent of Strands' tools `subagent` and `swarm`.

    These tools keep such a sub-agent in memory. In the next run they would do its work again from the start.
    """
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    pending = state.get("pending_tool_execution") if state["activated"] else None
    if not pending:
        return
    done = {result["toolUseId"] for result in pending["completed_tool_results"]}
    for block in pending["assistant_message"]["content"]:
        use = block.get("toolUse")
        if use is None or use["toolUseId"] in done or not keeps_sub_agents(agent, use["name"]):
            continue
        # A hook asked before the call: the tool has not made its sub-agents yet.
        before = f"v1:before_tool_call:{use['toolUseId']}:"
        if any(id_.startswith(before) and _is_open(asked) for id_, asked in state["interrupts"].items()):
            continue
        raise AgentValueError(
            f"{agent.name!r} cannot be carried into another run while an agent of its tool {use['name']!r} "
            "waits for an answer: Strands keeps that agent in this run's memory. Answer first, or use a "
            "sub-agent that can be carried: agent.as_tool(), or child_workflow(...)"
        )


def _is_open(interrupt: dict[str, Any]) -> bool:
    """Tell whether an interrupt of an agent's state has no answer yet. Those of former turns have one."""
    return interrupt.get("response") is None


@dataclass(frozen=True)
class _Content:
    """What `_carried` returned, checked when it is read."""

    snapshot: dict[str, Any]
    cycles: int
    usage: dict[str, float]
    metrics: dict[str, float]
    tools: dict[str, dict[str, Any]]
    unrestored: bool = False
    turns: int = 0
    model: dict[str, Any] | None = None
    agents: dict[str, Any] = field(default_factory=dict[str, Any])
    below: dict[str, Any] = field(default_factory=dict[str, Any])
    children: dict[str, Any] = field(default_factory=dict[str, Any])


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    """Check the content of an agent's carry, so that nothing of it fails later in a turn."""
    _FORMAT.content_as(_Content, content)
    for message in content["snapshot"]["messages"]:
        if not isinstance(message["role"], str) or not all(
            isinstance(block, dict) for block in list[Any](message["content"])
        ):
            raise _FORMAT.damaged(ValueError("it holds a message that is none"))
    return content


def _unpack(content: dict[str, Any], agent: Agent, *, keep_system_prompt: bool) -> None:
    data: dict[str, Any] = _checked(content)["snapshot"]
    if keep_system_prompt:
        data.pop("system_prompt", None)
    Agent.load_snapshot(agent, Snapshot(scope="agent", schema_version="1.0", data=data, app_data={}))
    if not content.get("unrestored"):
        drop_restore(agent)
    metrics = agent.event_loop_metrics
    metrics.cycle_count = content["cycles"]
    metrics.accumulated_usage.update(content["usage"])
    metrics.accumulated_metrics.update(content["metrics"])
    metrics.tool_metrics.update({name: ToolMetrics(**tool) for name, tool in content["tools"].items()})
    if workflow.in_workflow():
        view = run_local(AgentViews).of(agent)
        view.turns_before = content.get("turns", 0)
        view.waiting = data["interrupt_state"]["activated"]
        _give_facts(agent, content.get("model"))
    _unpack_below(content, agent)


def _unpack_below(content: dict[str, Any], agent: Agent) -> None:
    remembering = sub_agents_that_remember(agent)
    for name, part in content.get("agents", {}).items():
        if name in remembering:
            sub_agent = remembering[name]
            _unpack(part, sub_agent, keep_system_prompt=sub_agent.system_prompt is not None)
        elif part["snapshot"]["interrupt_state"]["activated"]:
            raise AgentValueError(
                f"TemporalAgent(carry=...): the carry holds a question of the sub-agent {name!r}, but "
                f"the agent has no tool of that name to take the answer. Known: {sorted(remembering)}. Give "
                f"it the sub-agent's .as_tool(name={name!r}, preserve_context=True) again"
            )
    below = sub_agents(agent)
    for name, part in content.get("below", {}).items():
        if name in below:
            _unpack_below(part, below[name])
    registry = agent.tool_registry.registry
    for name, memory in content.get("children", {}).items():
        if name in registry and workflow.in_workflow():
            run_local(ChildMemories)[registry[name]] = read_as(AgentCarry, memory)


def _model_of(agent: Agent) -> dict[str, Any]:
    """Return the known facts of the agent's model, so that the next run need not ask for them."""
    model = agent.model
    facts = model.known_facts if isinstance(model, TemporalModel) else None
    return {} if facts is None else {"model": {"name": cast("Any", model).name, "facts": set_fields(facts)}}


def _give_facts(agent: Agent, carried: dict[str, Any] | None) -> None:
    model = agent.model
    if carried and isinstance(model, TemporalModel) and model.name == carried["name"]:
        model.take_facts(read_as(ModelFacts, carried["facts"]))
