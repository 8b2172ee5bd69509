"""The pages of the docs as tests use them: their code, their files, and the histories that they show."""

import asyncio
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from integration_tests.doc_blocks import ROOT, blocks_of
from integration_tests.terminals import WAIT

DOCS = ROOT / "docs"

_FILE = re.compile(
    r"^`([\w/]+\.py)`[^\n]*\n(?:[^\n]+\n)*\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)  # a paragraph that begins with the name, then its code

_LEFT_OUT = ("WORKFLOW_TASK", "ACTIVITY_TASK_STARTED", "ACTIVITY_TASK_COMPLETED")


def blocks(page: Path, language: str, part: str | None = None) -> list[str]:
    """Return the fenced blocks of a language on a page, or in a part of its text, in order."""
    return [f"{block.text}\n" for block in blocks_of(page, part) if block.language == language]


def files_in(text: str) -> list[tuple[str, str]]:
    """Return the files in a page's text, in order: a paragraph begins with the name, and Python follows."""
    return _FILE.findall(text)


def sections(page: Path) -> list[str]:
    """Return the page's sections, in order: each begins with its heading of the second level."""
    return re.split(r"^(?=## )", page.read_text(), flags=re.MULTILINE)


def commands(page: Path, part: str | None = None) -> list[str]:
    """Return the commands that a page, or a part of its text, tells people to type, without comments."""
    lines = [line for text in blocks(page, "", part) for line in text.splitlines()]
    return [line.partition("  #")[0].rstrip() for line in lines if line]


def write_files(files: Iterable[tuple[str, str]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write files where they can be imported from; a later one replaces an earlier one of that name."""
    for name, source in files:
        (folder / name).write_text(source)
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    monkeypatch.syspath_prepend(str(folder))


def listing(events: Iterable[HistoryEvent]) -> str:
    """Return a history as the docs show it, without workflow tasks and the starts and ends of activities."""
    lines: list[str] = []
    for event in events:
        name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        attributes = getattr(event, event.WhichOneof("attributes") or "")
        subject = ""
        if name == "WORKFLOW_EXECUTION_STARTED":
            subject = attributes.workflow_type.name
        elif name == "ACTIVITY_TASK_SCHEDULED":
            subject = attributes.activity_type.name
        elif name == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
            subject = attributes.accepted_request.input.name
        if not name.startswith(_LEFT_OUT):
            lines.append(f"{name.title().replace('_', ''):<32}  {subject}".rstrip())
    return "\n".join(lines) + "\n"


async def until_asked(client: Client, workflow_id: str) -> None:
    """Wait until a workflow, which may not have started yet, asks a person."""
    handle = client.get_workflow_handle(workflow_id)

    async def asks() -> bool:
        try:
            return "StrandsApprovals" in (await handle.describe()).search_attributes
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return False

    async def wait() -> None:
        while not await asks():  # noqa: ASYNC110  # nobody is told of a question without a notifier
            await asyncio.sleep(0.05)

    await asyncio.wait_for(wait(), WAIT)
