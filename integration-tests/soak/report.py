"""The table at the end, and the JSON file."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .misses import Miss
from .seed import Tally

MISSES = (
    "failed",
    "wedged",
    "transcript",
    "answers",
    "attempts used up",
    "effect lost",
    "effect twice",
    "effect unwanted",
    "sandbox",
    "model call made again",
    "decisions",
    "reader",
    "replay",
    "leak",
    "worker that does not end",
    "leaked process",
    "checker",
    "soak itself",
)
"""What must be zero."""


def table(tallies: Sequence[Tally]) -> str:
    """Return the table of all seeds."""
    misses = Counter(miss.kind for tally in tallies for miss in tally.misses)
    faults: Counter[str] = Counter()
    failed_tasks: Counter[str] = Counter()
    parts: dict[str, float] = {}
    for tally in tallies:
        for name, value in tally.cpu_by_part.items():
            parts[name] = parts.get(name, 0) + value
        faults.update(tally.faults)
        failed_tasks.update(tally.failed_tasks)
    seconds = sum(tally.seconds for tally in tallies)
    runs = sum(tally.runs for tally in tallies)
    windows = sorted(each for tally in tallies for each in tally.windows_ms)
    recorded = sorted(each for tally in tallies for each in tally.recorded_after_ms)
    rows: list[tuple[str, object]] = [
        ("seeds", len(tallies)),
        ("seconds", f"{seconds:.0f}"),
        ("CPU seconds, about", f"{sum(parts.values()):.0f}"),
        *((f"  {name}", f"{value:.0f}") for name, value in parts.items()),
        ("runs", f"{runs} ({runs / max(seconds, 1):.2f} per second)"),
        ("ended", sum(t.ended for t in tallies)),
        ("workflow runs, replayed", sum(t.replayed for t in tallies)),
        ("events in their histories", sum(t.events for t in tallies)),
        ("faults", sum(faults.values())),
        *((f"  {kind}", count) for kind, count in sorted(faults.items())),
        (
            "effects, and attempts at them",
            f"{sum(t.effects for t in tallies)}, {sum(t.attempts for t in tallies)}",
        ),
        ("decisions that clients were told of", sum(t.decisions for t in tallies)),
        ("streams read", sum(t.readers for t in tallies)),
        ("  without the end of an answer: ten seconds", sum(t.cut_short for t in tallies)),
        ("commands that met a full disk", sum(t.full_disks for t in tallies)),
        ("requests that clients sent again", sum(t.client_retries for t in tallies)),
        ("answers of models", sum(t.model_calls for t in tallies)),
        ("  made again: the worker died first", sum(t.model_calls_remade for t in tallies)),
        ("  made again: not heard of the worker in time", sum(t.model_calls_unheard for t in tallies)),
        ("  ms from the provider's end to that death", _spread(windows)),
        ("  ms from the provider's end to history, all", _spread(recorded)),
        ("failed workflow tasks", sum(failed_tasks.values())),
        *((f"  {text[:70]}", count) for text, count in failed_tasks.most_common(8)),
        ("workers that temporalio could not end", sum(t.held_up for t in tallies)),
        ("largest worker, MB", _largest(tallies)),
        ("misses", sum(misses.values())),
        *((f"  {kind}", misses.get(kind, 0)) for kind in (*MISSES, *sorted(set(misses) - set(MISSES)))),
    ]
    return "\n".join(f"{name:<48} {value}" for name, value in rows)


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    median, high = values[len(values) // 2], values[len(values) * 95 // 100]
    return f"median {median:.1f}, 95 % {high:.1f}, largest {values[-1]:.1f}"


def _largest(tallies: Sequence[Tally]) -> str:
    largest = max((sample["rss"] for tally in tallies for sample in tally.samples), default=0)
    return f"{largest / 1e6:.0f}"


def told(miss: Miss) -> str:
    """Return a miss with its time line."""
    lines = "\n".join(f"    {line}" for line in miss.time_line)
    return f"MISS {miss.kind}: seed {miss.seed} run {miss.run or '-'}: {miss.text}\n{lines}".rstrip()


def save(tallies: Sequence[Tally], file: Path) -> None:
    """Write everything that was counted as JSON."""
    file.write_text(json.dumps([asdict(tally) for tally in tallies], indent=1))
