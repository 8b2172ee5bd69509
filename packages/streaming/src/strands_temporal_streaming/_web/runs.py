"""Runs of front ends: a message begins a turn, or answers let one go on. The thread itself is in Temporal."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ag_ui.core import (
    AssistantMessage,
    Message,
    RunErrorEvent,
    ToolCallResultEvent,
)
from temporalio.service import RPCError

from strands_temporal.extension import WebAnswerRefusedError

from .._life_types import AgentEvent
from .._pieces import Position as StreamPosition
from .._request_types import RequestEnded, RequestStarted, StreamRequest, StreamRequests
from .._types import StreamGap
from .agui import TurnMapper
from .answers import Answers
from .errors import NOTHING_WAITS, THREAD_WAITS, UNREACHABLE, WebError
from .inputs import RunRequest
from .messages import history_of
from .sending import Sending
from .sse import Sent
from .streams import Streams
from .threads import Threads, unreachable
from .turns import Numbered, PausedTurn, turn_events

logger = logging.getLogger(__name__)

_RECENT_TURNS = 5
"""How many turns back an answer may belong to, when it is sent again."""


class Runs:
    """Runs front ends' requests.

    Args:
        streams: Opens the threads' streams.
        threads: The app's threads.
        answers: Takes people's answers and the results of front-end tools.
    """

    def __init__(self, streams: Streams, threads: Threads, answers: Answers) -> None:
        self._streams = streams
        self._threads = threads
        self._answers = answers

    async def run(self, request: RunRequest, by: str) -> AsyncGenerator[Sent, None]:
        """Yield the events of a run. The thread must be open.

        Args:
            request: What the front end asks for.
            by: Who asks.
        """
        mapper = TurnMapper(request.thread, request.run)
        told = False
        try:
            found = await self._threads.requests(request.thread)
            known = next((one for one in found.requests if one.request == request.run), None)
            if known is not None or request.prompt is not None:
                prompt = request.prompt if request.prompt is not None else []
                steps = self._message(request, prompt, found, known, mapper)
            else:
                steps = self._answer(request, found, by)
            async with contextlib.aclosing(steps):
                async for sent in steps:
                    told = True
                    yield await self._answers.completed(request.thread, sent)
            return  # noqa: TRY300  # what follows is for errors
        except (WebError, WebAnswerRefusedError) as error:
            code = error.code if isinstance(error, WebError) else error.kind
            failed = RunErrorEvent(message=str(error), code=code)
        except RPCError as error:
            failed = RunErrorEvent(message=str(unreachable(request.thread, error)), code=UNREACHABLE)
        except Exception:  # a reader must not wait for ever
            logger.exception("thread=<%s>, run=<%s> | the run cannot be shown", request.thread, request.run)
            failed = RunErrorEvent(message="The server cannot show the run", code="INTERNAL")
        if not told:
            yield Sent(mapper.begin(request.run))
        yield Sent(failed)

    # --- A message

    async def _message(
        self,
        request: RunRequest,
        prompt: Any,
        found: StreamRequests,
        known: StreamRequest | None,
        mapper: TurnMapper,
    ) -> AsyncGenerator[Sent, None]:
        """Send a message and show its turn. If the message was sent before, show that turn."""
        if known is None:
            state = await self._threads.state(request.thread)
            if state.status.startswith("waiting"):
                raise WebError(
                    f"The thread is {state.status.replace('_', ' ')}. Answer what waits, or cancel the turn, "
                    "before another message",
                    THREAD_WAITS,
                )
        start = known.offset if known else found.offset
        chat = self._threads.chat(request.thread)
        sending = Sending(request.thread, chat, prompt, request.run)
        stream = self._streams.open(request.thread, found.topic, start)
        numbered: Numbered | None = None
        is_cut = False

        async def has_begun() -> bool:
            return await self._entry(request) is not None

        try:
            yield Sent(mapper.begin(request.run))  # from here on the message arrives, even if the reader goes
            async with contextlib.aclosing(sending.events(stream, has_begun)) as events:
                async for event in events:
                    if isinstance(event, RequestStarted) and event.request == request.run:
                        mapper.set_history(await self._history(request, event))
                        numbered = Numbered(mapper, event.offset, first=1)
                    if numbered is None and not is_cut:
                        is_end = isinstance(event, RequestEnded) and event.request in (request.run, "")
                        is_cut = is_end or await self._is_cut(request, event)
                        if not is_cut:
                            continue
                        mapper.set_history(await self._whole_history(request.thread))
                        yield Sent(mapper.snapshot(mapper.messages))
                        mapper.miss()
                    if numbered is None:
                        for one in mapper.events(event):
                            yield Sent(one)
                        if mapper.is_over:
                            return
                        continue
                    for sent in numbered.sent(event):
                        yield sent
                    if isinstance(event, StreamGap):
                        yield Sent(mapper.snapshot(await self._whole_history(request.thread)))
                    if not mapper.is_running:
                        return
        finally:
            await sending.leave(has_arrived=numbered is not None)

    async def _history(self, request: RunRequest, started: RequestStarted) -> Sequence[Message]:
        """Return the messages at the start of a run: the front end's own list, if it has the whole thread.

        Otherwise the thread's, under ids that the front end does not know, so that it takes their order.
        """
        new = request.new_messages
        before = request.messages[: len(request.messages) - len(new)]
        if started.index == 0:
            return new
        recent_from = max(0, started.index - 6)
        recent = await self._threads.messages(request.thread, recent_from)
        recent = recent[: started.index - recent_from]
        said = next((_text(one) for one in reversed(recent) if one.get("role") == "assistant"), None)
        if before and isinstance(before[-1], AssistantMessage) and said == (before[-1].content or "").strip():
            return request.messages
        earlier = (await self._threads.messages(request.thread))[: started.index]
        copies = [
            message.model_copy(update={"id": f"{request.run}:message-{i}"})
            for i, message in enumerate(new, 1)
            if message.role == "user"
        ]
        return [*history_of(earlier), *copies]

    async def _is_cut(self, request: RunRequest, event: AgentEvent) -> bool:
        """Tell whether the run's beginning is in a part that the stream no longer keeps."""
        if not isinstance(event, StreamGap):
            return False
        own = await self._entry(request)
        return own is not None and own.offset < StreamPosition.of(event.stop).log

    async def _entry(self, request: RunRequest) -> StreamRequest | None:
        """Return what the thread knows of the run; None if it has not begun."""
        found = await self._threads.requests(request.thread)
        return next((one for one in found.requests if one.request == request.run), None)

    async def _whole_history(self, thread: str) -> list[Message]:
        return history_of(await self._threads.messages(thread))

    # --- Answers

    async def _answer(
        self, request: RunRequest, found: StreamRequests, by: str
    ) -> AsyncGenerator[Sent, None]:
        """Send answers to what the thread waits for, and show how its turn goes on."""
        paused = await self._paused(request, found)
        if paused is None:
            raise WebError("The thread waits for no such answer. Send a message instead", NOTHING_WAITS)
        mapper = paused.mapper
        if paused.ended:  # nothing in the workflow answers interrupts: the next turn does
            prompt = self._answers.as_message(request, mapper.paused_with)
            following = TurnMapper(request.thread, request.run, before=mapper)
            steps = self._message(request, prompt, found, None, following)
            async with contextlib.aclosing(steps):
                async for sent in steps:
                    yield sent
            return
        waiting = await self._answers.send(request, mapper.paused_with, by)
        mapper.names[mapper.pauses] = request.run
        for event in mapper.go_on(request.run):
            yield Sent(event)
        if waiting:
            for event in mapper.pause(waiting):
                yield Sent(event)
            return
        numbered = Numbered(mapper, paused.start, first=2)
        own = {message.tool_call_id for message in request.answers}
        async for event in self._streams.open(request.thread, found.topic, paused.offset):
            for sent in numbered.sent(event):
                # The front end has the results that it sent.
                if not (isinstance(sent.event, ToolCallResultEvent) and sent.event.tool_call_id in own):
                    yield sent
            if not mapper.is_running:
                return

    async def _paused(self, request: RunRequest, found: StreamRequests) -> PausedTurn | None:
        """Return the latest turn that paused with what the request answers."""
        asked = [entry.interrupt_id for entry in request.resume]
        asked += [message.tool_call_id for message in request.answers]
        turns = {entry.turn: entry for entry in reversed(found.requests)}
        for entry in list(turns.values())[:_RECENT_TURNS]:
            paused = PausedTurn(request.thread, entry)
            stream = self._streams.open(request.thread, found.topic, entry.offset)
            if paused.feed(await turn_events(stream, found, entry), asked):
                return paused
        return None


def _text(message: Any) -> str:
    return "".join(block["text"] for block in message.get("content", ()) if "text" in block).strip()
