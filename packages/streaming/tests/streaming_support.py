"""Shared by the tests of this package: a model that the test controls, and readers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStreamClient
from temporalio.service import RPCError

from strands_temporal.testing import ScriptedModel, say
from strands_temporal_streaming import AgentEvent, AgentStream, TextDelta

WAIT = 30.0  # seconds until a wait fails the test

Play = Callable[[], AsyncIterator[StreamEvent]]


class LiveModel(ScriptedModel):
    """A model whose calls are async generators of the test. They may wait for the test in mid-answer."""

    def __init__(self, *plays: Play) -> None:
        super().__init__()
        self.plays = list(plays)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        self.calls.append(cast("Any", args))
        async for event in self.plays[len(self.calls) - 1]():
            yield event


def play(*parts: str | Callable[[], Any] | Exception) -> Play:
    """Return a call that goes through its parts: says texts, awaits functions, raises errors."""

    async def events() -> AsyncIterator[StreamEvent]:
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        for part in parts:
            if isinstance(part, str):
                yield {"contentBlockDelta": {"delta": {"text": part}}}
            elif isinstance(part, Exception):
                raise part
            else:
                await part()
        for event in say("").events[-3:]:  # the end of the block, the end of the message, the usage
            yield event

    return events


async def bounded(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), WAIT)


async def read_plain(client: Client, workflow_id: str, *, from_offset: int = 0) -> list[StreamEvent]:
    """Read the topic as in the guide, until the workflow ends. Begin again if a query was lost."""
    for _ in range(2):
        with suppress(RPCError):
            return await _read_plain(client, workflow_id, from_offset)
    return await _read_plain(client, workflow_id, from_offset)


async def _read_plain(client: Client, workflow_id: str, from_offset: int) -> list[StreamEvent]:
    stream = WorkflowStreamClient.create(client, workflow_id)
    return [
        item.data
        async for item in stream.subscribe(
            ["events"],
            from_offset=from_offset,
            result_type=StreamEvent,
            poll_cooldown=timedelta(milliseconds=50),
        )
    ]


def plain_text(events: list[StreamEvent]) -> str:
    deltas = [event["contentBlockDelta"].get("delta", {}) for event in events if "contentBlockDelta" in event]
    return "".join(delta.get("text", "") for delta in deltas)


def merged(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """Return the events with adjacent texts as one, as a worker sends them when they come fast."""
    result: list[Any] = []
    for event in events:
        text = event.get("contentBlockDelta", {}).get("delta", {}).get("text")
        last = result[-1].get("contentBlockDelta", {}).get("delta", {}) if result else {}
        if text is not None and "text" in last:
            last["text"] += text
        else:
            result.append(deepcopy(event))
    return result


async def read_all(stream: AgentStream) -> list[AgentEvent]:
    async def collect() -> list[AgentEvent]:
        return [event async for event in stream]

    return await asyncio.wait_for(collect(), WAIT)


def words(text: str) -> Play:
    """Return a call that says a text word by word."""
    return play(*(f"{word} " for word in text.split()))


def texts(events: list[AgentEvent]) -> list[str]:
    """Return the texts of the calls, ordered by their starts."""
    calls: dict[str, str] = {}
    for event in events:
        if isinstance(event, TextDelta):
            calls[event.call] = calls.get(event.call, "") + event.text
    return [text.strip() for text in calls.values()]


def without_times(events: list[AgentEvent]) -> list[AgentEvent]:
    """Return events without the workflow's times: a query of a run that is not cached may tell others."""
    return [replace(event, time="") if hasattr(event, "time") else event for event in events]


class Dreamer:
    """Reads up to a text, and then pauses until it is woken."""

    def __init__(self, client: Client, workflow_id: str, until: str) -> None:
        self.events: list[AgentEvent] = []
        self._until = until
        self._dreams, self._woken = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._read(AgentStream(client, workflow_id)))

    async def _read(self, stream: AgentStream) -> None:
        async for event in stream:
            self.events.append(event)
            if isinstance(event, TextDelta) and self._until in event.text:
                self._dreams.set()
                await self._woken.wait()

    async def dreams(self) -> None:
        await asyncio.wait_for(self._dreams.wait(), WAIT)

    async def wakes(self) -> list[AgentEvent]:
        self._woken.set()
        await asyncio.wait_for(self._task, WAIT)
        return self.events


def of(kind: type[Any], events: Iterable[AgentEvent]) -> list[Any]:
    """Return the events of a type."""
    return [event for event in events if isinstance(event, kind)]


def longer_than(events: int) -> Callable[[], bool]:
    """Return a stand-in for the server's suggestion to continue as new."""
    return lambda: workflow.info().get_current_history_length() > events
