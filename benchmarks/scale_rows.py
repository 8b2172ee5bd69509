"""The rows of long turns, of many agents, and of a tool's context. Each has a subject of its own."""

from benchmarks.lab import LONG, Lab
from benchmarks.load import Load
from benchmarks.row import Row, Rows, failure, figure


async def context(lab: Lab) -> Rows:
    """History bytes of a call of a tool that takes the context, against those of a bare activity."""
    row = Row(
        "context", "activity tool with context, bytes per call beyond arguments and result", "bytes", 1.1
    )
    load = Load(calls=lab.sizes.calls)
    for subject in lab.subjects(("floor", "ours", "today")):
        module = "floor" if subject == "floor" else "with_context"
        row.figures[subject] = figure(await lab.run(subject, "tool_bytes", load, _as=module), "bytes", 1)
    return [row]


async def long(lab: Lab) -> Rows:
    """One turn that is longer than a history, handed over from run to run."""
    calls, kept = lab.sizes.long_calls, lab.sizes.long_kept
    trimmed = await _long(lab, f"one turn of {calls:,} calls of 2 KB, trimmed within", calls, window=True)
    whole = f"one turn of {kept:,} calls of 2 KB, all messages kept"
    return trimmed + await _long(lab, whole, kept, window=False)


async def _long(lab: Lab, turn: str, calls: int, *, window: bool) -> Rows:
    """Return what the last calls cost against the first ones. Plain Strands only if it is quick."""
    part = lab.sizes.long_part
    load = Load(calls=calls, result=2000, window=window)
    found = {
        name: await lab.run(name, "long_turn", load, _as=module, part=part, _limit=LONG)
        for name, module in (("ours", "long_turn"), ("strands", "strands"))
        if name in lab.pythons and (window or name == "ours")
    }
    rows: Rows = []
    for key, what in (("ms", "in-workflow CPU"), ("process_ms", "CPU of the process")):
        measure = f"{turn}: {what} of the last {part} calls against the first {part}"
        row = Row("long", measure, "x", 1.1 if window and key == "ms" else None, "")
        for name, result in found.items():
            failed = "error" in result
            row.figures[name] = failure(result) if failed else result[key][-1] / result[key][0]
        if "error" not in found["ours"]:
            ms: list[float] = found["ours"][key]
            row.note = f"{ms[0]:.2f} ms a call at first, {ms[-1]:.2f} at last, {max(ms):.2f} at most; "
            row.note += f"{found['ours']['runs']} runs"
        rows.append(row)
    return rows


async def crowd(lab: Lab) -> Rows:
    """Thousands of agents in one worker's cache."""
    few, some, count = lab.sizes.crowd
    given = {"few": few, "some": some, "count": count, "turns": lab.sizes.crowd_turns, "_limit": LONG}
    found = await lab.run("ours", "crowd", Load(), _as="chats", **given)
    chats = f"{count:,} cached agents on one worker"
    rows = [
        Row("crowd", f"{chats}, memory of one against one of {some:,}", "x", 1.1, ""),
        Row("crowd", f"{chats}, p95 of a turn against that of {few:,}", "x", 2, ""),
    ]
    for row, first, last, unit in ((rows[0], "some_kb", "kb", "KB"), (rows[1], "few_ms", "ms", "ms")):
        if "error" in found:
            row.figures["ours"] = failure(found)
        else:
            row.figures["ours"] = found[last] / found[first]
            row.note = f"{found[first]:.1f} and {found[last]:.1f} {unit}"
    return rows
