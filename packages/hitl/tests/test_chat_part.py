"""The part of the terminal chat that asks people, with a screen of the test."""

import asyncio
from typing import Any, cast

import pytest
from packages.hitl.tests.approvals_support import GatedWorkflow, deletes

from strands_temporal.extension import ChatScreen
from strands_temporal_hitl._chat import ChatApprovalsPart

pytestmark = [pytest.mark.server, pytest.mark.slow]


class Screen:
    """Types one line after the other, and keeps what is shown."""

    def __init__(self, *typed: str) -> None:
        self.typed = list(typed)
        self.shown: list[str] = []
        self.prompts: list[str] = []

    def note(self, line: str) -> None:
        self.shown.append(line)

    async def waits_for_people(self) -> None:
        if not self.typed:
            await asyncio.Event().wait()

    async def ask(self, lines: Any, prompt: str) -> str | None:
        self.shown += lines
        self.prompts.append(prompt)
        return self.typed.pop(0)


async def test_a_person_edits_a_call_and_mends_a_mistake(setting: Any) -> None:
    async with setting(deletes(), workflows=[GatedWorkflow]) as s:
        handle, _ = await s.pause()
        screen = Screen("e /old", 'e {"paht": "/old"}', "e", 'E {"path": "/old"} ')
        part = ChatApprovalsPart(s.env.client, handle.id)
        following = asyncio.create_task(part.follow(cast("ChatScreen", screen)))
        result = await s.end(handle)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert result["text"].startswith("deleted /old")
    assert screen.prompts == ['Allow it? [y, n, n REASON, e {"name": value, ...}, or = VALUE]'] * 4
    assert "/old is not a JSON object" in screen.shown[2]
    assert any("unknown argument 'paht'. Did you mean 'path'?" in line for line in screen.shown)
