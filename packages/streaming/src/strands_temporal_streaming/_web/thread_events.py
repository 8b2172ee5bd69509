"""A thread's events for whoever reads it: the latest turn, and then what happens; or all after a position."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence

from ag_ui.core import CustomEvent, Message, RunErrorEvent
from temporalio.service import RPCError

from .._pieces import Position as StreamPosition
from .._request_types import RequestStarted
from .._types import StreamGap
from .agui import TurnMapper
from .answers import Answers
from .errors import STREAM_GAP, WebError
from .given import Given
from .messages import history_of, sent_message
from .sse import Position, Sent
from .streams import Streams
from .threads import Threads
from .turns import Numbered, is_start, log_offset

logger = logging.getLogger(__name__)

_LIVE = Sent(CustomEvent(name="strands_temporal.Live", value={}))
"""Says that what comes from here on happens now."""


class ThreadEvents:
    """Shows threads to readers, who may come back.

    Args:
        streams: Opens their streams.
        threads: The app's threads.
        answers: Knows what people are asked.
    """

    def __init__(self, streams: Streams, threads: Threads, answers: Answers) -> None:
        self._streams = streams
        self._threads = threads
        self._answers = answers

    async def after(
        self, thread: str, after: Position | None, *, details: bool = False
    ) -> AsyncGenerator[Sent, None]:
        """Yield a thread's events after a position; None is the latest turn's beginning. End with the thread.

        If the thread cannot be asked, they end as well: the reader comes back. With `details`, None is the
        oldest turn that the stream has, and what AG-UI has no event for is told as well.
        """
        try:
            async with contextlib.aclosing(self._events_after(thread, after, details=details)) as events:
                async for sent in events:
                    yield sent
        except (WebError, RPCError) as error:
            logger.warning("thread=<%s>, error=<%s> | a reader's stream ends", thread, error)

    async def _events_after(
        self, thread: str, after: Position | None, *, details: bool, kept_from: int = 0
    ) -> AsyncGenerator[Sent, None]:
        """Yield a thread's events: from its latest turn on, or after a position. Ends with the thread.

        Args:
            thread: The thread.
            after: The last event that the reader has.
            details: Whether to begin with the oldest turn, and to tell everything.
            kept_from: The first offset of the workflow's log that is kept, if it is known.
        """
        found = await self._threads.requests(thread)
        turns = [one.offset for one in found.requests if one.offset >= kept_from] or [found.offset]
        start = after.start if after else turns[0] if details else turns[-1]
        is_live = not details
        if details and start >= found.offset:
            is_live = True
            yield _LIVE
        numbered: Numbered | None = None
        turn, shown = 0, None if after is None else after.is_running
        given = Given(after, is_merged=self._streams.is_merged)
        async for event in self._streams.open(thread, found.topic, start):
            if not is_live and log_offset(event.offset) >= found.offset:
                is_live = True
                yield _LIVE
            if isinstance(event, StreamGap):
                kept = StreamPosition.of(event.stop).log
                if details and after is None and numbered is None and found.requests[-1].offset >= kept:
                    again = self._events_after(thread, None, details=True, kept_from=kept)
                    async with contextlib.aclosing(again) as rest:
                        async for sent in rest:
                            yield sent
                    return
                if shown if shown is not None else numbered is not None and numbered.mapper.is_running:
                    text = "A part of the run is no longer kept. The present state follows"
                    yield Sent(RunErrorEvent(message=text, code=STREAM_GAP))
                rejoined = self._rejoined(thread, event.stop, details=details)
                async with contextlib.aclosing(rejoined) as rest:
                    async for sent in rest:
                        yield sent
                return
            if isinstance(event, RequestStarted) and is_start(event, numbered and numbered.mapper, turn):
                before = numbered.mapper if numbered else None
                mapper = TurnMapper(
                    thread,
                    event.request,
                    await self._shown(thread, event, before),
                    before,
                    added=_own_message(event) if details and before else None,
                    details=details,
                )
                if after is not None and log_offset(event.offset) == log_offset(after.start):
                    mapper.names[after.pauses] = after.run
                numbered, turn = Numbered(mapper, event.offset, given=given), event.turn
            if numbered is None:
                continue
            for sent in numbered.sent(event):
                shown = None
                yield await self._answers.completed(thread, sent)
            if not is_live and log_offset(event.offset) >= found.offset - 1:
                is_live = True
                yield _LIVE

    async def _rejoined(self, thread: str, kept_from: int, *, details: bool) -> AsyncGenerator[Sent, None]:
        """Show a thread again, after a part of its stream was cut away."""
        found = await self._threads.requests(thread)
        last = found.requests[-1] if found.requests else None
        kept = StreamPosition.of(kept_from).log
        if last is not None and last.offset < kept and not last.ended:
            # The turn is longer than what the stream keeps: show it from here on.
            mapper = TurnMapper(thread, last.request, details=details)
            yield Sent(mapper.begin(last.request))
            yield Sent(mapper.snapshot(history_of(await self._threads.messages(thread))))
            mapper.miss()
            async for event in self._streams.open(thread, found.topic, found.offset):
                for one in mapper.events(event):
                    yield await self._answers.completed(thread, Sent(one))
                if mapper.is_over:
                    break
        following = self._events_after(thread, None, details=details, kept_from=kept)
        async with contextlib.aclosing(following) as rest:
            async for sent in rest:
                yield sent

    async def _shown(
        self, thread: str, started: RequestStarted, before: TurnMapper | None
    ) -> Sequence[Message]:
        """Return the messages at the start of a turn, with the one that began it."""
        own = _own_message(started)
        if before is not None:
            return [*before.messages, *own]
        earlier = (await self._threads.messages(thread))[: started.index] if started.index else []
        return [*history_of(earlier), *own]


def _own_message(started: RequestStarted) -> list[Message]:
    """Return the message that began a turn."""
    return sent_message(started.message, f"{started.request}:message")
