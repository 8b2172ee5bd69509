"""The rows of the table: each has its measure, its subjects and what `ours` is to reach.

The subject `ours` is strands-temporal, `today` an earlier build of it, `floor` a plain workflow without an
agent, `strands` an agent without Temporal, and `bare_agent` Strands' loop in a plain workflow. Most ratios
refer to `floor` (see `row.py`).
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.lab import ALL, IDLE, Lab
from benchmarks.load import Load
from benchmarks.row import Row, Rows, figure, median
from benchmarks.scale_rows import context, crowd, long
from benchmarks.stream_rows import stream

LATE = 20
"""Number of activations before a turn that the median is taken of."""

STEP = 10
"""Turns between two points of the plot."""

SHORT = 160
"""Bytes of a short answer."""


async def history(lab: Lab) -> Rows:
    """History bytes of plain turns."""
    plain = await _history(lab, "history", f"history, {lab.sizes.turns} plain turns", calls=0, reach=1.05)
    short = Row("history", f"the same with answers of {SHORT} bytes", "KB", 1.15)
    for subject in lab.subjects():
        result = await lab.conversation(subject, Load(turns=lab.sizes.turns, answer=SHORT))
        short.figures[subject] = figure(result, "bytes", 1000)
    return [*plain, short]


async def tools(lab: Lab) -> Rows:
    """History bytes of turns with a tool call. All subjects run at once: bytes do not depend on time."""
    loads = [
        (subject, _long(lab, subject, window, 1)) for window in (True, False) for subject in lab.subjects()
    ]
    await asyncio.gather(*(lab.conversation(subject, load) for subject, load in dict.fromkeys(loads)))
    measure = f"history, {lab.sizes.turns} turns with a 4 KB tool result"
    return await _history(lab, "tools", measure, calls=1, reach=1.05)


async def _history(lab: Lab, key: str, measure: str, *, calls: int, reach: float) -> Rows:
    rows: Rows = []
    for window in (True, False):
        row = Row(key, f"{measure}, {_window(window)}", "KB", reach)
        for subject in lab.subjects():
            result = await lab.conversation(subject, _long(lab, subject, window, calls))
            row.figures[subject] = figure(result, "bytes", 1000)
        rows.append(row)
    return rows


async def event(lab: Lab) -> Rows:
    """The event that holds a model's answer in many chunks."""
    row = Row("event", "result event, 10 KB answer in 500 chunks", "KB", 1.05)
    for subject in lab.subjects():
        result = await lab.conversation(subject, Load(answer=10_000, chunk=20))
        row.figures[subject] = figure(result, "result_bytes", 1000)
    return [row]


async def turn(lab: Lab) -> Rows:
    """One turn of many tool calls on a long conversation."""
    load = Load(window=False, calls=lab.sizes.calls, result=5000, before=lab.sizes.before)
    measure = f"one turn of {load.calls} calls of 5 KB on {load.before * 20} KB of conversation"
    return [await _completes(lab, "turn", measure, load)]


async def large(lab: Lab) -> Rows:
    """Large answers. The conversation keeps all of them."""
    load = Load(turns=lab.sizes.large, window=False, answer=lab.sizes.large_bytes)
    measure = f"{load.turns} turns with answers of {load.answer // 1024} KB, no window"
    return [await _completes(lab, "large", measure, load)]


async def _completes(lab: Lab, key: str, measure: str, load: Load) -> Row:
    row = Row(key, measure, "KB")
    subjects = lab.subjects()
    results = await asyncio.gather(*(lab.conversation(subject, load) for subject in subjects))
    for subject, result in zip(subjects, results, strict=True):
        row.figures[subject] = figure(result, "bytes", 1000)
    return row


async def cpu(lab: Lab) -> Rows:
    """CPU of a workflow's own thread per turn, early and late in a long conversation."""
    rows: Rows = []
    for window in (True, False):
        found = await _conversations(lab, window)
        for at in (lab.sizes.early, lab.sizes.turns):
            late = at == lab.sizes.turns
            measure = f"in-workflow CPU of turn {at}, {_window(window)}"
            row = Row("cpu", measure, "ms", 0.5, "today") if late else Row("cpu", measure, "ms", 6, "")
            for subject, results in found.items():
                row.figures[subject] = median(results, lambda result, at=at: _before(result, at))
            rows.append(row)
        for subject, results in found.items():
            turns = range(STEP, lab.sizes.turns + 1, STEP)
            figures = [median(results, lambda result, at=at: _before(result, at, STEP)) for at in turns]
            rows[-1].series[subject] = [one for one in figures if isinstance(one, float)]
        rows.append(_growth(rows[-2], rows[-1], window))
    return rows


def _growth(early: Row, late: Row, window: bool) -> Row:
    """Return the late turn's CPU as a multiple of the early turn's."""
    row = Row("cpu", f"the same, late against early, {_window(window)}", "x", 1.1, "")
    for subject, last in late.figures.items():
        first = early.figures[subject]
        row.figures[subject] = (
            last if isinstance(last, str) else last / first if isinstance(first, float) else first
        )
    return row


async def _conversations(lab: Lab, window: bool) -> "dict[str, list[dict[str, Any]]]":
    """Run a long conversation of each subject in each round. If one fails, it is not repeated."""
    found: dict[str, list[dict[str, Any]]] = {subject: [] for subject in lab.subjects(ALL)}
    for number in range(lab.sizes.rounds):
        for subject, results in found.items():
            if not any("error" in result for result in results):
                load = _long(lab, subject, window, 0)
                results.append(await lab.conversation(subject, load, number))
    return found


def _before(result: dict[str, Any], at: int, count: int = LATE) -> float | None:
    """Return the median CPU of the activations before a turn. A plain turn has one activation."""
    taken: list[float] = result.get("activations", [])
    return statistics.median(taken[max(1, at - count) : at]) if len(taken) > at else None


async def replay(lab: Lab) -> Rows:
    """Replay of a long conversation. Plain Strands has nothing to replay: its figure is that of its turns."""
    rows: Rows = []
    for window in (True, False):
        results: dict[str, list[dict[str, Any]]] = {subject: [] for subject in lab.subjects(ALL)}
        for _ in range(lab.sizes.rounds):
            for subject, found in results.items():
                load = _long(lab, subject, window, 0)
                recorded = await lab.conversation(subject, load)
                whole = "error" in recorded or subject == "strands"
                found.append(
                    recorded if whole else await lab.run(subject, "replay", load, history=recorded["history"])
                )
        measure = f"replay of {lab.sizes.turns} plain turns, {_window(window)}"
        for key, name in (("ms", "wall"), ("cpu_ms", "CPU")):
            row = Row("replay", f"{measure}, {name}", "ms", 1.5)
            for subject, found in results.items():
                if subject != "strands" or key == "cpu_ms":
                    row.figures[subject] = median(found, lambda result, key=key: result.get(key))
            rows.append(row)
    return rows


async def concurrent(lab: Lab) -> Rows:
    """Agents with one tool call each: many at once, and one after the other."""
    at_once = f"{lab.sizes.agents} one-tool agents at once"
    found = await _rounds(lab, ALL, "concurrent", Load(calls=1), lab.sizes.agents)
    alone = await _rounds(lab, ALL, "in_turn", Load(calls=1), lab.sizes.alone)
    return [
        _row(Row("concurrent", f"{at_once}, CPU each", "ms", 1.1, "limit"), found, "cpu_ms"),
        _row(Row("concurrent", f"{at_once}, in-workflow CPU each", "ms", 1.15, "limit"), found, "inner_ms"),
        _row(
            Row("concurrent", "a one-tool agent alone, in-workflow CPU", "ms", 1.15, "limit"),
            alone,
            "inner_ms",
        ),
    ]


async def memory(lab: Lab) -> Rows:
    """Many idle agents in the worker's cache."""
    row = Row("memory", f"memory per cached idle agent, of {lab.sizes.idle}", "KB", 1.2)
    return [_row(row, await _rounds(lab, IDLE, "memory", Load(idle=True), lab.sizes.idle), "kb")]


async def _rounds(
    lab: Lab, subjects: Sequence[str], measure: str, load: Load, count: int
) -> "dict[str, list[dict[str, Any]]]":
    """Take a measure of each subject in each round."""
    results: dict[str, list[dict[str, Any]]] = {subject: [] for subject in lab.subjects(subjects)}
    for _ in range(lab.sizes.rounds):
        for subject, found in results.items():
            found.append(await lab.run(subject, measure, load, count=count))
    return results


def _row(row: Row, results: "dict[str, list[dict[str, Any]]]", key: str) -> Row:
    """Return the row with each subject's median."""
    for subject, found in results.items():
        row.figures[subject] = median(found, lambda result: result.get(key))
    return row


async def imports(lab: Lab) -> Rows:
    """Import of the package on top of Temporal and Strands."""
    row = Row("import", "import on top of temporalio and strands, CPU", "ms", 20, "")
    for subject in lab.subjects(("ours", "today", "black_box")):
        found = [await lab.import_ms(subject) for _ in range(2 * lab.sizes.rounds + 1)]
        row.figures[subject] = median(found[1:], lambda result: result.get("ms"))
    row.note = f"Modules that cost most, ms: {', '.join(await lab.import_costs('ours'))}"
    return [row]


ROWS: "dict[str, Callable[[Lab], Awaitable[Rows]]]" = {
    "history": history,
    "tools": tools,
    "event": event,
    "turn": turn,
    "large": large,
    "cpu": cpu,
    "replay": replay,
    "concurrent": concurrent,
    "memory": memory,
    "context": context,
    "long": long,
    "crowd": crowd,
    "import": imports,
    "stream": stream,
}
"""The measures, by their names for `--only`."""


def _long(lab: Lab, subject: str, window: bool, calls: int) -> Load:
    """Return the load of a long conversation.

    The workflow of `floor` sends only new messages, so a window makes no difference to it. It gets the same
    load for both values of `window`, and runs that conversation only once.
    """
    return Load(turns=lab.sizes.turns, window=window or subject == "floor", calls=calls)


def _window(window: bool) -> str:
    return "default window" if window else "no window"
