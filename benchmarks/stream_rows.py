"""The rows of streaming. `floor` in them is the build before, a bare stream, or the other transport."""

import asyncio
import shutil
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import builds
from benchmarks.lab import Lab
from benchmarks.load import Load
from benchmarks.row import Row, Rows

UNSTREAMED = 11
"""Events of one answer that is not streamed."""


async def stream(lab: Lab) -> Rows:
    """What a streamed answer of ten seconds costs, and how late its chunks are."""
    before, reason = builds.sources(builds.TODAY, lab.folder)
    runs: dict[str, tuple[str, list[str], dict[str, Any]]] = {
        "log": ("stream", [], {}),
        "soon": ("stream", [], {"latency": 40}),
        "first": ("first_chunks", [], {"floor": "bare_stream", "answers": lab.sizes.firsts}),
    }
    if before:
        runs["before"] = ("stream", before, {})
    async with nats_server() as nats:
        if nats is not None:
            runs["nats"] = ("stream", [], {"nats": nats})
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
        for _ in range(lab.sizes.rounds):
            for name, (measure, sources, given) in runs.items():
                found[name].append(
                    await lab.run("ours", measure, Load(), _as="streaming", _on=sources, **given)
                )
        crowd = {"count": lab.sizes.agents, "gap": 0.1, "chunks": 50}
        if nats is not None:
            for name, more in (("crowd", {}), ("crowd_nats", {"nats": nats})):
                found[name] = [
                    await lab.run("ours", "stream", Load(), _as="streaming", _on=[], **crowd, **more)
                ]

    def row(
        measure: str,
        unit: str,
        ours: str,
        floor: str,
        key: str,
        limit: float,
        *,
        floor_key: str = "",
        absolute: bool = False,
    ) -> Row:
        made = Row("stream", measure, unit, limit, "" if absolute else "floor")
        for name, run, key_ in (("ours", ours, key), ("floor", floor, floor_key or key)):
            if run:
                figures = [one[key_] for one in found.get(run, ()) if key_ in one]
                errors = [one["error"] for one in found.get(run, ()) if "error" in one]
                why = errors[0] if errors else reason or "not measured"
                made.figures[name] = statistics.median(figures) if figures else f"fails: {why}"
        return made

    answer = "10 s answer, one reader"
    return [
        row(f"{answer}, events; floor: the build before", "events", "log", "before", "events", 0.5),
        row(f"{answer}, bytes; floor: the build before", "bytes", "log", "before", "bytes", 0.5),
        row("any chunk, median; floor: the build before", "ms", "log", "before", "ms", 1.0),
        row("any chunk with latency=40 ms, median", "ms", "soon", "", "ms", 40, absolute=True),
        row("its events; floor: the build before", "events", "soon", "before", "events", 1.0),
        row(
            "first chunk, the guide's reader; floor: bare",
            "ms",
            "first",
            "first",
            "first_ms",
            1.1,
            floor_key="floor_first_ms",
        ),
        row("over NATS: any chunk, median", "ms", "nats", "", "ms", 10, absolute=True),
        row("over NATS: first chunk; floor: the build before", "ms", "nats", "before", "first_ms", 1.0),
        row("over NATS: events", "events", "nats", "", "events", UNSTREAMED, absolute=True),
        row(
            f"over NATS: {lab.sizes.agents} agents at once, CPU each; floor: without",
            "ms",
            "crowd_nats",
            "crowd",
            "cpu_ms",
            0.7,
        ),
    ]


@asynccontextmanager
async def nats_server() -> AsyncGenerator[str | None]:
    """Run a NATS server with JetStream while the block runs; yield its address, None without a program."""
    program = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            program,
            *("-js", "-a", "127.0.0.1", "-p", str(port), "-sd", folder),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.kill()
            await process.wait()
