"""What a turn that was cut between two steps needs to go on, beside the agent itself.

Strands counts per invocation: cycles and tokens for `limits` and for the result's metrics. The rest of a turn
is another invocation for Strands, so these counts and the `invocation_state` go on with it.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from strands import Agent
from strands.telemetry.metrics import AgentInvocation, EventLoopCycleMetric
from temporalio import workflow

from .._upstream.run_local import run_local
from .._wire.packed_turn import FORMAT, TurnContent, pack_turn, unpack_turn
from .._wire.values import decode
from .agent_views import AgentViews
from .invocation_state import user_invocation_state


@dataclass(eq=False)
class TurnCut:
    """A turn that was cut between two steps.

    Attributes:
        invocation: Strands' counts of the turn so far.
        durations: How long each cycle took, in seconds.
        state: The turn's `invocation_state`. From another run: what of it is JSON.
        prompt: The system prompt's content blocks, if something has changed them in the turn: the next run
            builds its agent with the one from before.
        carried: Whether another run of the workflow cut the turn.
        cancelled: Whether the agent was cancelled after the cut.
        message: The text that the cancellation gave for the final message.
        warned: Keys of the state that a warning has named: their values stay in this run.
    """

    invocation: AgentInvocation
    durations: list[float]
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    prompt: list[Any] | None = None
    carried: bool = False
    cancelled: bool = False
    message: str | None = None
    warned: set[str] = field(default_factory=set[str])

    @classmethod
    def of(cls, agent: Agent, state: dict[str, Any], prompt_before: object) -> "TurnCut":
        """Return the cut of the turn that an agent has just stopped.

        Args:
            agent: The agent.
            state: The turn's `invocation_state`.
            prompt_before: The content of the system prompt with which this run built the agent.
        """
        metrics = agent.event_loop_metrics
        invocation = metrics.agent_invocations[-1]
        durations = metrics.cycle_durations
        prompt = agent.system_prompt_content
        return cls(
            invocation,
            durations[max(0, len(durations) - len(invocation.cycles)) :],
            state,
            None if prompt == prompt_before else cast("list[Any]", prompt or []),
        )

    def go_on(self, agent: Agent, state: dict[str, Any]) -> None:
        """Let Strands count on. Call it when the invocation with the rest of the turn has begun.

        Args:
            agent: The agent.
            state: The `invocation_state` of that invocation.
        """
        metrics = agent.event_loop_metrics
        if not self.carried:
            metrics.agent_invocations.pop()  # the turn's own is the last one again
            if state is not self.state:
                state.update(self.state)
            return
        begun = metrics.agent_invocations[-1]
        begun.cycles.extend(self.invocation.cycles)
        begun.usage.update(self.invocation.usage)
        metrics.cycle_durations[:0] = self.durations
        state.update(self.state)
        if self.prompt is not None:
            agent.system_prompt = self.prompt or None
        run_local(AgentViews).of(agent).resumes += 1  # the same turn

    def pack(self) -> dict[str, Any]:
        """Return the cut as a value for the next run. Warn about each value of the state that is not JSON.

        Raises:
            TypeError: If something in the state is neither JSON nor bytes.
        """
        content = {
            "usage": dict(self.invocation.usage),
            "cycles": [[cycle.event_loop_cycle_id, dict(cycle.usage)] for cycle in self.invocation.cycles],
            "durations": self.durations,
            "state": user_invocation_state("TurnHandOver", self.state, self.warned),
            "prompt": self.prompt,
            "cancelled": self.cancelled,
            "message": self.message,
        }
        return pack_turn(content)

    @classmethod
    def unpack(cls, packed: Any) -> "TurnCut":
        """Return the cut that an earlier run packed.

        Args:
            packed: What `pack` returned, as a payload converter decoded it.

        Raises:
            AgentTypeError: If `packed` is not such a value.
            AgentValueError: If it is damaged, or was made by a newer release.
        """
        unpacked = unpack_turn(packed)
        with FORMAT.reading():
            content = FORMAT.content_as(TurnContent, unpacked)
            return cls(
                AgentInvocation(
                    [EventLoopCycleMetric(id_, usage) for id_, usage in content.cycles],
                    cast("Any", content.usage),
                ),
                content.durations,
                {key: decode(value) for key, value in content.state.items()},
                cast("Any", content.prompt),
                carried=True,
                cancelled=content.cancelled,
                message=content.message,
            )


def history_is_nearly_full() -> bool:
    """Tell whether the run's history is close to the size at which the server ends the workflow."""
    info = workflow.info()
    return info.get_current_history_length() > MOST_EVENTS or info.get_current_history_size() > MOST_BYTES


MOST_EVENTS = 45_000
"""Events after which a turn that cannot be handed over fails. The server's default limit is 51,200."""

MOST_BYTES = 45 * 1024 * 1024
"""Bytes of history after which such a turn fails. The server's default limit is 50 MiB."""
