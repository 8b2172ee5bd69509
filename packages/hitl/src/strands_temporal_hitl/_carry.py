"""Carrying approvals from one run of a workflow to the next, over continue-as-new."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError, CarryTooLargeError
from strands_temporal.extension import decode, encode

from ._state import LedgerState
from ._types import ApprovalRecord

CARRY_VERSION = 1

INPUT_LIMIT = 2_050_000
"""Bytes that approvals and the agents beside them may have together. The server ends a workflow whose input
is above 2 MiB (2,097,152 bytes); the rest is for the user's own values."""

LARGEST_AGENT = 1_900_000
"""Bytes of the largest `AgentCarry` that there is: what is kept free for one that was not shown."""


@dataclass(frozen=True)
class ApprovalsCarry:
    """What people were asked and what they decided, as one compressed value for `workflow.continue_as_new`.

    Made by `Approvals.carry()`; the next run goes on with `Approvals(carry=...)`.

    Attributes:
        data: Compressed JSON, as text.
        version: Layout of the data.
    """

    data: str
    version: int = CARRY_VERSION

    def __repr__(self) -> str:
        return f"ApprovalsCarry({len(self.data):,} bytes)"


@dataclass
class Carried:
    """What is in a carry.

    Attributes:
        state: Questions, decisions and the audit trail.
        answered: What recent updates were answered, by their ids.
    """

    state: LedgerState = field(default_factory=LedgerState)
    answered: dict[str, ApprovalRecord] = field(default_factory=dict[str, ApprovalRecord])


_CARRIED = TypeAdapter(Carried)


def pack(
    state: LedgerState, answered: Mapping[str, ApprovalRecord], beside: Sequence[object]
) -> ApprovalsCarry:
    """Return the carry of one workflow's approvals.

    Raises:
        CarryTooLargeError: If it has no place in the next run's input, beside the agents.
        AgentTypeError: If something in `beside` is not an `AgentCarry`.
        AgentValueError: If two agents that wait could not be told apart in the next run.
    """
    _check_agents(state)
    text = json.dumps(encode(asdict(Carried(state, dict(answered)))), separators=(",", ":"))
    data = base64.b64encode(zlib.compress(text.encode())).decode("ascii")
    room = INPUT_LIMIT - _size(beside)
    if len(data) > room:
        raise CarryTooLargeError(_too_large(state, len(data), room, beside))
    return ApprovalsCarry(data)


def unpack(carry: object) -> Carried:
    """Return what is in `carry`; nothing, where it is None.

    Raises:
        AgentTypeError: If it is not an `ApprovalsCarry`.
        AgentValueError: If it is damaged, or of a newer release.
    """
    if carry is None:
        return Carried()
    if not isinstance(carry, ApprovalsCarry):
        raise AgentTypeError(
            f"Approvals(carry=...): {carry!r} is not an ApprovalsCarry. Give what approvals.carry() "
            "returned, and declare the workflow's argument as ApprovalsCarry, so that it is decoded as one"
        )
    if carry.version > CARRY_VERSION:
        raise AgentValueError(
            f"Approvals(carry=...): the carry has version {carry.version}, this worker knows "
            f"{CARRY_VERSION}: a newer strands-temporal-hitl made it. Upgrade this worker"
        )
    try:
        content = decode(json.loads(zlib.decompress(base64.b64decode(carry.data))))
        return _CARRIED.validate_python(content)
    except (ValueError, zlib.error, ValidationError) as error:
        raise AgentValueError(f"Approvals(carry=...): the carry is damaged: {error}") from error


def _size(beside: Sequence[object]) -> int:
    for other in beside:
        if not isinstance(other, AgentCarry):
            raise AgentTypeError(
                f"approvals.carry(...): {other!r} is not an AgentCarry. Give what agent.carry() returned"
            )
    return sum(len(other.data) for other in beside if isinstance(other, AgentCarry)) or LARGEST_AGENT


def _too_large(state: LedgerState, size: int, room: int, beside: Sequence[Any]) -> str:
    questions = sum(len(pause.questions) for pause in state.pauses)
    advice = (
        "Trim the conversation, let tools take large arguments by reference, or end this workflow and begin "
        "another: the audit trail stays in its history"
        if beside
        else "So much is left beside the largest agent there is. Show yours: approvals.carry(agent.carry())"
    )
    return (
        f"The carry of Approvals has {size:,} bytes ({len(state.records)} records, {questions} questions), "
        f"and {max(room, 0):,} can go into another run. {advice}"
    )


def _check_agents(state: LedgerState) -> None:
    """Check that each agent will find its own pause: an answer must not reach another agent."""
    keys = Counter((pause.agent_id, frozenset(pause.interrupt_ids)) for pause in state.pauses)
    for (agent_id, _), count in keys.items():
        if count > 1:
            raise AgentValueError(
                f"{count} agents with the id {agent_id!r} wait with the same interrupts, and the next run "
                "could not tell whose answers are whose. Give each its own: TemporalAgent(agent_id=...)"
            )
