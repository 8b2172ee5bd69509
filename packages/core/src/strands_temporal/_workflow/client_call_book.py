"""The book of one workflow's client calls: which are open, who runs them, and their outcomes.

It makes no calls to Temporal, and times are arguments. So the same messages give the same book, also in a
replay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from strands.interrupt import Interrupt

from .._wire.client_tools import (
    ALREADY_ENDED,
    CLAIMED,
    DOES_NOT_FIT,
    PAST_DEADLINE,
    UNKNOWN_CALL,
    ClientCall,
)
from .._wire.reading import read_as
from .client_call_messages import claim_of, quoted, refusal, refused_of, result_of
from .json_schemas import JsonSchema

_ENDED_KEPT = 200
"""How many ended calls are remembered, to say what became of them."""

_FATES = {
    "result": "already has a result",
    "error": "already has a result",
    "refused": "was refused by a client",
    "expired": "was not answered before its deadline",
    "withdrawn": "was withdrawn: its turn was stopped",
}


@dataclass
class Entry:
    """A call, and its answer.

    Attributes:
        call: What clients see.
        interrupt_id: Strands' id of the interrupt, to which the answer goes.
        agent_id: Strands' id of the agent that runs the turn.
        answer: The answer for the tool, encoded; None while the call is open.
    """

    call: ClientCall
    interrupt_id: str
    agent_id: str
    answer: dict[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a client may still answer."""
        return self.answer is None

    @property
    def deadline(self) -> datetime | None:
        """When the call expires."""
        return None if self.call.deadline is None else datetime.fromisoformat(self.call.deadline)


class CallBook:
    """The calls of one workflow. Each is answered once."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._waited: list[Entry] = []  # those for whose answers somebody waits in this run
        self._ended: dict[str, dict[str, Any]] = {}

    @property
    def open_calls(self) -> list[ClientCall]:
        """The calls that wait for a client, oldest first."""
        return [entry.call for entry in self._entries if entry.is_open]

    def take_over(self, carried: Mapping[str, Any]) -> None:
        """Take over the calls of an earlier run."""
        known = {entry.call.id for entry in self._entries}
        for one in cast("list[dict[str, Any]]", carried.get("entries", [])):
            entry = read_as(Entry, {**one, "call": ClientCall.from_wire(one["call"])})
            if entry.call.id not in known:
                self._entries.append(entry)
        self._ended = {**carried.get("ended", {}), **self._ended}

    def carried(self) -> dict[str, Any]:
        """Return the calls for the next run, as JSON values."""
        return {"entries": [asdict(entry) for entry in self._entries], "ended": dict(self._ended)}

    def open(self, interrupts: Sequence[Interrupt], agent_id: str, now: datetime) -> list[Entry]:
        """Return the entries of the calls that an agent waits with, also those of an earlier wait."""
        entries: list[Entry] = []
        for interrupt in interrupts:
            of = [entry for entry in entries if entry.interrupt_id == interrupt.id]
            if not of:
                entries.append(self._waiting(interrupt, agent_id) or self._new(interrupt, agent_id, now))
            elif of[0].is_open and of[0].call.arguments != _asked(interrupt).get("arguments"):
                # Two nodes of a graph: Strands would give both the one answer.
                self._end(of[0], "error", {"error": "Two calls at once have the same id. Call again"}, now)
        self._waited += entries
        return entries

    def release(self, entries: Iterable[Entry]) -> None:
        """Let a later `open` find these entries again, in this run or the next."""
        for entry in entries:
            self._waited.remove(entry)

    def settle(self, entries: Iterable[Entry]) -> list[tuple[str, dict[str, Any]]]:
        """Remove answered entries. Return interrupt ids and answers."""
        answers: list[tuple[str, dict[str, Any]]] = []
        for entry in entries:
            self._waited.remove(entry)
            self._entries.remove(entry)
            answers.append((entry.interrupt_id, dict(entry.answer or {})))
        return answers

    def has_released(self, agent_id: str) -> bool:
        """Tell whether a later `open` of this agent would find entries of an earlier wait."""
        return any(e.agent_id == agent_id and not _holds(self._waited, e) for e in self._entries)

    def expire(self, now: datetime) -> None:
        """End the calls whose deadline has passed."""
        for entry in self._entries:
            if entry.is_open and entry.deadline is not None and now >= entry.deadline:
                self._end(entry, "expired", {"error": "No client ran the call in time"}, now)

    def withdraw(self, entries: Iterable[Entry], now: datetime) -> None:
        """End open calls whose turn was stopped."""
        for entry in entries:
            if entry.is_open:
                self._end(entry, "withdrawn", {"error": "Tool execution cancelled"}, now)

    # --- Messages of clients

    def check_claim(self, message: Any, now: datetime) -> Entry:
        """Return the call that a client may claim now, or give back.

        Raises:
            ApplicationError: If it may not.
        """
        id_, by, _ = claim_of(message)
        entry = self._open_entry(id_, now)
        call = entry.call
        if call.claimed_by not in (None, by) and now < datetime.fromisoformat(str(call.claimed_until)):
            raise refusal(CLAIMED, f"{call.claimed_by!r} runs the call until {call.claimed_until}")
        return entry

    def claim(self, message: Any, now: datetime) -> dict[str, Any]:
        """Let a client run a call for some time. It may be claimed again before that is over."""
        entry = self.check_claim(message, now)
        _, client, seconds = claim_of(message)
        by = client if seconds else None
        until = (now + timedelta(seconds=seconds)).isoformat() if seconds else None
        entry.call = replace(entry.call, claimed_by=by, claimed_until=until)
        return {"id": entry.call.id, "by": by, "until": until}

    def check_result(self, message: Any, now: datetime, *, fits: bool = True) -> Entry:
        """Return the call whose result a client may send now.

        Args:
            message: What the client sent.
            now: The time.
            fits: Whether to check the result against the schema.

        Raises:
            ApplicationError: If the message is malformed, the call is not open, or the result does not fit.
        """
        given = result_of(message)
        entry = self._open_entry(given["id"], now)
        schema: dict[str, Any] | None = entry.call.output_schema if fits and "result" in given else None
        if schema is not None and (why := JsonSchema(schema).misfit(given["result"])):
            raise refusal(DOES_NOT_FIT, f"The result of {entry.call.tool!r} does not fit its schema: {why}")
        return entry

    def take_result(self, message: Any, now: datetime) -> dict[str, Any]:
        """Store the result of a call. Its schema was checked before."""
        entry = self.check_result(message, now, fits=False)
        outcome = "error" if "error" in message else "result"
        return self._end(entry, outcome, {outcome: message[outcome]}, now, message.get("by"))

    def check_refusal(self, message: Any, now: datetime) -> Entry:
        """Return the call that a client may decline.

        Raises:
            ApplicationError: If the message is malformed, or the call is not open.
        """
        return self._open_entry(refused_of(message)["id"], now)

    def take_refusal(self, message: Any, now: datetime) -> dict[str, Any]:
        """Decline a call: the model reads the reason."""
        entry = self.check_refusal(message, now)
        reason = message.get("reason")
        text = f"The client refused: {reason}" if reason else "The client refused"
        return self._end(entry, "refused", {"error": text}, now, message.get("by"))

    def _waiting(self, interrupt: Interrupt, agent_id: str) -> Entry | None:
        for entry in self._entries:
            same = entry.interrupt_id == interrupt.id and entry.agent_id == agent_id
            if same and not _holds(self._waited, entry):
                return entry
        return None

    def _new(self, interrupt: Interrupt, agent_id: str, now: datetime) -> Entry:
        asked = _asked(interrupt)
        seconds = asked.get("deadline")
        call = ClientCall(
            id=self._unused(interrupt.id),
            tool=str(asked.get("tool", "")),
            arguments=asked.get("arguments"),
            agent=str(asked.get("agent", "")),
            asked_at=now.isoformat(),
            deadline=None if seconds is None else (now + timedelta(seconds=seconds)).isoformat(),
            output_schema=asked.get("output_schema"),
        )
        entry = Entry(call, interrupt.id, agent_id)
        self._entries.append(entry)
        return entry

    def _unused(self, id_: str) -> str:
        used = {entry.call.id for entry in self._entries} | self._ended.keys()
        number, candidate = 1, id_
        while candidate in used:
            number += 1
            candidate = f"{id_}#{number}"
        return candidate

    def _open_entry(self, id_: str, now: datetime) -> Entry:
        entry = next((each for each in self._entries if each.call.id == id_ and each.is_open), None)
        if entry is not None and entry.deadline is not None and now >= entry.deadline:
            raise refusal(PAST_DEADLINE, f"The deadline of {id_!r} passed at {entry.call.deadline}")
        if entry is not None:
            return entry
        ended = self._ended.get(id_)
        if ended is None:
            text = f"No client call {quoted(id_)} waits. The query client_tool_calls lists them"
            raise refusal(UNKNOWN_CALL, text)
        kind = PAST_DEADLINE if ended["outcome"] == "expired" else ALREADY_ENDED
        raise refusal(kind, f"The call {id_!r} {_FATES.get(ended['outcome'], 'has ended')} ({ended['at']})")

    def _end(
        self, entry: Entry, outcome: str, answer: dict[str, Any], now: datetime, by: Any = None
    ) -> dict[str, Any]:
        entry.answer = answer
        record = {
            "id": entry.call.id,
            "tool": entry.call.tool,
            "outcome": outcome,
            "at": now.isoformat(),
            "by": by if isinstance(by, str) else entry.call.claimed_by,
        }
        self._ended[entry.call.id] = record
        for oldest in list(self._ended)[:-_ENDED_KEPT]:
            del self._ended[oldest]
        return record


def _asked(interrupt: Interrupt) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", interrupt.reason) if isinstance(interrupt.reason, Mapping) else {}


def _holds(entries: Sequence[Entry], entry: Entry) -> bool:
    return any(each is entry for each in entries)
