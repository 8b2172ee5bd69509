"""Runs of front ends: a message begins a turn, or answers let one go on. The thread itself is in Temporal."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ag_ui.core import (
    AssistantMessage,
    Message,
    RunErrorEvent,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    ToolCallResultEvent,
)
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from strands_temporal import TurnResult
from strands_temporal.extension import WebAnswerRefusedError

from .._client import AgentStream
from .._life_types import AgentEvent
from .._request_types import RequestEnded, RequestStarted, StreamRequest, StreamRequests
from .._types import StreamGap
from .agui import TurnMapper
from .answers import Answers
from .errors import NOTHING_WAITS, STREAM_GAP, THREAD_WAITS, UNREACHABLE, WebError
from .inputs import RunRequest
from .messages import history_of, sent_message
from .sse import Position, Sent
from .threads import Threads, unreachable
from .turns import Numbered, PausedTurn, is_start, turn_events

logger = logging.getLogger(__name__)

_GRACE = 10.0
"""Seconds to wait for the end of a turn in the stream, after its answer has come by the update."""

_ARRIVAL = 30.0
"""Seconds for which a message is sent on after its reader has gone."""

_RECENT_TURNS = 5
"""How many turns back an answer may belong to, when it is sent again."""


class Runs:
    """Runs front ends' requests, and shows threads.

    Args:
        client: The Temporal client.
        threads: The app's threads.
        answers: Takes people's answers and the results of front-end tools.
    """

    def __init__(self, client: Client, threads: Threads, answers: Answers) -> None:
        self._client = client
        self._threads = threads
        self._answers = answers
        self._left: set[asyncio.Future[Any]] = set()

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
                    yield await self._complete(request.thread, sent)
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
        sending = asyncio.ensure_future(chat.send(prompt, id=request.run)) if prompt else None
        numbered: Numbered | None = None
        try:
            yield Sent(mapper.begin(request.run))  # from here on the message arrives, even if the reader goes
            async for event in self._events(request.thread, found.topic, start, sending):
                if isinstance(event, RequestStarted) and event.request == request.run:
                    mapper.set_history(await self._history(request, event))
                    numbered = Numbered(mapper, event.offset, given=1)
                if numbered is None:
                    if isinstance(event, RequestEnded) and event.request == request.run:
                        # Its beginning is no longer in the stream.
                        mapper.set_history(await self._whole_history(request.thread))
                        yield Sent(mapper.snapshot(mapper.messages))
                        for one in mapper.events(event):
                            yield Sent(one)
                        return
                    continue
                for sent in numbered.sent(event):
                    yield sent
                if isinstance(event, StreamGap):
                    yield Sent(mapper.snapshot(await self._whole_history(request.thread)))
                if not mapper.is_running:
                    return
        finally:
            if sending is not None and numbered is None and not sending.done():
                self._let_go(sending)  # the reader has gone, but its message is to arrive
            elif sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    def _let_go(self, sending: "asyncio.Future[TurnResult]") -> None:
        """Let a message arrive whose reader has gone. The turn needs nobody who waits for it."""
        task = asyncio.ensure_future(asyncio.wait([sending], timeout=_ARRIVAL))
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        task.add_done_callback(lambda _: sending.cancel())
        sending.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _events(
        self, thread: str, topic: str, start: int, sending: "asyncio.Future[TurnResult] | None"
    ) -> AsyncGenerator[AgentEvent, None]:
        """Yield events until the workflow ends, or until the update has ended and the stream is silent.

        Raises:
            WebError: If the message is refused.
        """
        begun = False
        stream = self._stream(thread, topic, start)
        coming: asyncio.Future[AgentEvent] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(stream))
                waits = {coming} if sending is None or sending.done() else {coming, sending}
                grace = _GRACE if sending is not None and sending.done() else None
                done, _ = await asyncio.wait(waits, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
                if coming in done:
                    try:
                        event, coming = coming.result(), None
                    except StopAsyncIteration:
                        return
                    begun = begun or isinstance(event, RequestStarted)
                    yield event
                elif sending is not None and not done:
                    yield _ended(sending)
                    return
                elif sending is not None and sending.exception() is not None and not begun:
                    _raise_refusal(thread, sending.exception())
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            await stream.aclose()

    async def _stream(self, thread: str, topic: str, start: int) -> AsyncGenerator[AgentEvent, None]:
        async for event in AgentStream(self._client, thread, topic=topic, from_offset=start):
            yield event

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
        numbered = Numbered(mapper, paused.start, given=2)
        own = {message.tool_call_id for message in request.answers}
        async for event in self._events(request.thread, found.topic, paused.offset, None):
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
            if paused.feed(await turn_events(self._client, request.thread, found, entry), asked):
                return paused
        return None

    async def _complete(self, thread: str, sent: Sent) -> Sent:
        """Add to a run that ends with questions what the part that asks them knows."""
        event = sent.event
        if isinstance(event, RunFinishedEvent) and isinstance(event.outcome, RunFinishedInterruptOutcome):
            event.outcome.interrupts = await self._answers.described(thread, event.outcome.interrupts)
        return sent

    # --- A thread

    async def events(self, thread: str, after: Position | None) -> AsyncGenerator[Sent, None]:
        """Yield a thread's events, as `_events_after`. If it cannot be asked, end: the reader comes back."""
        try:
            async with contextlib.aclosing(self._events_after(thread, after)) as events:
                async for sent in events:
                    yield sent
        except (WebError, RPCError) as error:
            logger.warning("thread=<%s>, error=<%s> | a reader's stream ends", thread, error)

    async def _events_after(self, thread: str, after: Position | None) -> AsyncGenerator[Sent, None]:
        """Yield a thread's events: from its latest turn on, or after a position. Ends with the thread.

        Args:
            thread: The thread.
            after: The last event that the reader has.
        """
        found = await self._threads.requests(thread)
        last = found.requests[-1] if found.requests else None
        start = after.start if after else last.offset if last else found.offset
        numbered: Numbered | None = None
        turn, skip = 0, after
        stream = AgentStream(self._client, thread, topic=found.topic, from_offset=start)
        async for event in stream:
            if isinstance(event, StreamGap):
                is_running = skip.is_running if skip else numbered is not None and numbered.mapper.is_running
                if is_running:
                    text = "A part of the run is no longer kept. The present state follows"
                    yield Sent(RunErrorEvent(message=text, code=STREAM_GAP))
                async with contextlib.aclosing(self._rejoined(thread, event.stop)) as rest:
                    async for sent in rest:
                        yield sent
                return
            if isinstance(event, RequestStarted) and is_start(event, numbered and numbered.mapper, turn):
                before = numbered.mapper if numbered else None
                mapper = TurnMapper(thread, event.request, await self._shown(thread, event, before), before)
                if after is not None and event.offset == after.start:
                    mapper.names[after.pauses] = after.run
                numbered, turn = Numbered(mapper, event.offset), event.turn
            if numbered is None:
                continue
            for sent in numbered.sent(event):
                place = sent.position
                if skip and place and (place.offset, place.number) <= (skip.offset, skip.number):
                    continue
                skip = None
                yield await self._complete(thread, sent)

    async def _rejoined(self, thread: str, kept_from: int) -> AsyncGenerator[Sent, None]:
        """Show a thread again, after a part of its stream was cut away."""
        found = await self._threads.requests(thread)
        last = found.requests[-1] if found.requests else None
        if last is not None and last.offset < kept_from and not last.ended:
            # The turn is longer than what the stream keeps: show it from here on.
            mapper = TurnMapper(thread, last.request)
            yield Sent(mapper.begin(last.request))
            yield Sent(mapper.snapshot(await self._whole_history(thread)))
            mapper.miss()
            stream = AgentStream(self._client, thread, topic=found.topic, from_offset=found.offset)
            async for event in stream:
                for one in mapper.events(event):
                    yield await self._complete(thread, Sent(one))
                if mapper.is_over:
                    break
        async with contextlib.aclosing(self._events_after(thread, None)) as rest:
            async for sent in rest:
                yield sent

    async def _shown(
        self, thread: str, started: RequestStarted, before: TurnMapper | None
    ) -> Sequence[Message]:
        """Return the messages at the start of a turn, with the one that began it."""
        own = sent_message(started.message, f"{started.request}:message")
        if before is not None:
            return [*before.messages, *own]
        earlier = (await self._threads.messages(thread))[: started.index] if started.index else []
        return [*history_of(earlier), *own]


def _text(message: Any) -> str:
    return "".join(block["text"] for block in message.get("content", ()) if "text" in block).strip()


def _ended(sending: "asyncio.Future[TurnResult]") -> RequestEnded:
    """Return the end of a turn that the stream did not tell."""
    error = sending.exception()
    if error is not None:
        kind, text = _refusal(error)
        return RequestEnded(error_type=kind, error=text)
    result = sending.result()
    return RequestEnded(
        stop_reason=result.stop_reason, structured_output=result.structured_output, usage=result.usage
    )


def _raise_refusal(thread: str, error: BaseException | None) -> None:
    if isinstance(error, RPCError):
        raise unreachable(thread, error) from error
    kind, text = _refusal(error)
    raise WebError(text, kind) from error


def _refusal(error: BaseException | None) -> tuple[str, str]:
    cause = error.cause if isinstance(error, WorkflowUpdateFailedError) else error
    if isinstance(cause, ApplicationError) and cause.type:
        return cause.type, cause.message
    return type(cause).__name__, str(cause)
