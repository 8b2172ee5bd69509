"""The wait of a paused agent for its client calls: for an answer, a deadline or the stop of the agent."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

from strands import Agent
from strands.interrupt import Interrupt
from temporalio import workflow

from .._wire.client_tools import CLIENT_TOOL
from .client_call_book import CallBook, Entry

_NO_DEADLINE = timedelta(days=3650)
"""Timer of calls without a deadline. It is there because a workflow task must leave an event.

A replay merges a workflow task without one with the task after it. If that brings an update, the update is
validated before the agent has called the tool, and is refused (temporalio 1.35).
"""


class PausedCalls:
    """The client calls with which an agent paused. `ClientCalls.open` makes it."""

    def __init__(self, book: CallBook, entries: list[Entry]) -> None:
        self._book = book
        self._entries = entries

    @property
    def is_open(self) -> bool:
        """Whether one of the calls still waits for a client."""
        return any(entry.is_open for entry in self._entries)

    async def wait(
        self, stop_waiting_when: Callable[[], bool] | None = None, stopped: Callable[[], bool] | None = None
    ) -> list[dict[str, Any]] | None:
        """Wait for the answers, as `ClientCalls.wait` does. Call it once."""

        def over() -> bool:
            wanted = stop_waiting_when is not None and stop_waiting_when()
            return wanted or (stopped is not None and stopped()) or not self.is_open

        await self._or_withdraw(self._until(over))
        if stopped is not None and stopped():
            self._book.withdraw(self._entries, workflow.now())
        if self.is_open:
            self.release()
            return None
        return [
            {"interruptResponse": {"interruptId": id_, "response": answer}}
            for id_, answer in self._book.settle(self._entries)
        ]

    async def meanwhile(self, other: Coroutine[Any, Any, None]) -> None:
        """Await something else, such as the answers of people, and keep the calls' deadlines meanwhile."""
        keeping = asyncio.create_task(self._until(lambda: not self.is_open))
        await self._or_withdraw(other)
        keeping.cancel()

    async def _until(self, over: Callable[[], bool]) -> None:
        """Wait until something is over. End calls at their deadlines."""
        while True:
            self._book.expire(workflow.now())
            if over():
                return
            waiting = [entry for entry in self._entries if entry.is_open]
            ends = [entry.deadline for entry in waiting if entry.deadline]
            left = min(ends) - workflow.now() if ends else _NO_DEADLINE
            tools = ", ".join(sorted({entry.call.tool for entry in waiting}))
            with contextlib.suppress(asyncio.TimeoutError):
                await workflow.wait_condition(
                    over, timeout=left, timeout_summary=f"{tools}: waits for a client"
                )

    async def _or_withdraw(self, wait: Coroutine[Any, Any, None]) -> None:
        # Not `finally`: a worker that evicts a workflow closes this coroutine outside of the workflow.
        try:
            await wait
        except (asyncio.CancelledError, Exception):
            self._book.withdraw(self._entries, workflow.now())
            self._book.settle(self._entries)
            raise

    def release(self) -> None:
        """Stop waiting. The calls stay open, for a later `open` in this run or the next."""
        self._book.release(self._entries)


def is_client_call(interrupt: Interrupt) -> bool:
    """Tell whether an interrupt is the call of a client tool, which no person answers."""
    return interrupt.name.partition(" ")[0] == CLIENT_TOOL and isinstance(interrupt.reason, Mapping)


def waiting_interrupts(agent: Agent) -> list[Interrupt]:
    """Return the interrupts with which an agent waits and that have no answer; none if it does not wait."""
    # Calls the base class's method, because a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    if not state["activated"]:
        return []
    stored = [Interrupt(**one) for one in state["interrupts"].values()]
    return [one for one in stored if one.response is None]
