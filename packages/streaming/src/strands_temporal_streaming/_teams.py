"""The hooks of graphs and swarms whose life is published."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from weakref import WeakSet

from strands.hooks import (
    AfterMultiAgentInvocationEvent,
    AfterNodeCallEvent,
    BeforeMultiAgentInvocationEvent,
    BeforeNodeCallEvent,
    HookRegistry,
)
from strands.multiagent import MultiAgentBase
from temporalio import workflow

from strands_temporal.extension import run_local

from ._cut import error_text, short
from ._decision_types import Decision
from ._life import Life, TeamRun
from ._life_types import NodeEnded, NodeStarted
from ._places import HERE, NODE, Place
from ._team_turns import status_text, team_status, team_turn_ended, team_turn_started
from ._turns import executor_name

_LAST = float("inf")

_UNFINISHED = frozenset({"pending", "dispatched", "executing"})
"""Strands' statuses of a node that has not ended."""


class _Team:
    """The hooks of one graph or swarm, in all its runs.

    Args:
        place: Returns the place at which the team begins; None if its life is not published.
    """

    def __init__(self, place: Callable[[], Place | None]) -> None:
        self._place_now = place

    def begins(self, event: BeforeMultiAgentInvocationEvent) -> None:
        """Take note that the team begins. Strands sets its task after this event."""
        current = _current()
        if current is None or (place := self._place_now()) is None:
            return
        before = HERE.get()
        if before is None:
            place = replace(place, outermost=executor_name(event.source))
        current.teams[event.source] = TeamRun(place, before, is_told=before is not None)
        HERE.set(place)

    def ends(self, event: AfterMultiAgentInvocationEvent) -> None:
        """Publish that the team ended its turn, if it is the outermost."""
        current = _current()
        run = current.teams.get(event.source) if current else None
        if current is None or run is None:
            return
        _tell_turn(current, event.source, run)
        del current.teams[event.source]
        place = run.place
        HERE.set(run.before)
        pauses = team_status(cast("Any", event.source).state) == "interrupted"
        for running in current.state.agents_of(place.outermost):
            path = running.path
            # Strands calls no hook for a node that pauses, or that another node's failure ends.
            if path[:-1] == place.path and path[-1].startswith(NODE):
                status = "interrupted" if pauses else "failed"
                ended = NodeEnded(node=path[-1][len(NODE) :], status=status)
                current.publish(ended, place.of_node(ended.node), running.agent)
        if run.before is None:
            team_turn_ended(current, event.source, place)

    def node_begins(self, event: BeforeNodeCallEvent) -> None:
        """Publish that a node begins."""
        current = _current()
        if current is None or (run := current.teams.get(event.source)) is None:
            return
        _tell_turn(current, event.source, run)
        place = run.place.of_node(event.node_id)
        HERE.set(place)
        executor = cast("Any", event.source).nodes[event.node_id].executor
        name = executor_name(executor)
        if event.cancel_node:
            reason = short(event.cancel_node) if isinstance(event.cancel_node, str) else ""
            decision = Decision(kind="hook", name=type(event).__name__, outcome="cancelled", reason=reason)
            current.publish(decision, place, name)
        current.publish(NodeStarted(node=event.node_id), place, name)
        if isinstance(executor, MultiAgentBase) and hasattr(executor, "hooks"):
            register_team_hooks(cast("Any", executor).hooks, _here)

    def node_ends(self, event: AfterNodeCallEvent) -> None:
        """Publish that a node ended."""
        current = _current()
        if current is None or event.source not in current.teams:
            return
        team = current.teams[event.source].place
        source = cast("Any", event.source)
        node, result = source.nodes[event.node_id], source.state.results.get(event.node_id)
        failure = getattr(result, "result", None)
        status = status_text(getattr(result, "status", None) or getattr(node, "execution_status", None))
        ended = NodeEnded(
            node=event.node_id,
            status="failed" if status in _UNFINISHED else status,  # another node's failure ended it
            error=": ".join(error_text(failure)) if isinstance(failure, Exception) else None,
            execution_time_ms=int(getattr(result, "execution_time", 0) or 0),
        )
        current.publish(ended, team.of_node(event.node_id), executor_name(node.executor))
        HERE.set(team)


_registries: WeakSet[HookRegistry] = WeakSet()


def register_team_hooks(registry: HookRegistry, place: Callable[[], Place | None]) -> None:
    """Add the hooks of a graph or swarm to its registry, once."""
    if registry in _registries:
        return
    _registries.add(registry)
    team = _Team(place)
    registry.add_callback(BeforeMultiAgentInvocationEvent, team.begins, order=_LAST)
    registry.add_callback(BeforeNodeCallEvent, team.node_begins, order=_LAST)
    registry.add_callback(AfterNodeCallEvent, team.node_ends, order=_LAST)
    registry.add_callback(AfterMultiAgentInvocationEvent, team.ends, order=_LAST)


def _here() -> Place | None:
    return HERE.get()


def _current() -> Life | None:
    if not workflow.in_workflow():
        return None
    current = run_local(Life)
    return current if current.is_attached and not current.is_former else None


def _tell_turn(current: Life, team: MultiAgentBase, run: TeamRun) -> None:
    if not run.is_told:
        run.is_told = True
        team_turn_started(current, team, run.place)
