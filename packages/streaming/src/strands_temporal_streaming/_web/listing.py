"""The list of threads with what each of them does, for a page that shows them all."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowQueryFailedError
from temporalio.service import RPCError

from strands_temporal import ConversationState

from .._request_types import REQUESTS_QUERY, StreamRequests
from .errors import UNREACHABLE, WebError
from .threads import WORKFLOW_TYPE, Threads

_ENDED = "ExecutionStatus IN ('Completed', 'Failed', 'Canceled', 'Terminated', 'TimedOut')"
_WAITING = ("waiting_for_people", "waiting_for_client")
_RUNNING = ("thinking", "in_tool", "closing")

_AT_ONCE = 8
"""How many threads are asked at the same time."""

_ANSWER_TIMEOUT = timedelta(seconds=2)
_LIST_TIMEOUT = 4.0  # seconds for all of them: a worker may be away
_FRESH = 1.0  # seconds for which a list is shown to others who ask for it
_KEPT = 2_000


@dataclass(frozen=True)
class Listed:
    """A thread in the list.

    Attributes:
        id: Its id.
        agent: Name of its agent.
        status: What its conversation does (`ConversationState.status`); for one that has ended, Temporal's
            name of the status in lower case; `unknown` if it does not answer.
        title: The beginning of its first message; empty if it has none, or cannot be asked.
        turn: Number of its latest turn.
        started_at: When it started, ISO 8601.
        ended_at: When it ended; None while it runs.
    """

    id: str
    agent: str
    status: str
    title: str
    turn: int
    started_at: str
    ended_at: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as the app tells it."""
        return {
            "threadId": self.id,
            "agent": self.agent,
            "status": self.status,
            "title": self.title,
            "turn": self.turn,
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
        }


class Listing:
    """Lists threads: those that wait first, then those that work, then idle ones, then ended ones.

    Args:
        client: The Temporal client.
        threads: The app's threads.
    """

    def __init__(self, client: Client, threads: Threads) -> None:
        self._client = client
        self._threads = threads
        self._titles: dict[str, str] = {}
        self._told: dict[str, tuple[str, int]] = {}  # the last answers, by run
        self._fresh: dict[tuple[int, str | None], tuple[float, list[Listed]]] = {}
        self._lock = asyncio.Lock()

    async def listed(self, limit: int, agent: str | None) -> list[Listed]:
        """Return at most `limit` threads that run, and as many that have ended, the latest of them.

        Raises:
            WebError: If the server does not list them.
        """
        async with self._lock:  # all pages together ask once
            made, known = self._fresh.get((limit, agent), (float("-inf"), []))
            if time.monotonic() - made < _FRESH:
                return known
            found = await self._listed(limit, agent)
            self._fresh[limit, agent] = time.monotonic(), found
            return found

    async def _listed(self, limit: int, agent: str | None) -> list[Listed]:
        try:
            running = await self._executions("ExecutionStatus = 'Running'", limit, agent)
            ended = await self._executions(_ENDED, limit, agent)
        except RPCError as error:
            raise WebError(f"The server does not list the threads: {error}", UNREACHABLE, 503) from error
        await self._ask([one for one, _ in running], [one for one, _ in ended])
        shown = [self._shown(one, name) for one, name in [*running, *ended]]
        return sorted(shown, key=lambda one: (_rank(one), -_seconds(one.ended_at or one.started_at)))

    async def _executions(
        self, condition: str, limit: int, agent: str | None
    ) -> list[tuple[WorkflowExecution, str]]:
        query = f"WorkflowType = '{WORKFLOW_TYPE}' AND {condition}"
        found: dict[str, tuple[WorkflowExecution, str]] = {}
        async for one in self._client.list_workflows(query, limit=10 * limit):
            name = await self._threads.agent_of(one)
            if name and agent in (None, name):
                found.setdefault(one.id, (one, name))
            if len(found) >= limit:
                break
        return list(found.values())

    async def _ask(self, running: Sequence[WorkflowExecution], ended: Sequence[WorkflowExecution]) -> None:
        """Ask the threads, a few at a time. Who does not answer in time keeps what was known of it."""
        if len(self._told) > _KEPT:
            self._told.clear()
        if len(self._titles) > _KEPT:
            self._titles.clear()
        gate = asyncio.Semaphore(_AT_ONCE)
        untitled = [one for one in [*running, *ended] if one.run_id not in self._titles]
        asking = [asyncio.ensure_future(self._ask_state(gate, one)) for one in running]
        asking += [asyncio.ensure_future(self._ask_title(gate, one)) for one in untitled]
        if asking:
            await asyncio.wait(asking, timeout=_LIST_TIMEOUT)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask_state(self, gate: asyncio.Semaphore, one: WorkflowExecution) -> None:
        state = await self._query(gate, one, "state", ConversationState)
        if state is None:
            self._told[one.run_id] = "unknown", self._told.get(one.run_id, ("", 0))[1]
        else:
            self._told[one.run_id] = state.status, state.turn

    async def _ask_title(self, gate: asyncio.Semaphore, one: WorkflowExecution) -> None:
        found: StreamRequests | None = await self._query(gate, one, REQUESTS_QUERY, StreamRequests)
        if found is None or not found.requests:
            return
        self._titles[one.run_id] = found.requests[0].title
        self._told.setdefault(one.run_id, ("", found.requests[-1].turn))

    async def _query(self, gate: asyncio.Semaphore, one: WorkflowExecution, name: str, type_: Any) -> Any:
        handle = self._client.get_workflow_handle(one.id, run_id=one.run_id)
        async with gate:
            try:
                return await handle.query(name, result_type=type_, rpc_timeout=_ANSWER_TIMEOUT)
            except (RPCError, WorkflowQueryFailedError, asyncio.TimeoutError):
                return None

    def _shown(self, one: WorkflowExecution, agent: str) -> Listed:
        status, turn = self._told.get(one.run_id, ("unknown", 0))
        if one.close_time is not None and one.status is not None:
            status = one.status.name.lower()
        return Listed(
            one.id,
            agent,
            status,
            self._titles.get(one.run_id, ""),
            turn,
            one.start_time.isoformat(),
            one.close_time.isoformat() if one.close_time else None,
        )


def _rank(one: Listed) -> int:
    if one.ended_at is not None:
        return 3
    return 0 if one.status in _WAITING else 1 if one.status in _RUNNING else 2


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
