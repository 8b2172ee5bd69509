"""Workers are killed in a conversation: clients see one answer, and the transcript is a plain agent's."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.worker.killed_processes import (
    kept_running,
    kill_last,
    left_to_die_at,
    noted,
    run,
)
from packages.core.tests.workflow.conversation_scenes import runs_of
from packages.hitl.tests.approvals_support import BY, approver_for
from temporalio.client import Client
from temporalio.service import RPCError

from integration_tests import killed_chats
from integration_tests.killed_chats import PROMPTS, KilledChat, Talk, number_in, plugins, seen_of, start_of
from strands_temporal import ConversationClient, StrandsPlugin
from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_hitl import ApprovalRefusedError, ApprovalsUnreachableError

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODULE = killed_chats.__name__
TASK_TIMEOUT = timedelta(seconds=3)  # of a workflow task whose worker was killed


class Decider:
    """A person who decides each question, every other one in the next run of the workflow."""

    def __init__(self, client: Client, chat: ConversationClient, talk: Talk, folder: Path) -> None:
        self._approver = approver_for(client)
        self._chat, self._talk, self._folder = chat, talk, folder
        self.decided: list[int] = []
        self.tried: set[int] = set()
        self.moved: list[int] = []

    async def decide(self) -> None:
        while True:
            try:
                for pending in await self._approver.pending(self._chat.workflow_id):
                    await self._decide(pending)
            except (ApprovalsUnreachableError, ApprovalRefusedError, RPCError):
                pass  # the worker is dead, or the next run has the question
            await asyncio.sleep(0.1)  # nobody tells of a question

    async def _decide(self, pending: Any) -> None:
        number = number_in(pending.question)
        if number not in self.tried and len(self.decided) % 2 == 0:
            self.tried.add(number)
            await self._let_it_move(number)
            return
        choose = self._approver.approve if self._talk.allowed_at(number) else self._reject
        await choose(self._chat.workflow_id, pending, by=BY)
        self.decided.append(number)

    async def _reject(self, workflow_id: str, pending: Any, *, by: str) -> Any:
        return await self._approver.reject(workflow_id, pending, by=by)

    async def _let_it_move(self, number: int) -> None:
        """Have the workflow continue as new with the open question, unless this run began with it."""
        before = (await self._chat.handle.describe()).run_id
        await self._chat.handle.signal("move")
        for _ in range(100):
            if (await self._chat.handle.describe()).run_id != before:
                self.moved.append(number)
                kill_last(self._folder)  # the next run has just begun
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def meanwhile(*functions: Callable[[], Any]) -> AsyncGenerator[None]:
    """Run functions while the block runs. An error of one ends the block's wait with it."""
    tasks = [asyncio.create_task(function()) for function in functions]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def killing(folder: Path, talk: Talk, times: int) -> Callable[[], Any]:
    """Return what kills the worker so many times in the midst of what it does."""

    async def kill() -> None:
        for part in range(1, times + 1):
            while len(noted(folder, "asked")) < talk.steps * part // (times + 1):  # noqa: ASYNC110  # a process
                await asyncio.sleep(0.1)
            kill_last(folder)

    return kill


POINTS = ["leave 1", "begin 2", "before w4", "after w7", "after w2", "model 9", "begin 4", "last model 1"]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("talk", "points", "kills", "runs"),
    [
        (Talk(steps=18, asks=3, events=60), POINTS, 2, 5),
        (Talk(steps=600, asks=60, events=500), POINTS, 8, 12),
    ],
    ids=["eighteen calls", "six hundred calls"],
)
async def test_clients_of_a_chat_whose_workers_are_killed_see_one_answer(
    server: DevServer,
    worker_options: dict[str, Any],
    tmp_path: Path,
    talk: Talk,
    points: list[str],
    kills: int,
    runs: int,
) -> None:
    few = talk.steps < 100
    await run(MODULE, f"plain({tmp_path / 'plain'!r}, {talk!r})", 600)
    ((expected,),) = noted(tmp_path / "plain", "seen")
    queue = f"killed-{uuid.uuid4()}"
    client = await Client.connect(server.address, plugins=[StrandsPlugin()])
    chat, same, other = (ConversationClient(client, queue) for _ in range(3))
    # Without the cache each task of a long run would replay all of it.
    cached = worker_options.get("max_cached_workflows", 1000) if few else 1000
    work = f"work({server.address!r}, {queue!r}, {tmp_path!r}, {talk!r}, {cached})"
    decider = Decider(client, chat, talk, tmp_path)
    async with (
        kept_running(tmp_path, MODULE, work, points),
        meanwhile(decider.decide, killing(tmp_path, talk, kills)),
    ):
        await client.start_workflow(
            KilledChat.run, start_of(talk), id=queue, task_queue=queue, task_timeout=TASK_TIMEOUT
        )
        first = asyncio.create_task(chat.send(PROMPTS[0], id="m1"))
        while not noted(tmp_path, "asked"):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.1)
        again = asyncio.create_task(same.send(PROMPTS[0], id="m1"))
        second = asyncio.create_task(other.send(PROMPTS[1], id="m2"))
        answer, repeated, last = await asyncio.wait_for(asyncio.gather(first, again, second), 2400)
        assert repeated == answer
        assert await same.send(PROMPTS[0], id="m1") == answer, "in a later run"
        assert await other.send(PROMPTS[1], id="m2") == last
        messages = await chat.messages()
        usage = (await chat.state()).usage
        await chat.close()
        end = await asyncio.wait_for(chat.handle.result(), 120)
    assert (answer.turn, last.turn, end["turns"]) == (1, 2, 2)
    seen = seen_of(messages, [answer.text, last.text], {})
    assert seen["messages"] == expected["messages"]
    assert seen["texts"] == expected["texts"]
    assert usage["input_tokens"] == expected["usage"]["inputTokens"]
    assert left_to_die_at(tmp_path) == [], "each point was reached, and its worker killed"
    assert len(noted(tmp_path, "began")) > len(points), "others were killed beside them"
    assert len(decider.moved) >= talk.questions // 3, "questions went from run to run"
    assert_done_once(tmp_path, talk)
    handles = await runs_of(client, queue)
    assert len(handles) >= runs
    for handle in handles if few else (*handles[:2], handles[len(handles) // 2], *handles[-2:]):
        await assert_replays(handle, [KilledChat], plugins=plugins())


def assert_done_once(folder: Path, talk: Talk) -> None:
    """Assert that each call had one key over all its attempts, and that no refused call was made."""
    done = noted(folder, "done")
    refused = {f"w{n}" for n in range(talk.steps) if talk.asked_at(n) and not talk.allowed_at(n)}
    keys = {word: {key for each, key in done if each == word} for word, _ in done}
    assert set(keys) == {*(f"w{n}" for n in range(talk.steps)), "x0"} - refused
    assert {word: found for word, found in keys.items() if len(found) != 1} == {}
    assert len({key for found in keys.values() for key in found}) == len(keys)
