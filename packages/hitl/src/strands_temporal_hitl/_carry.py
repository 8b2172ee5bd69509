"""Carrying approvals from one run of a workflow to the next, over continue-as-new."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError, CarryTooLargeError
from strands_temporal.extension import CARRY_LIMIT, CarryFormat
from strands_temporal.workflow import TeamCarry

from ._in_force import by_policy
from ._state import LedgerState
from ._types import ApprovalRecord

CARRY_VERSION = 1

WITH_EDITS = 2
"""Version of a carry that holds people's edits. A release that does not apply edits must not go on from it:
the call that a person changed would run as the model wrote it."""

WITH_POLICY = 3
"""Version of a carry of a workflow with a policy. A release without policies would let each call run."""

WITH_PEOPLE = 4
"""Version of a carry with verified people, with questions for which time does more than to reject them, or
whose decisions are still to be told. A release that knows none of it must not go on from it. The head of an
audit chain alone does not need it: a release without the chain leaves it out, and the export tells so."""

MOST_RECORDS = 1_000
"""Of people, the latest ones that a carry holds. The audit chains of the earlier runs have the others."""

MOST_BY_POLICY = 200
"""Of the policy, the latest ones that a carry holds."""

LARGEST_RECORDS = 500_000
"""Bytes of the JSON of these records together, and of the answers to the latest updates; fewer if there is no
room beside the agents. What agents or notifiers still wait for goes along in any case."""

INPUT_LIMIT = 2_050_000
"""Bytes that the carries of approvals and agents may have together. The server ends a workflow whose input is
above 2 MiB (2,097,152 bytes). The rest is for the user's own values."""


@dataclass(frozen=True)
class ApprovalsCarry:
    """A workflow's questions and decisions, as one compressed value for `workflow.continue_as_new`.

    `Approvals.carry()` makes it; the next run continues with `Approvals(carry=...)`.

    Attributes:
        data: Compressed JSON, as text.
        version: Layout of the data.
    """

    data: str
    version: int = CARRY_VERSION

    def __repr__(self) -> str:
        return f"ApprovalsCarry({len(self.data):,} bytes)"


_FORMAT = CarryFormat(
    ApprovalsCarry,
    WITH_PEOPLE,
    "Approvals(carry=...)",
    made_by="approvals.carry()",
    package="strands-temporal-hitl",
)


@dataclass
class Carried:
    """The content of a carry.

    Attributes:
        state: Questions, decisions and the audit trail.
        answered: The answers to recent updates, by their ids.
        client_calls: The workflow's calls of client tools.
    """

    state: LedgerState = field(default_factory=LedgerState)
    answered: dict[str, ApprovalRecord] = field(default_factory=dict[str, ApprovalRecord])
    client_calls: dict[str, Any] = field(default_factory=dict[str, Any])


_CARRIED = TypeAdapter(Carried)


def pack(
    state: LedgerState,
    answered: Mapping[str, ApprovalRecord],
    agent_carries: Sequence[object],
    client_calls: Mapping[str, Any] | None = None,
) -> ApprovalsCarry:
    """Return the carry of one workflow's approvals.

    Raises:
        CarryTooLargeError: If it does not fit into the next run's input beside the agents' carries.
        AgentTypeError: If something in `agent_carries` is neither an `AgentCarry` nor a `TeamCarry`.
        AgentValueError: If two agents that wait could not be told apart in the next run.
    """
    _check_agents(state)
    room, calls = INPUT_LIMIT - _size(agent_carries), dict(client_calls or {})
    data, kept = "", state
    for largest in (LARGEST_RECORDS, LARGEST_RECORDS // 10, 0):
        kept = replace(state, records=_latest(state, largest))
        data = _FORMAT.pack(asdict(Carried(kept, _answers(answered, largest), calls)))
        if len(data) <= room:
            break
    else:
        raise CarryTooLargeError(_too_large(kept, len(data), room, agent_carries))
    state = kept
    if _has_time(state) or _has_people(state):
        return ApprovalsCarry(data, WITH_PEOPLE)
    if _has_policy(state):
        return ApprovalsCarry(data, WITH_POLICY)
    return ApprovalsCarry(data, WITH_EDITS if _has_edits(state) else CARRY_VERSION)


def unpack(carry: object) -> Carried:
    """Return the content of `carry`; an empty one if `carry` is None.

    Raises:
        AgentTypeError: If it is not an `ApprovalsCarry`.
        AgentValueError: If it is damaged, or from a newer release.
    """
    if carry is None:
        return Carried()
    content = _FORMAT.unpack(carry)
    with _FORMAT.reading():
        return _CARRIED.validate_python(content)


def _latest(state: LedgerState, largest: int) -> list[ApprovalRecord]:
    """Return the latest records, and those that agents or notifiers still wait for."""
    pauses = [*state.pauses, *state.ended]
    waiting = {question.pending.id for pause in pauses for question in pause.questions}
    room = {True: MOST_BY_POLICY, False: MOST_RECORDS}
    kept: list[ApprovalRecord] = []
    size = 0
    for record in reversed(state.records):
        of_policy = by_policy(record)
        room[of_policy] -= 1
        size += _bytes(record)
        if (room[of_policy] >= 0 and size <= largest) or record.id in waiting:
            kept.append(record)
    return kept[::-1]


def _answers(answered: Mapping[str, ApprovalRecord], largest: int) -> dict[str, ApprovalRecord]:
    """Return the answers to the latest updates, as far as there is room."""
    kept: dict[str, ApprovalRecord] = {}
    size = 0
    for update_id, answer in reversed([*answered.items()]):
        size += len(update_id) + _bytes(answer)
        if size > largest:
            break
        kept[update_id] = answer
    return dict(reversed([*kept.items()]))


def _bytes(record: ApprovalRecord) -> int:
    return len(json.dumps(asdict(record), default=str))


def _has_edits(state: LedgerState) -> bool:
    granted = [each for pause in state.pauses for each in pause.granted]
    granted += [each for kept in state.granted.values() for each in kept]
    records = [*state.records, *(each.record for each in state.early.values())]
    return any(each.edited is not None for each in granted) or any(
        record.edited_arguments is not None for record in records
    )


def _has_policy(state: LedgerState) -> bool:
    return bool(state.policy.changes) or any(record.layer for record in state.records)


def _has_time(state: LedgerState) -> bool:
    questions = [question for pause in state.pauses for question in pause.questions]
    return bool(state.ended) or any(each.waiting is not None for each in questions)


def _has_people(state: LedgerState) -> bool:
    records = [*state.records, *(each.record for each in state.early.values())]
    questions = [question for pause in state.pauses for question in pause.questions]
    restricts = any(each.pending.deciders is not None or each.own for each in questions)
    return restricts or bool(state.proofs) or any(record.verified for record in records)


def _size(agent_carries: Sequence[object]) -> int:
    """Return the size of the agents' carries in bytes. If there are none, return a carry's largest size."""
    for other in agent_carries:
        if not isinstance(other, (AgentCarry, TeamCarry)):
            raise AgentTypeError(
                f"approvals.carry(...): {other!r} is not an AgentCarry or a TeamCarry. Give what "
                "agent.carry() or carry_team(team) returned"
            )
    carries = [other for other in agent_carries if isinstance(other, (AgentCarry, TeamCarry))]
    return sum(len(other.data) for other in carries) or CARRY_LIMIT


def _too_large(state: LedgerState, size: int, room: int, agent_carries: Sequence[Any]) -> str:
    questions = sum(len(pause.questions) for pause in state.pauses)
    advice = (
        "Trim the conversation, let tools take large arguments by reference, or end this workflow and begin "
        "another: the audit trail stays in its history"
        if agent_carries
        else "The rest is reserved for the largest possible agent. Pass yours: approvals.carry(agent.carry())"
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
                "could not tell whose answers are whose. Give each its own: TemporalAgent(agent_id=...), "
                "builder.set_graph_id(...), Swarm(id=...)"
            )
