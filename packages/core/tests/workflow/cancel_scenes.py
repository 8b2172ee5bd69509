"""Shared by the tests of cancellations: calls that run on the worker until they are cancelled."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from strands import tool

from strands_temporal import TemporalAgent

SOON = 45
"""Seconds within which something must have happened that takes about one on a quiet machine."""

TOLD_FAST: Any = {"heartbeat_timeout": timedelta(seconds=2)}

TOLD_SURELY: Any = {"heartbeat_timeout": timedelta(seconds=6)}
"""Where what the activity says counts: heartbeats go at 80 % of this, and a busy machine needs the rest."""

started: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
stopped: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
"""What runs on the worker and waits, by name."""


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
