"""Carries a `Graph` or a `Swarm` over continue-as-new: the state that Strands keeps of it, and its agents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from strands import Agent
from strands.interrupt import Interrupt
from temporalio import workflow

from .._errors import AgentTypeError, AgentValueError
from .._upstream.private_api import team_runs
from .._upstream.run_local import run_local
from .._wire.carry import CarryFormat
from .carry import carried_agent, packed, restore_agent
from .usage import WorkflowUsage

if TYPE_CHECKING:  # most workflows have no team, and these modules take time to import
    from strands.multiagent.graph import Graph
    from strands.multiagent.swarm import Swarm

TEAM_CARRY_VERSION = 1

Team: TypeAlias = "Graph | Swarm"


@dataclass(frozen=True)
class TeamCarry:
    """A `Graph` or a `Swarm` between two calls, as one compressed value: an argument for continue-as-new.

    Made by `carry_team`; the next run goes on after `restore_team`.

    Attributes:
        data: Compressed JSON, as text.
        version: Layout of the data.
    """

    data: str
    version: int = TEAM_CARRY_VERSION

    def __repr__(self) -> str:
        return f"TeamCarry({len(self.data):,} bytes)"


_FORMAT = CarryFormat(
    TeamCarry, TEAM_CARRY_VERSION, "restore_team", made_by="carry_team(team)", package="strands-temporal"
)


def carry_team(team: Team) -> TeamCarry:
    """Return a `Graph` or a `Swarm` as a value for the next run of the workflow. Call it between two calls.

    It has the content of `TemporalAgent.carry()` for each agent of the team and of the teams in it. For a
    team that waits for answers it also contains the team's progress: the task, the nodes' results and the
    questions. It does not contain hooks, plugins and conditions: the next run builds the same team again.

    Args:
        team: A graph that `GraphBuilder` built, or a swarm.

    Raises:
        AgentTypeError: If `team` is neither, or contains something that is neither JSON nor bytes.
        AgentValueError: If the team runs, or waits in a state that Strands cannot resume.
        CarryTooLargeError: If the carry is too large for the next run's input.
    """
    _checked("carry_team", team)
    return TeamCarry(
        packed(_FORMAT, lambda: _carried(team), f"the team {team.id!r}", f"{len(team.nodes)} nodes")
    )


def restore_team(team: Team, carry: TeamCarry) -> None:
    """Restore a `Graph` or a `Swarm` that was just built, from the carry of the previous run.

    A team that waited for answers goes on with `await team.invoke_async(answers)`.

    Args:
        team: The same team as in the previous run: equal node ids, equal edges.
        carry: The value that `carry_team` returned.

    Raises:
        AgentTypeError: If `team` is not a team, or `carry` is not a `TeamCarry`.
        AgentValueError: If the carry is damaged, was made by a newer release, or has nodes that the team
            lacks.
    """
    _checked("restore_team", team)
    content = _FORMAT.unpack(carry)
    with _FORMAT.reading():
        _restore(team, content)
        if "usage_by_chain" in content and workflow.in_workflow():
            run_local(WorkflowUsage).take_over(content["usage_by_chain"])


def team_waits_with(team: object) -> dict[str, Interrupt] | None:
    """Return the questions that a `Graph` or a `Swarm` waits with, by id: empty if it does not wait.

    Returns None if `team` is neither.
    """
    if not _is_team(team):
        return None
    stored = cast("Any", team).serialize_state()["_internal_state"]["interrupt_state"]
    return {id_: Interrupt(**one) for id_, one in stored["interrupts"].items()} if stored["activated"] else {}


def _checked(function: str, team: object) -> None:
    if not _is_team(team):
        given = f"{team!r}: call .build() first" if type(team).__name__ == "GraphBuilder" else repr(team)
        raise AgentTypeError(f"{function}: give a Graph or a Swarm, not {given}")


def _is_team(executor: object) -> bool:
    from strands.multiagent.graph import Graph  # see above
    from strands.multiagent.swarm import Swarm

    return isinstance(executor, (Graph, Swarm))


def _carried(team: Any) -> dict[str, Any]:
    if team_runs(team):
        raise AgentValueError(
            f"carry_team while the team {team.id!r} runs would lose what it has done. Wait for it, for "
            "example with workflow.wait_condition(workflow.all_handlers_finished)"
        )
    content: dict[str, Any] = {"nodes": {name: _node(node.executor) for name, node in team.nodes.items()}}
    shared = getattr(team, "shared_context", None)  # of a swarm
    if shared is not None:
        content["shared_context"] = shared.context
    if _status(team) == "interrupted":
        content["state"] = team.serialize_state()
        if not content["state"]["next_nodes_to_execute"]:
            raise AgentValueError(
                f"The team {team.id!r} waits in a state that Strands cannot resume in another run: the node "
                "that asks has run before. Answer first, or build the graph with reset_on_revisit()"
            )
    return content


def _node(executor: object) -> dict[str, Any]:
    """Return a node's content to carry. An agent on another machine keeps its conversation itself."""
    if isinstance(executor, Agent):
        return {"agent": carried_agent(executor)}
    return {"team": _carried(executor)} if _is_team(executor) else {}


def _restore(team: Any, content: dict[str, Any]) -> None:
    unknown = sorted(content["nodes"].keys() - team.nodes.keys())
    if unknown:
        raise AgentValueError(
            f"restore_team: the carry has the nodes {unknown}, which the team {team.id!r} lacks. Known: "
            f"{sorted(team.nodes)}. Build the team as in the previous run"
        )
    if "state" in content:
        team.deserialize_state(content["state"])
        if hasattr(team, "edges"):  # a graph: Strands does not restore these (1.62: graph.py:1507)
            team.state.total_nodes = len(team.nodes)
            team.state.edges = [(edge.from_node, edge.to_node) for edge in team.edges]
            team.state.entry_points = list(team.entry_points)
    if "shared_context" in content:
        team.shared_context.context = content["shared_context"]
    for name, part in content["nodes"].items():
        executor = team.nodes[name].executor
        if "team" in part and _is_team(executor):
            _restore(executor, part["team"])
        elif "agent" in part and isinstance(executor, Agent):
            restore_agent(part["agent"], executor)


def _status(team: Any) -> str:
    state = team.state
    return str((state.status if hasattr(state, "status") else state.completion_status).value)
