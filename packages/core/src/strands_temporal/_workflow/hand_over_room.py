"""Decides whether the next run of a workflow has room for what this run gives to it."""

from collections.abc import Callable
from typing import Any

from strands import Agent
from temporalio import workflow

from .._errors import CarryTooLargeError
from .._wire.carry import CARRY_LIMIT
from .carry import pack
from .turn_cut import history_is_nearly_full

_PATIENCE = 32  # cycles before a turn whose carry was too large tries again


class RecordedCheck:
    """A check of sizes whose outcome is recorded in history.

    At a replay another release, or another library that compresses, may find another size.

    Args:
        check: Function that raises `CarryTooLargeError` if the next run's input would be too large.
        marker: Prefix of the markers in history.
    """

    def __init__(self, check: Callable[[], object], marker: str) -> None:
        self._check = check
        self._marker = marker
        self._checks = 0

    def too_large(self) -> CarryTooLargeError | None:
        """Return why the next run's input would be too large; None if it would not."""
        self._checks += 1
        marker = f"{self._marker}-{self._checks}"
        replays = workflow.unsafe.is_replaying()
        if replays and not workflow.patched(marker):
            return None
        try:
            self._check()
        except CarryTooLargeError as error:
            too_large = error
        else:
            if not replays:
                return None
            too_large = CarryTooLargeError("An earlier worker found the next run's input too large")
        if not replays:
            workflow.patched(marker)
        return too_large


class TurnRoom:
    """Decides whether a turn of an agent can go on in the next run.

    Args:
        agent: The agent.
        check: As for `RecordedCheck`.
    """

    def __init__(self, agent: Agent, check: Callable[[], object]) -> None:
        self._agent = agent
        self._check = RecordedCheck(check, "strands-temporal-turn-too-large")
        self._refused_at: tuple[int, int] | None = None  # messages and cycles when it was too large

    def may_try(self, cycles: int) -> bool:
        """Tell whether it is worth a check, after this many cycles of the turn."""
        if self._refused_at is None or history_is_nearly_full():
            return True
        messages, at = self._refused_at
        return len(self._agent.messages) < messages or cycles >= at + _PATIENCE

    def may_leave(self) -> bool:
        """Tell whether the next run can take the turn. If not, warn: the turn goes on in this run.

        Raises:
            CarryTooLargeError: If this run has no room left either.
        """
        too_large = self._check.too_large()
        if too_large is None:
            self._refused_at = None
            return True
        if history_is_nearly_full():
            raise too_large
        agent = self._agent
        self._refused_at = len(agent.messages), len(agent.event_loop_metrics.agent_invocations[-1].cycles)
        workflow.logger.warning(
            "agent=<%s> | the turn should go on in the next run, and goes on in this one: %s",
            agent.name,
            too_large,
        )
        return False


def check_carries(agent: Agent, turn: dict[str, Any]) -> None:
    """Check the carry of an agent and that of its turn: the check of a `TurnHandOver` without its own.

    Args:
        agent: The agent.
        turn: What `TurnHandOver.carry()` returned.

    Raises:
        CarryTooLargeError: If they are too large together.
    """
    sizes = len(pack(agent).data), len(turn.get("data", ""))
    if sum(sizes) > CARRY_LIMIT:
        raise CarryTooLargeError(
            f"The carries of {agent.name!r} and of its turn have {sizes[0]:,} and {sizes[1]:,} bytes, and "
            f"{CARRY_LIMIT:,} can go into another run. Use a conversation manager that shortens the "
            "conversation within a turn, or smaller tool results"
        )
