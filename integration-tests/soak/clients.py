"""The clients of the runs: they start conversations, send messages, and decide what is asked."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from strands_temporal import ConversationClient, ConversationClosedError, ConversationStart
from strands_temporal_hitl import (
    ApprovalRefusedError,
    ApprovalsClient,
    ApprovalsEndedError,
    ApprovalsNotIndexedError,
    ApprovalsUnreachableError,
    digest_of,
)

from . import journal
from .models import bare
from .plan import Call, Run, run_of
from .workers import QUEUE
from .workflows import QUESTION, Soak

T = TypeVar("T")


@dataclass
class Seen:
    """What the clients saw of a run.

    Attributes:
        run: Name of the run.
        state: "ended", "failed" or "wedged".
        why: The error of a run that did not end.
        began: Monotonic time at which it was started.
        ended: Monotonic time at which it ended, or was given up.
        retries: How often a client sent something again after an error of the connection.
    """

    run: str
    state: str = "running"
    why: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    retries: int = 0
    messages: list[Any] | None = None
    answers: list[str] = field(default_factory=list[str])
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class Decisions:
    """Several people who decide, each with a client of their own; often two at once on one question."""

    def __init__(self, clients: dict[str, Client]) -> None:
        self._approvals = {name: ApprovalsClient(client) for name, client in clients.items()}
        self._chance = random.Random()
        self._under_way: set[tuple[str, str, str]] = set()
        self.accepted: dict[str, dict[str, list[str]]] = {}
        self.refused = 0
        self.errors: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Decide until cancelled."""
        await asyncio.gather(*(self._decide_all(name) for name in self._approvals))

    async def _decide_all(self, name: str) -> None:
        approvals, began = self._approvals[name], time.monotonic()
        while True:
            try:
                for waiting in await approvals.list():
                    for pending in waiting.pending:
                        key = (name, waiting.workflow_id, pending.id)
                        if key not in self._under_way and self._chance.random() < 0.7:
                            self._under_way.add(key)
                            task = asyncio.create_task(self._decide(name, waiting.workflow_id, pending))
                            self._tasks.add(task)
                            task.add_done_callback(self._tasks.discard)
            except (RPCError, ApprovalsUnreachableError, asyncio.TimeoutError):
                pass  # the server restarts
            except ApprovalsNotIndexedError as error:
                if time.monotonic() > began + 30:  # the workers register the attribute when they begin
                    self.errors.append(f"list: {error}")
            except Exception as error:  # noqa: BLE001 - told at the end
                self.errors.append(f"list: {type(error).__name__}: {error}")
            await asyncio.sleep(self._chance.uniform(0.5, 1.5))

    async def _decide(self, name: str, workflow_id: str, pending: Any) -> None:
        question = str(pending.question)
        approved = call_of(workflow_id, question).approved
        approvals = self._approvals[name]
        decide = approvals.approve if approved else approvals.reject
        try:
            await decide(workflow_id, pending, by=name)
        except (ApprovalRefusedError, ApprovalsEndedError):
            self.refused += 1  # the other one was quicker, or this one was when its answer got lost
        except (RPCError, ApprovalsUnreachableError, asyncio.TimeoutError):
            self._under_way.discard((name, workflow_id, pending.id))  # again, if it still waits
        except Exception as error:  # noqa: BLE001 - told at the end
            self.errors.append(f"{workflow_id} {question}: {type(error).__name__}: {error}")
        else:
            self.accepted.setdefault(workflow_id, {}).setdefault(pending.id, []).append(name)


def call_of(run: str, question: str) -> Call:
    """Return the call that a question is about."""
    word = question.removeprefix(QUESTION)
    return next(call for call in run_of(run).calls if call.word == word)


class Driver:
    """Leads one conversation after the other."""

    def __init__(self, clients: list[Client], folder: Path, patience: float) -> None:
        self._clients = clients
        self._folder = folder
        self._patience = patience
        self.approvals = ApprovalsClient(clients[0])

    async def lead(self, run: Run) -> Seen:
        """Lead a conversation to its end."""
        seen = Seen(run.name)
        try:
            await asyncio.wait_for(self._lead(run, seen), self._patience)
            seen.state = "ended"
        except asyncio.TimeoutError:
            seen.state, seen.why = "wedged", f"not ended in {self._patience:.0f} s"
        except Exception as error:  # noqa: BLE001 - the run failed, and the report tells how
            seen.state, seen.why = "failed", f"{type(error).__name__}: {error}: {error.__cause__!r}"
        seen.ended = time.monotonic()
        return seen

    async def _lead(self, run: Run, seen: Seen) -> None:
        client = self._clients[hash(run.name) % len(self._clients)]
        start = ConversationStart(arguments={"events": run.events})
        await self._persist(
            seen,
            lambda: client.start_workflow(
                Soak.run,
                start,
                id=run.name,
                task_queue=QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            ),
        )
        if run.read:
            (self._folder / "reading" / run.name).touch()
        chats = itertools.cycle([ConversationClient(each, run.name) for each in self._clients])
        if run.at_once:
            sends = [self._send(run, number, chats, seen) for number in range(len(run.turns))]
            seen.answers = list(await asyncio.gather(*sends))
        else:
            for number in range(len(run.turns)):
                seen.answers.append(await self._send(run, number, chats, seen))
        chat = next(chats)
        seen.messages = [bare(message) for message in await self._persist(seen, chat.messages)]
        records = await self._persist(seen, lambda: self.approvals.records(run.name))
        seen.records = [
            {"id": each.id, "question": question_of(run, each.digest), "outcome": each.outcome, "by": each.by}
            for each in records
        ]
        before = seen.retries
        try:
            await self._persist(seen, chat.close)
        except ConversationClosedError:
            if seen.retries == before:  # else the first request closed it, and its answer was lost
                raise
        await self._persist(seen, chat.handle.result)

    async def _send(self, run: Run, number: int, chats: Any, seen: Seen) -> str:
        """Send a message, from two clients if the plan says so, and return the answer."""
        prompt = run.turns[number].prompt
        if run.at_once:
            await asyncio.sleep(0.05 * number)  # the server keeps the order of what it has
        sends = [self._persist(seen, lambda: next(chats).send(prompt, id=f"m{number}"))]
        if run.twice:
            other = next(chats)
            sends.append(self._persist(seen, lambda: other.send(prompt, id=f"m{number}")))
        first, *others = await asyncio.gather(*sends)
        for answer in others:
            if answer != first:
                raise AssertionError(f"two answers to one message: {first}, {answer}")
        return first.text

    async def _persist(self, seen: Seen, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, as a client of a server that restarts has to."""
        while True:
            try:
                return await ask()
            except (  # noqa: PERF203 - one answer is enough
                RPCError,
                asyncio.TimeoutError,
                ApprovalsUnreachableError,
                WorkflowQueryFailedError,
            ) as error:
                seen.retries += 1
                journal.add(
                    self._folder / "client-errors",
                    run=seen.run,
                    error=f"{type(error).__name__}: {error}"[:300],
                )
                await asyncio.sleep(0.3)


def question_of(run: Run, digest: str | None) -> str:
    """Return the question that a record answers: the record has the digest of the call."""
    for call in run.calls:
        if call.tool == "pay" and digest_of("pay", {"word": call.word}) == digest:
            return f"{QUESTION}{call.word}"
    return f"an unknown call {digest}"
