"""Readers in one process share their queries. There is no server: the test answers."""

import asyncio
from typing import Any

import pytest

from strands_temporal_streaming._log import Page, Run
from strands_temporal_streaming._sharing import SharedLog


class HeldLog(SharedLog):
    """A log whose queries the test answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        super().__init__(_NoClient(), "w")  # type: ignore[arg-type]

    async def describe(self, run_id: str = "") -> Run:
        self.asked.append(("describe", run_id))
        return await self._answer()

    async def page(self, run_id: str, offset: int) -> Page:
        self.asked.append(("page", run_id, offset))
        return await self._answer()

    async def _answer(self) -> Any:
        answer = await asyncio.wait_for(self.answers.get(), 10)
        if isinstance(answer, Exception):
            raise answer
        return answer


class _NoConverter:
    def with_context(self, context: object) -> object:
        return self


class _NoClient:
    namespace = "default"
    data_converter = _NoConverter()


def run(events: int, run_id: str = "r") -> Run:
    return Run(run_id, "r", "RUNNING", events, is_at_work=False)


PAGE = Page(0, 0, 3, [], is_last=True)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_for_the_same_at_the_same_time_gets_one_answer() -> None:
    log = HeldLog()
    asking = [asyncio.create_task(log.next_page(run(7), 0)) for _ in range(3)]
    await settle()
    log.answers.put_nowait(PAGE)
    assert await asyncio.gather(*asking) == [PAGE] * 3
    assert await log.next_page(run(7), 0) is PAGE  # also for a later reader, while nothing has changed
    assert log.asked == [("page", "r", 0)]


@pytest.mark.parametrize(("later", "offset"), [(run(8), 0), (run(7, "r2"), 0), (run(7), 1)])
async def test_what_has_changed_is_asked_for_again(later: Run, offset: int) -> None:
    log = HeldLog()
    log.answers.put_nowait(PAGE)
    log.answers.put_nowait(PAGE)
    await log.next_page(run(7), 0)
    await log.next_page(later, offset)
    assert len(log.asked) == 2


async def test_who_leaves_takes_no_answer_from_the_others() -> None:
    log = HeldLog()
    asking = [asyncio.create_task(log.latest()) for _ in range(3)]
    await settle()
    asking[0].cancel()
    await settle()
    log.answers.put_nowait(run(1))
    assert await asyncio.gather(*asking[1:]) == [run(1)] * 2
    assert asking[0].cancelled()
    assert len(log.asked) == 1


async def test_a_question_ends_with_the_last_who_asks_it() -> None:
    log = HeldLog()
    asking = [asyncio.create_task(log.latest()) for _ in range(2)]
    await settle()
    before = asyncio.all_tasks()
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    await settle()
    assert asyncio.all_tasks() < before
    log.answers.put_nowait(run(1))
    assert await log.latest() == run(1)
    assert len(log.asked) == 2


async def test_an_error_reaches_all_and_is_not_kept() -> None:
    log = HeldLog()
    asking = [asyncio.create_task(log.next_page(run(1), 0)) for _ in range(2)]
    await settle()
    log.answers.put_nowait(ValueError("no"))
    assert [str(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == ["no", "no"]
    log.answers.put_nowait(PAGE)
    assert await log.next_page(run(1), 0) == PAGE


async def test_the_latest_run_may_be_as_old_as_its_reader_allows() -> None:
    log = HeldLog()
    log.answers.put_nowait(run(1))
    log.answers.put_nowait(run(2))
    assert await log.latest() == run(1)
    assert await log.latest(max_age=60) == run(1)
    assert await log.latest() == run(2)


async def test_few_pages_are_kept() -> None:
    log = HeldLog()
    for offset in range(10):
        log.answers.put_nowait(PAGE)
        await log.next_page(run(1), offset)
    log.answers.put_nowait(PAGE)
    await log.next_page(run(1), 0)
    assert len(log.asked) == 11
    await log.next_page(run(1), 9)
    assert len(log.asked) == 11
