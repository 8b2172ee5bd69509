"""Shared by the tests of cancellations: calls that run on the worker until they are cancelled."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from strands import tool

from strands_temporal import TemporalAgent

SOON = 45
"""Time limit in seconds for what takes about one second on a quiet machine."""

TOLD_FAST: Any = {"heartbeat_timeout": timedelta(seconds=2)}

TOLD_SURELY: Any = {"heartbeat_timeout": timedelta(seconds=6)}
"""For tests that need the activity's result. Heartbeats go at 80 % of this; a busy machine needs the rest."""

started: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
stopped: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
"""For each call that waits on the worker, by name: set when it has stopped."""


@pytest.fixture(autouse=True)
def nothing_runs() -> None:
    started.clear()
    stopped.clear()


async def until_cancelled(name: str) -> None:
    started[name].set()
    try:
        await asyncio.Event().wait()
    finally:
        stopped[name].set()


@tool
async def echo(text: str) -> str:
    """Echo."""
    return text


def agent(model: str = "model", **arguments: Any) -> TemporalAgent:
    return TemporalAgent(model, callback_handler=None, **TOLD_FAST, **arguments)
