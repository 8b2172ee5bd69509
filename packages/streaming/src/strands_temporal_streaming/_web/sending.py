"""Sends a front end's message to its thread, while the thread's stream tells of its turn."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from strands_temporal import ConversationClient, TurnResult

from .._client import AgentStream
from .._life_types import AgentEvent
from .._request_types import RequestEnded, RequestStarted
from .errors import WebError
from .threads import unreachable

_GRACE = 10.0
"""Seconds to wait for the end of a turn in the stream, after its answer has come by the update."""

_ARRIVAL = 30.0
"""Seconds for which a message is sent on after its reader has gone."""

_left: set[asyncio.Future[Any]] = set()
"""Messages on their way whose readers have gone."""


class Sending:
    """A message that is being sent. Its answer comes by the update, and by the stream.

    Args:
        thread: Id of the thread.
        chat: Its conversation.
        prompt: The message; nothing if the thread has it already.
        run: Id of the run, which is the update's.
    """

    def __init__(self, thread: str, chat: ConversationClient, prompt: Any, run: str) -> None:
        self._thread = thread
        self._answer = asyncio.ensure_future(chat.send(prompt, id=run)) if prompt else None

    async def events(
        self, stream: AgentStream, has_begun: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[AgentEvent, None]:
        """Yield a stream's events until the workflow ends, or the answer is there and the stream is silent.

        Args:
            stream: The thread's stream.
            has_begun: Asks the thread whether the message's turn has begun.

        Raises:
            WebError: If the message is refused.
        """
        answer, begun = self._answer, False
        coming: asyncio.Future[AgentEvent] | None = None
        async with contextlib.aclosing(cast("AsyncGenerator[AgentEvent, None]", aiter(stream))) as events:
            try:
                while True:
                    coming = coming or asyncio.ensure_future(anext(events))
                    waits = {coming} if answer is None or answer.done() else {coming, answer}
                    grace = _GRACE if answer is not None and answer.done() else None
                    done, _ = await asyncio.wait(waits, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
                    if coming in done:
                        try:
                            event, coming = coming.result(), None
                        except StopAsyncIteration:
                            return
                        begun = begun or isinstance(event, RequestStarted)
                        yield event
                    elif answer is not None and not done:
                        yield _ended(answer)
                        return
                    elif answer is not None and answer.exception() is not None and not begun:
                        begun = await has_begun()  # then its turn failed, and the stream will tell it
                        if not begun:
                            _raise_refusal(self._thread, answer.exception())
            finally:
                if coming is not None:
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)

    async def leave(self, *, has_arrived: bool) -> None:
        """Stop waiting. The turn needs nobody who waits for it, but its message is to arrive."""
        answer = self._answer
        if answer is None:
            return
        if has_arrived or answer.done():
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
            return
        task = asyncio.ensure_future(asyncio.wait([answer], timeout=_ARRIVAL))
        _left.add(task)
        task.add_done_callback(_left.discard)
        task.add_done_callback(lambda _: answer.cancel())
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())


def _ended(answer: "asyncio.Future[TurnResult]") -> RequestEnded:
    """Return the end of a turn that the stream did not tell."""
    error = answer.exception()
    if error is not None:
        kind, text = _refusal(error)
        return RequestEnded(error_type=kind, error=text)
    result = answer.result()
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
