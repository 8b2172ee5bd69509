"""The watched agents of one workflow, at any depth."""

from collections.abc import Callable
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands import Agent
from strands.multiagent import MultiAgentBase

from strands_temporal.extension import observe_agents

from ._cancelled import CancelledCalls
from ._inner import agent_begins
from ._judging import Judging
from ._listening import node_place
from ._state import Granted, Place
from ._turn import Turn
from ._types import ShownCall
from ._watch import BINDS_WHAT_RUNS, Watch


class Watches:
    """The watched agents of one workflow.

    Args:
        approved: The response that means a yes.
        misfits: Called if a person's edit of a call does not fit the tool when the call is to run: with the
            edit, and why.
        judging: Judges each call by the policy.
        cancelled: Records the calls that hooks and interventions cancel.
    """

    def __init__(
        self,
        approved: Any,
        misfits: Callable[[Granted | None, str], None],
        judging: Judging,
        cancelled: CancelledCalls,
    ) -> None:
        self.judging = judging
        self.cancelled = cancelled
        self.approved = approved
        self.misfits = misfits
        self._of: WeakKeyDictionary[Agent, Watch] = WeakKeyDictionary()
        self._observes = False

    def of(self, agent: Agent) -> Watch | None:
        """Return the watch of an agent, if it is watched."""
        return self._of.get(agent)

    def stand(
        self,
        agent: Agent,
        turn: Turn,
        place: Place,
        outer: list[ShownCall],
        name: str | None = None,
        patch: str = BINDS_WHAT_RUNS,
    ) -> None:
        """Watch an agent. If it is watched already, note the turn and the place of the new call.

        Args:
            agent: The agent.
            turn: The turn in which it is called.
            place: The path to the call of the agent.
            outer: The calls around that call, outermost first.
            name: The agent's name for people; by default `agent.name`.
            patch: Patch id of questions about changed calls.
        """
        watch = self._of.get(agent)
        if watch is None:
            watch = self._of[agent] = Watch(self, agent)
        watch.turn, watch.place, watch.outer, watch.name = turn, place, outer, name or agent.name
        watch.patch = patch
        turn.watches[place] = watch

    def stand_all(self, executor: Agent | MultiAgentBase, turn: Turn, place: Place = ()) -> list[Agent]:
        """Watch an agent, or all agents of a graph or swarm. Return the watched agents."""
        if not self._observes:
            self._observes = True
            observe_agents(agent_begins)
        if isinstance(executor, Agent):
            self.stand(executor, turn, place, [])
            return [executor]
        nodes = cast("dict[str, Any]", getattr(executor, "nodes", {}))
        agents: list[Agent] = []
        for node_id, node in nodes.items():
            at = (*place, node_place(node_id))
            if isinstance(node.executor, Agent):
                self.stand(node.executor, turn, at, [], node_id)
                agents.append(node.executor)
            elif isinstance(node.executor, MultiAgentBase):
                agents += self.stand_all(node.executor, turn, at)
        return agents
