"""`make soak`: its plan, what it takes for a miss, and one small seed."""

import asyncio
import itertools
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from soak import effects, journal
from soak.checker import Verdict, compare, expected_of
from soak.misses import model_calls_made_again
from soak.models import FULL, answer, without_full_disks
from soak.plan import KINDS, faults_of, run_of
from soak.proxy import Proxy
from soak.readers import texts_of
from soak.report import save, table, told
from soak.seed import Seed, SeedSettings, Tally
from soak.workers import EvictionFailures, sums_client
from soak.world import FOLDERS, gone
from soak.zygote import Zygote

from integration_tests.doc_blocks import ROOT
from integration_tests.real_parts import free_port

RUNS = [run_of(f"s7-{number}") for number in range(40)]


def test_the_same_seed_gives_the_same_plan() -> None:
    first, again = ([*itertools.islice(faults_of(7, list(KINDS), 1.0), 50)] for _ in range(2))
    assert first == again
    assert first != [*itertools.islice(faults_of(8, list(KINDS), 1.0), 50)]
    run_of.cache_clear()
    assert [run_of(run.name) for run in RUNS] == RUNS


def test_a_worker_that_temporalio_may_not_end_is_noted(tmp_path: Path) -> None:
    """Only this worker counts apart: any other that does not end is a miss."""
    noting = EvictionFailures(tmp_path)
    for text in ("Beginning worker shutdown", "1 workflow(s) could not be evicted, so the shutdown may hang"):
        noting.handle(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING}))
    (noted,) = journal.lines(tmp_path / "workers")
    assert (noted["pid"], noted["what"]) == (os.getpid(), "may not end")
    seed = Seed(SeedSettings(7, tmp_path, 1, 0, [], 1, 1, 1, 1), cast("Any", None))
    assert seed.may_not_end(os.getpid())
    assert not seed.may_not_end(1)


async def test_a_seed_ends_what_it_began_and_a_checker_waits_for_the_server(tmp_path: Path) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    zygote = Zygote.program({**os.environ, "PYTHONPATH": str(ROOT / "integration-tests")})
    try:
        where = {"folder": str(tmp_path), "address": f"127.0.0.1:{free_port()}"}
        killed, waiting = [await zygote.begin("checker", **where) for _ in range(2)]
        os.kill(killed, signal.SIGKILL)
        assert await gone(killed, 30)  # reaped: another process may get its id, and must not be killed for it
        await asyncio.sleep(1)
        assert psutil.pid_exists(waiting)
        await zygote.end_all()
        assert await gone(waiting, 30)
        again = await zygote.begin("checker", **where)
        await zygote.end_all()
        assert await gone(again, 30)
    finally:
        zygote.close()


def test_the_plans_of_a_seed_use_every_tool_and_every_kind_of_fault() -> None:
    used = {call.tool for run in RUNS for call in run.calls}
    assert used == {"note", "count", "convert", "add", "pay", "helper", "shell"}
    assert {fault.kind for fault in itertools.islice(faults_of(7, list(KINDS), 1.0), 300)} == set(KINDS)
    assert {run.events > 0 for run in RUNS} == {run.read for run in RUNS} == {True, False}


def test_a_model_that_met_a_full_disk_tries_again_and_says_the_same() -> None:
    run = next(run for run in RUNS if run.turns[0].steps and run.turns[0].steps[0][0].tool == "shell")
    prompt: Any = {"role": "user", "content": [{"text": run.turns[0].prompt}]}
    text, calls, full = answer([prompt])
    use = {"toolUse": {"name": "shell", "toolUseId": calls[0].word, "input": {}}}
    said = {"role": "assistant", "content": [{"text": text}, use]}
    failed = {"toolResult": {"toolUseId": calls[0].word, "status": "success", "content": [{"text": FULL}]}}
    again: list[Any] = [prompt, said, {"role": "user", "content": [failed]}]
    assert answer(again) == (text, calls, full + 1)
    assert without_full_disks(again) == [prompt]


async def seen_of_plain(run: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a plain agent gives, and the same as clients would see it."""
    with sums_client() as sums:
        expected = await expected_of(run, range(len(run.turns)), sums.list_tools_sync())
    records = [
        {"id": str(number), "question": question, "outcome": outcome, "by": "ana"}
        for number, (question, outcome) in enumerate(each.split(": ") for each in expected["questions"])
    ]
    accepted = {record["id"]: ["ana"] for record in records}
    seen = {**json.loads(json.dumps(expected)), "records": records, "accepted": accepted}
    return expected, seen


def misses_of(expected: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    verdict = Verdict("s7-0")
    compare(verdict, expected, seen)
    return [kind for kind, _ in verdict.misses]


async def test_each_difference_from_a_plain_agent_is_a_miss() -> None:
    run = next(run for run in RUNS if any(call.tool == "pay" for call in run.calls))
    expected, seen = await seen_of_plain(run)
    assert misses_of(expected, seen) == []
    assert expected["questions"]
    assert misses_of(expected, {**seen, "messages": seen["messages"][:-1]}) == ["transcript"]
    assert misses_of(expected, {**seen, "answers": ["other"]}) == ["answers"]
    assert "decisions" in misses_of(expected, {**seen, "records": []}), "a lost decision"
    twice = {**seen, "accepted": {name: ["ana", "ben"] for name in seen["accepted"]}}
    assert "decisions" in misses_of(expected, twice)


def test_an_effect_is_written_once_under_its_key(tmp_path: Path) -> None:
    file = tmp_path / "effects.db"
    effects.create(file)
    for key, word in (("k1", "s7-1-0"), ("k1", "s7-1-0"), ("k2", "s7-1-0"), ("k3", "s7-11-0")):
        effects.write(file, key, word)
    assert effects.keys_of_run(file, "s7-1") == {"s7-1-0": {"k1", "k2"}}
    assert effects.counts(file) == (3, 4)


def notes(folder: Path, *lines: tuple[str, int, float]) -> None:
    for what, pid, at in lines:
        with (folder / "model-calls").open("a") as file:
            file.write(json.dumps({"key": "s7-1-0 abc", "what": what, "pid": pid, "at": at}) + "\n")


def test_a_model_call_made_again_is_excused_by_the_death_of_its_own_worker_alone(tmp_path: Path) -> None:
    notes(tmp_path, ("begin", 1, 10.0), ("end", 1, 11.0), ("begin", 2, 30.0), ("end", 2, 31.0))
    assert [run for run, _ in model_calls_made_again(tmp_path, {}).misses] == ["s7-1"]
    (tmp_path / "workers").write_text(json.dumps({"at": 11.01, "pid": 2, "what": "killed"}) + "\n")
    assert model_calls_made_again(tmp_path, {}).excused == 0, "another worker died"
    (tmp_path / "workers").write_text(json.dumps({"at": 11.01, "pid": 1, "what": "killed"}) + "\n")
    calls = model_calls_made_again(tmp_path, {"s7-1": [31.005]})
    assert (calls.completed, calls.excused, calls.misses) == (2, 1, [])
    assert (calls.windows_ms, calls.recorded_after_ms) == ([10.0], [5.0])
    assert model_calls_made_again(tmp_path, {"s7-1": [11.005, 31.005]}).misses, "history has both answers"


def test_a_model_call_made_again_after_a_heartbeat_timeout_is_counted_apart(tmp_path: Path) -> None:
    notes(tmp_path, ("begin", 1, 10.0), ("end", 1, 11.0), ("begin", 2, 26.0), ("end", 2, 27.0))
    calls = model_calls_made_again(tmp_path, {}, {"s7-1": [25.9]})
    assert (calls.excused, calls.unheard, calls.misses) == (0, 1, [])
    assert model_calls_made_again(tmp_path, {}, {"s7-1": [10.5]}).misses, "that was another attempt"
    assert model_calls_made_again(tmp_path, {}, {"s7-2": [25.9]}).misses, "that was another run"


def test_a_reader_drops_the_text_of_an_attempt_that_failed() -> None:
    lines: list[dict[str, Any]] = [
        {"what": "text", "call": "1", "text": "he"},
        {"what": "again", "call": "1"},
        {"what": "text", "call": "1", "text": "hel"},
        {"what": "text", "call": "1", "text": "lo"},
        {"what": "end"},
    ]
    assert texts_of(lines) == ["hello"]


def test_the_table_and_the_file_count_every_miss(tmp_path: Path) -> None:
    from soak.misses import Miss

    miss = Miss(7, "s7-1", "effect lost", "s7-1-0", ["0.1 s  kill-worker"])
    tallies = [Tally(7, misses=[miss], failed_tasks={"a deadlock": 2})]
    rows = dict(line.strip().rsplit(None, 1) for line in table(tallies).splitlines())
    assert (rows["misses"], rows["effect lost"], rows["wedged"], rows["a deadlock"]) == ("1", "1", "0", "2")
    assert told(miss) == "MISS effect lost: seed 7 run s7-1: s7-1-0\n    0.1 s  kill-worker"
    save(tallies, tmp_path / "soak.json")
    (saved,) = json.loads((tmp_path / "soak.json").read_text())
    assert (saved["failed_tasks"], saved["misses"][0]["kind"]) == ({"a deadlock": 2}, "effect lost")


async def test_the_proxy_cuts_and_halves_connections() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        reader, first = await asyncio.open_connection("127.0.0.1", proxy.port)
        first.write(b"one")
        assert await reader.readexactly(3) == b"one"
        halving = asyncio.create_task(proxy.halve(0.2))
        await asyncio.sleep(0)
        first.write(b"two")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(3)
        await halving
        reader, second = await asyncio.open_connection("127.0.0.1", proxy.port)
        second.write(b"six")
        assert await reader.readexactly(3) == b"six"
        assert proxy.cut() == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        for writer in (first, second):
            writer.transport.abort()
        await asyncio.sleep(0)


def test_the_journal_leaves_out_a_line_that_is_not_whole(tmp_path: Path) -> None:
    journal.add(tmp_path / "notes", what="one")
    with (tmp_path / "notes").open("a") as file:
        file.write('{"what": "tw')
    (line,) = journal.lines(tmp_path / "notes")
    assert line["what"] == "one"
    assert line["at"] <= time.monotonic()


@pytest.mark.server
@pytest.mark.timeout(600)
async def test_one_small_seed_has_no_miss(tmp_path: Path) -> None:
    """Run one seed for `SOAK_RUNS` runs, by default a few. Mostly it waits for Temporal's timeouts."""
    kinds = "kill-worker,stop-worker,kill-mcp,kill-reader,cut,half,disk-full"
    options = ("--runs", os.environ.get("SOAK_RUNS", "4"), "--at-once", "4", "--workers", "2", "--every", "4")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "soak", "--seeds", "3", "--faults", kinds, *options),
        *("--folder", str(tmp_path / "soak"), "--json", str(tmp_path / "soak.json")),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "integration-tests")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    (tally,) = json.loads((tmp_path / "soak.json").read_text())
    assert tally["ended"] == tally["runs"] > 0
    assert sum(tally["faults"].values()) > 0
    assert tally["replayed"] >= tally["runs"]
