"""One step of a model's code on the worker: its size, its threads, its processes."""

import asyncio
import sys
import threading
import zlib
from typing import Any, cast

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from strands_temporal._wire.handles import HandleCall
from strands_temporal._wire.harness_code import CodeStep
from strands_temporal._wire.sizes import LARGEST_PAYLOAD
from strands_temporal._wire.values import decode, encode, json_size
from strands_temporal._worker import harness_code
from strands_temporal._worker.harness_code import HarnessCode

LIMITS = {"max_suspensions": 1000, "max_memory": 256 * 1024 * 1024, "max_duration_secs": 60.0}

ROOM = 200_001


async def step_of(code: str, **more: Any) -> CodeStep:
    """Run one step of a code."""
    given: dict[str, Any] = {
        "code": code,
        "names": ["facts", "write"],
        "script_name": "code.py",
        "limits": LIMITS,
        "room": ROOM,
        "suspensions": 0,
        **more,
    }
    call = HandleCall("programmatic_tool_caller", encode(given))
    run: Any = HarnessCode(cast("Any", None)).run_code
    return await ActivityEnvironment().run(run, call)


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (
            "print('begun')\nawait write(path='a', content='x' * 2_500_000)",
            "error",
            "the arguments of the 1 calls that the code made at once have 2,500,0",
        ),
        (
            "import asyncio\nawait asyncio.gather(*[write(content='x' * 400_000) for _ in range(9)])",
            "error",
            "in a call of write(). With the code's state they have more than the 2,093,056 bytes",
        ),
        ("raise ValueError('x' * 3_000_000)", "runtime", "ValueError: xxx"),
        ("raise ValueError('\U0001f600' * 199_000)", "runtime", "characters: too large for Temporal]"),
        ("print('\U0001f600' * 200_000)", "done", ""),
        ("text = 'x' * 8_000_000\nawait facts()", "error", "and 4,000,000 are the most"),
    ],
    ids=["one call", "many calls", "error", "wide error", "wide output", "state"],
)
async def test_a_step_that_is_too_large_says_so(
    code: str, kind: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness_code, "LARGEST_STATE", 4_000_000)
    step = await step_of(code)
    assert step.kind == kind
    assert says in decode(step.text)
    assert json_size(step) <= LARGEST_PAYLOAD
    assert step.calls == []
    assert step.snapshot is None
    assert decode(step.printed).startswith("begun") == ("begun" in code)


async def test_the_state_is_packed_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noting(function: Any) -> Any:
        def call(*args: Any) -> Any:
            threads.append(threading.get_ident())
            return function(*args)

        return call

    for name in ("compress", "decompress"):
        monkeypatch.setattr(zlib, name, noting(getattr(zlib, name)))
    first = await step_of("a = await facts()\nprint(a)")
    assert [first.kind, first.pending] == ["calls", [0]]
    more = {
        "snapshot": decode(first.snapshot),
        "answers": [[0, "value", 3]],
        "suspensions": first.suspensions,
    }
    last = await step_of("", **more)
    assert [last.kind, decode(last.printed)] == ["done", "3\n"]
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_a_bound_for_the_interpreters_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0
    enough = asyncio.Event()

    async def step(_: Any) -> CodeStep:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == harness_code.MOST_INTERPRETERS:
            enough.set()
        await asyncio.wait_for(enough.wait(), 5)
        await asyncio.sleep(0)
        running -= 1
        return CodeStep("done", printed="", attempt=1)

    monkeypatch.setattr(harness_code, "_step", step)
    await asyncio.gather(*(step_of("1") for _ in range(2 * harness_code.MOST_INTERPRETERS)))
    assert most == harness_code.MOST_INTERPRETERS


async def test_a_worker_without_the_interpreter_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with pytest.raises(ApplicationError) as raised:
        await step_of("1")
    assert raised.value.type == "MissingExtraError"
    assert 'pip install "strands-temporal[harness]"' in raised.value.message
