"""What waits over all workflows: listed by the server, and asked of each workflow a few at a time."""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from .._client import ApprovalsClient
from .._errors import ApprovalsUnreachableError
from .._protocol import PENDING
from .._types import PendingApproval, ShownCall
from .._visibility import WAITING, is_known
from .._workflows import ListedWorkflow, open_workflows, quoted
from .errors import PageError
from .values import brief

_AT_ONCE = 16  # workflows that are asked at the same time
_AGAIN_AT_ONCE = 8  # of those that did not answer before: they hold up no other
_ANSWER_TIMEOUT = timedelta(seconds=6)
_ROUND = 2.0  # seconds that a request waits for answers; what comes later is in the next one
_PAUSE = 1.0  # seconds between two such waits, however many people look
_LIST_FRESH = 1.0  # seconds for which a list of workflows serves others who ask for it
_SHOWN_FRESH = 2.0  # seconds for which an answer counts, of a workflow that somebody looks at
_FRESH_EACH = 0.05  # of the others, for each workflow in the list: at most 20 are asked in a second
_FRESH_AT_MOST = 60.0
_AFTER_PROBLEM = 10.0  # seconds until a workflow is asked again that did not answer
_MOST = 5_000  # workflows in the list


@dataclass
class Entry:
    """A workflow that waits, and what it answered.

    Attributes:
        workflow: The workflow, as the server listed it.
        pending: Its questions.
        problem: Why it could not be asked; None if it was.
        asked_at: When, on the monotonic clock; 0 if it was not asked yet.
    """

    workflow: ListedWorkflow
    pending: list[PendingApproval] = field(default_factory=list[PendingApproval])
    problem: str | None = None
    asked_at: float = 0.0


@dataclass(frozen=True)
class Waiting:
    """What waits.

    Attributes:
        entries: The workflows, those that started first at the beginning.
        unasked: How many of them were not asked yet.
        is_cut: Whether there are more workflows than the inbox lists.
    """

    entries: list[Entry]
    unasked: int
    is_cut: bool


class WaitingIndex:
    """Keeps what waits, and asks again what is old. It works only while somebody looks.

    Args:
        client: The Temporal client.
        workflow_types: Types whose open workflows are all asked; empty to find them by the search attribute.
    """

    def __init__(self, client: Client, workflow_types: Sequence[str]) -> None:
        self._client = client
        self._approvals = ApprovalsClient(client, timeout=_ANSWER_TIMEOUT)
        self._types = " OR ".join(f"WorkflowType = {quoted(name)}" for name in workflow_types)
        self._entries: dict[str, Entry] = {}
        self._listed_at = float("-inf")
        self._is_cut = False
        self._is_indexed = bool(workflow_types)
        self._lock = asyncio.Lock()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, asyncio.Task[None]] = {}
        self._next: deque[Entry] = deque()
        self._next_again: deque[Entry] = deque()
        self._waited_at = float("-inf")

    async def waiting(self, shown: Collection[str] = ()) -> Waiting:
        """Return what waits.

        Args:
            shown: Ids of the workflows that somebody looks at. They are asked again sooner.

        Raises:
            PageError: If the server does not list the workflows.
        """
        async with self._lock:  # all who look together ask once
            now = time.monotonic()
            if now - self._listed_at >= _LIST_FRESH:
                await self._list()
                self._listed_at = time.monotonic()
            await self._ask(frozenset(shown))
            entries = [
                one
                for one in self._entries.values()
                if one.pending or one.problem or (not one.asked_at and not self._types)
            ]
            unasked = sum(1 for one in self._entries.values() if not one.asked_at)
            return Waiting(entries, unasked, self._is_cut)

    def forget(self, workflow_id: str) -> None:
        """Ask a workflow again next time: it was just decided."""
        if (entry := self._entries.get(workflow_id)) is not None:
            entry.asked_at = 0.0

    async def _list(self) -> None:
        try:
            if not self._is_indexed:
                await self._check_indexed()
            found: dict[str, ListedWorkflow] = {}
            self._is_cut = False
            async for listed in open_workflows(self._client, self._types or WAITING):
                known = found.setdefault(listed.id, listed)
                if listed.started_at > known.started_at:  # it just continued as new
                    found[listed.id] = listed
                if len(found) >= _MOST:
                    self._is_cut = True
                    break
        except RPCError as error:
            text = f"Temporal's server does not list the workflows: {error.message}"
            raise PageError("The server does not answer", text, 503) from error
        entries = {id_: self._entries.get(id_) or Entry(listed) for id_, listed in found.items()}
        for id_, listed in found.items():
            entries[id_].workflow = listed
        self._entries = dict(sorted(entries.items(), key=lambda one: one[1].workflow.started_at))

    async def _check_indexed(self) -> None:
        if not await is_known(self._client):
            raise PageError(
                "Nothing can be listed",
                f"The server does not know the search attribute {PENDING.name!r} in the namespace "
                f"{self._client.namespace!r}. Start a worker with HITLPlugin(), which registers it, or make "
                "the inbox with workflow_types=[...].",
                503,
            )
        self._is_indexed = True

    async def _ask(self, shown: frozenset[str]) -> None:
        """Ask the workflows whose answer is old. Wait a while for those that were never asked, or are shown.

        The others keep the answer that they have until there is another one. What was asked is not given up
        when the time is over: the worker would answer nevertheless, and a slow one would never come to the
        others.
        """
        now = time.monotonic()
        fresh = min(_FRESH_AT_MOST, max(_SHOWN_FRESH, _FRESH_EACH * len(self._entries)))
        old = [one for one in self._entries.values() if now - one.asked_at >= _age(one, shown, fresh)]
        old.sort(key=lambda one: (one.workflow.id not in shown, one.asked_at))
        self._next = deque(one for one in old if not one.problem)
        self._next_again = deque(one for one in old if one.problem)
        self._begin()
        if now - self._waited_at < _PAUSE:
            return
        urgent = {one.workflow.id for one in self._next if not one.asked_at or one.workflow.id in shown}
        urgent |= {id_ for id_ in self._asking if id_ in shown or not self._is_known(id_)}
        left = _ROUND
        while urgent and self._asking and left > 0:
            await asyncio.wait(self._asking.values(), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            urgent -= {id_ for id_ in urgent if (e := self._entries.get(id_)) is None or e.asked_at >= now}
            left = now + _ROUND - time.monotonic()
        self._waited_at = time.monotonic()

    def _is_known(self, id_: str) -> bool:
        return (entry := self._entries.get(id_)) is not None and entry.asked_at > 0

    def _begin(self) -> None:
        """Ask the next workflows, as many as may be asked at the same time."""
        for tasks, following, most in (
            (self._asking, self._next, _AT_ONCE),
            (self._again, self._next_again, _AGAIN_AT_ONCE),
        ):
            while following and len(tasks) < most:
                entry = following.popleft()
                if entry.workflow.id not in self._asking and entry.workflow.id not in self._again:
                    self._begin_one(entry, tasks)

    def _begin_one(self, entry: Entry, tasks: dict[str, asyncio.Task[None]]) -> None:
        def ended(_: "asyncio.Task[None]") -> None:
            del tasks[entry.workflow.id]
            self._begin()

        tasks[entry.workflow.id] = task = asyncio.create_task(self._ask_one(entry))
        task.add_done_callback(ended)

    async def _ask_one(self, entry: Entry) -> None:
        try:
            waiting = await self._approvals.pending(entry.workflow.id)
            entry.pending, entry.problem = [_kept(each) for each in waiting], None
        except ApprovalsUnreachableError as error:
            entry.pending, entry.problem = [], str(error)
        entry.asked_at = time.monotonic()


def _kept(pending: PendingApproval) -> PendingApproval:
    """Return what the list shows of a question. The rest may be large, and is asked for when it is opened."""
    return replace(
        pending,
        arguments=None if pending.arguments is None else brief(pending.arguments),
        question=brief(pending.question),
        calls=[ShownCall(call.tool) for call in pending.calls],
        outer=[],
        input_schema=None,
        original_arguments=None,
    )


def _age(entry: Entry, shown: frozenset[str], fresh: float) -> float:
    """Return how old the answer of a workflow may be, in seconds."""
    if not entry.asked_at:
        return float("-inf")
    if entry.problem:
        return _AFTER_PROBLEM
    return _SHOWN_FRESH if entry.workflow.id in shown else fresh
