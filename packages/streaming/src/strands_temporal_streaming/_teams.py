"""The hooks of graphs and swarms whose life is published."""

from collections.abc import Callable
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
from ._life import Life
from ._life_types import NodeEnded, NodeStarted, TurnStarted
from ._places import HERE, NODE, Place
from ._turns import publish_failure
from ._types import TurnEnd

_LAST = float("inf")


class _Team:
    """The hooks of one graph or swarm, in all its runs.

    Args:
        place: Returns the place at which the team begins; None if its life is not published.
    """

    def __init__(self, place: Callable[[], Place | None]) -> None:
        self._place_now = place

    def begins(self, event: BeforeMultiAgentInvocationEvent) -> None:
        """Publish that the team begins a turn, if it is the outermost."""
        current = _current()
        if current is None or (place := self._place_now()) is None:
            return
        before = HERE.get()
        current.teams[event.source] = (place, before)
        HERE.set(place)
        if before is None:
            current.begin_turn(goes_on=current.state.waits)
            current.publish(TurnStarted(), place, _name_of(event.source))

    def ends(self, event: AfterMultiAgentInvocationEvent) -> None:
        """Publish that the team ended its turn, if it is the outermost."""
        current = _current()
        team = current.teams.pop(event.source, None) if current else None
        if current is None or team is None:
            return
        place, before = team
        HERE.set(before)
        for running in list(current.state.agents.values()):
            path = running.path
            if path[:-1] == place.path and path[-1].startswith(NODE):  # Strands calls no hook for its pause
                ended = NodeEnded(node=path[-1][len(NODE) :], status="interrupted")
                current.publish(ended, place.of_node(ended.node), running.agent)
        if before is None:
            name = _name_of(event.source)
            state = cast("Any", event.source).state
            status = _status(getattr(state, "status", None) or getattr(state, "completion_status", None))
            error = publish_failure(current, place, name)
            reason = {"completed": "end_turn", "interrupted": "interrupt"}.get(status)
            usage = dict(current.state.turn_usage)
            current.publish(TurnEnd(reason, usage=usage, error=error), place, name)

    def node_begins(self, event: BeforeNodeCallEvent) -> None:
        """Publish that a node begins."""
        current = _current()
        if current is None or event.source not in current.teams:
            return
        place = current.teams[event.source][0].of_node(event.node_id)
        HERE.set(place)
        executor = cast("Any", event.source).nodes[event.node_id].executor
        name = _name_of(executor)
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
        team = current.teams[event.source][0]
        source = cast("Any", event.source)
        node, result = source.nodes[event.node_id], source.state.results.get(event.node_id)
        failure = getattr(result, "result", None)
        ended = NodeEnded(
            node=event.node_id,
            status=_status(getattr(result, "status", None) or getattr(node, "execution_status", None)),
            error=": ".join(error_text(failure)) if isinstance(failure, Exception) else None,
            execution_time_ms=int(getattr(result, "execution_time", 0) or 0),
        )
        current.publish(ended, team.of_node(event.node_id), _name_of(node.executor))
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


def _name_of(executor: object) -> str:
    return str(getattr(executor, "name", None) or getattr(executor, "id", ""))


def _status(value: Any) -> str:
    return str(getattr(value, "value", value) or "")
