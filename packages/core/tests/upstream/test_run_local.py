"""One object for each run: `run_local`."""

import asyncio
import gc
import weakref

import pytest

from strands_temporal._upstream.run_local import run_local


class Counter:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.count = 0

    def next(self) -> int:
        self.count += 1
        return self.count


async def counts() -> list[int]:
    return [run_local(Counter).next(), run_local(Counter).next()]


def test_a_run_has_one_object_of_a_class_and_another_run_another() -> None:
    assert asyncio.run(counts()) == [1, 2]
    assert asyncio.run(counts()) == [1, 2]


def test_an_object_that_refers_to_its_runs_loop_does_not_outlive_it() -> None:
    async def loop() -> "weakref.ref[asyncio.AbstractEventLoop]":
        return weakref.ref(run_local(Counter).loop)

    ended = asyncio.run(loop())
    gc.collect()
    assert ended() is None


def test_there_is_no_object_outside_of_a_run() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        run_local(Counter)
