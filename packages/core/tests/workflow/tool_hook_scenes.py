"""An activity that judges the calls of a tool, for hooks."""

from dataclasses import dataclass
from typing import Any

import pytest
from strands.hooks import BeforeToolCallEvent
from temporalio import activity

ran: list[str] = []
"""What the tools did in this process. They are activities, so a replay adds nothing."""


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@activity.defn
async def drop(table: str) -> str:
    """Drop a table."""
    ran.append(table)
    return f"dropped {table}, {len(ran)}"


@dataclass
class Verdict:
    allowed: bool
    why: str


async def judge(table: str) -> Verdict:
    return Verdict(table != "users", f"{table} is precious")


async def again(text: str) -> bool:
    return text.endswith("1")


judge_activity = activity.defn(judge)
again_activity = activity.defn(again)
ACTIVITIES = [drop, judge_activity, again_activity]


def table_of(event: Any) -> str:
    return event.tool_use["input"]["table"]


def cancel_unless_allowed(event: BeforeToolCallEvent[Any], verdict: Verdict) -> None:
    assert isinstance(verdict, Verdict)  # decoded by the activity's hints
    if not verdict.allowed:
        event.cancel_tool = verdict.why
