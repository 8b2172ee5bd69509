"""A reader process: follows the streams of conversations, and goes on after another reader was killed."""

import asyncio
import os
from pathlib import Path
from typing import Any

from temporalio.client import Client

from strands_temporal_streaming import (
    AgentStream,
    AttemptFailed,
    AttemptRestarted,
    End,
    OutputLost,
    StreamGap,
    TextDelta,
)

from . import journal
from .workers import connected, plugins
from .workflows import TOPIC


async def begin(folder: str, address: str) -> None:
    """Read each stream that is asked for, until the process ends."""
    root = Path(folder)
    client = await connected(address, plugins())
    reading: dict[str, asyncio.Task[None]] = {}
    while True:
        for file in sorted((root / "reading").iterdir()):
            if not file.name.startswith(".") and file.name not in reading:
                reading[file.name] = asyncio.create_task(_read(client, root / "read" / file.name))
        for name, task in list(reading.items()):
            if task.done():
                task.result()
                (root / "reading" / name).unlink(missing_ok=True)
                del reading[name]
        await asyncio.sleep(0.2)


async def _read(client: Client, file: Path) -> None:
    """Add each event's effect to the run's file. The offset is in the same line, so none counts twice."""
    before = journal.lines(file)
    offset = next((line["offset"] for line in reversed(before) if "offset" in line), None)
    stream = AgentStream(client, file.name, topic=TOPIC, from_offset=offset)
    journal.add(file, what="begins", pid=os.getpid(), **({} if offset is None else {"offset": offset}))
    try:
        async for event in stream:
            match event:
                case TextDelta(text=text, call=call):
                    journal.add(file, what="text", call=call, text=text, offset=event.offset + 1)
                case AttemptFailed(call=call) | AttemptRestarted(call=call):
                    journal.add(file, what="again", call=call, offset=event.offset + 1)
                case OutputLost() | StreamGap():
                    journal.add(file, what="lost", event=repr(event)[:300], offset=event.offset + 1)
                case End(status=status):
                    journal.add(file, what="end", status=str(status))
                case _:
                    pass
    except Exception as error:  # noqa: BLE001 - it is a miss, which the checker reports
        journal.add(file, what="error", error=f"{type(error).__name__}: {error}"[:500])


def texts_of(lines: list[dict[str, Any]]) -> list[str]:
    """Return the text of each model call that counts, sorted."""
    texts: dict[str, str] = {}
    for line in lines:
        if line["what"] == "text":
            texts[line["call"]] = texts.get(line["call"], "") + line["text"]
        elif line["what"] == "again":
            texts.pop(line["call"], None)
    return sorted(texts.values())
