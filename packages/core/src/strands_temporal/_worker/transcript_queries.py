"""Asks a workflow, by query, for the parts of a call that were not sent with it.

A query leaves no trace in history. A worker asks for a conversation that it does not have (the worker is new,
or its cache dropped the conversation). It also asks for values that are too large to send with the call: the
new part of a conversation, the agent's state, the caller's invocation state.
"""

import asyncio
import base64
import json
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.client import (
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import QueryRejectCondition
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from .._wire.model_call import HELD, TRANSCRIPT_GONE, TRANSCRIPT_QUERY, TRANSCRIPT_UNAVAILABLE, Transcript
from .._wire.reading import read_as, reading
from .._wire.transcripts import (
    PAGE_BYTES,
    PAGE_HEADER,
    held_digest,
)
from .client import worker_client
from .paused_workflows import tells_of_a_pause

LARGEST_PAGE_BYTES = 4 * PAGE_BYTES
"""Compressed bytes of the largest page. Pages grow if the content changes from one query to the next. Without
the workflow cache each query replays the run, and at each replay a time or a random id in the content has
another value."""

ASK_FOR = timedelta(seconds=20)
"""How long one attempt of a call keeps asking. After a worker was killed, the server first tries the dead
worker's sticky queue for 10 seconds. The last attempt asks for 90 % of its `start_to_close_timeout`, if that
is longer."""

RPC_TIMEOUT = timedelta(seconds=3)
"""Timeout of the first query. Each timeout doubles it: a long history may take longer to replay."""

_LONGEST_RPC_TIMEOUT = timedelta(seconds=30)
_LONGEST_DELAY = timedelta(minutes=1)
_PAUSE = 0.2  # seconds between two queries
_TIMED_OUT = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


class TranscriptQueries:
    """Asks workflows for conversations, and for other values that they hold for a call.

    It sends one query at a time per run. Without the workflow cache each query replays the run, and most
    queries get lost if many run at once.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    async def ask(self, transcript: Transcript, news: bool) -> Transcript:
        """Return the conversation of the call that this activity serves, as the workflow has it now.

        Args:
            transcript: The transcript that came with the call.
            news: Whether to ask only for what is new since the previous call, not for the whole conversation.

        Raises:
            ApplicationError: Type TRANSCRIPT_GONE, not retryable, if the workflow no longer waits for the
                call; TRANSCRIPT_UNAVAILABLE if no worker of the workflow answered.
        """
        told = await self._ask(transcript.agent, transcript.call, news)
        return read_as(Transcript, told)

    async def held(self, held: Sequence[Any]) -> Any:
        """Return the value that the workflow holds for the call that this activity serves, encoded.

        Args:
            held: Number and digest of the value, which came with the call.

        Raises:
            ApplicationError: See `ask`.
        """
        number, digest = held
        told = await self._ask(HELD, number, False)
        if held_digest(told) != digest:
            # The value contains a time or a random id, as a conversation may. Use the run's current value.
            activity.logger.warning(
                "held=<%s> | the value that the workflow holds for the call changed in a replay", number
            )
        return told

    async def _ask(self, agent: int, call: int, news: bool) -> Any:
        run_id = activity.info().workflow_run_id
        key = (asyncio.get_running_loop(), run_id)
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            return await _TranscriptFetch(agent, call, news).all_pages()


class _TranscriptFetch:
    """The queries of one activity for one conversation or value."""

    def __init__(self, agent: int, call: int, news: bool) -> None:
        info = activity.info()
        self._agent, self._call = agent, call
        self._news = news
        self._page_bytes = PAGE_BYTES
        self._handle: WorkflowHandle[Any, Any] = worker_client().get_workflow_handle(
            cast("str", info.workflow_id), run_id=info.workflow_run_id
        )
        self._doublings = min(info.attempt, 10)
        self._rpc_timeout = min(RPC_TIMEOUT * 2 ** (self._doublings - 1), _LONGEST_RPC_TIMEOUT)
        self._until = asyncio.get_running_loop().time() + _patience(info).total_seconds()

    async def all_pages(self) -> Any:
        """Return the content of all pages.

        If the content changes between two pages, start again with larger pages.
        """
        while (packed := await self._matching_pages()) is None:
            self._check_time("the run is replayed for each query, and its content differs after each replay")
            self._page_bytes = min(self._page_bytes * 2, LARGEST_PAGE_BYTES)
        with reading("The workflow's conversation"):
            return json.loads(zlib.decompress(packed))

    async def _matching_pages(self) -> bytes | None:
        """Return the data of all pages, or None if their headers show different content."""
        header, data = await self._page(0)
        pages, _ = PAGE_HEADER.unpack(header)
        chunks = [data]
        while len(chunks) < pages:
            next_header, data = await self._page(len(chunks))
            if next_header != header:
                return None
            chunks.append(data)
        return b"".join(chunks)

    async def _page(self, number: int) -> tuple[bytes, bytes]:
        arguments = [self._agent, self._call, number, self._news, self._page_bytes]
        page = None
        while page is None:
            page = await self._answer(arguments)
        if not page:
            raise self._gone()
        with reading("The workflow's conversation"):
            data = base64.b64decode(page)
        return data[: PAGE_HEADER.size], data[PAGE_HEADER.size :]

    async def _answer(self, arguments: list[int]) -> str | None:
        try:
            return await self._handle.query(
                TRANSCRIPT_QUERY,
                args=arguments,
                result_type=str,
                reject_condition=QueryRejectCondition.NONE,
                rpc_timeout=self._rpc_timeout,
            )
        except (RPCError, WorkflowQueryFailedError) as error:
            self._check_time(error)
            # The SDK reports its own timeout as CANCELLED.
            if isinstance(error, RPCError) and error.status in _TIMED_OUT:
                self._rpc_timeout = min(self._rpc_timeout * 2, _LONGEST_RPC_TIMEOUT)
        except (WorkflowQueryRejectedError, ValueError) as error:
            # With QueryRejectCondition.NONE the server rejects a query only for a paused workflow.
            if not (isinstance(error, WorkflowQueryRejectedError) or tells_of_a_pause(error)):
                raise
            self._check_time("the workflow is paused, and the server answers no query to it")
        await asyncio.sleep(_PAUSE)
        return None

    def _check_time(self, why: object) -> None:
        """Raise if this attempt has asked long enough."""
        if asyncio.get_running_loop().time() > self._until:
            raise ApplicationError(
                f"The workflow did not answer the query {TRANSCRIPT_QUERY!r} for {self._what}: {why}. "
                "The call is retried",
                type=TRANSCRIPT_UNAVAILABLE,
                next_retry_delay=min(timedelta(seconds=2**self._doublings), _LONGEST_DELAY),
            ) from (why if isinstance(why, Exception) else None)
        activity.logger.debug("reason=<%s> | asking the workflow again", why)

    @property
    def _what(self) -> str:
        return "its state" if self._agent == HELD else "its conversation"

    def _gone(self) -> ApplicationError:
        call = f"value {self._call}" if self._agent == HELD else f"call {self._call} of agent {self._agent}"
        return ApplicationError(
            f"The workflow no longer waits for {call}: it has ended the call, or was reset",
            type=TRANSCRIPT_GONE,
            non_retryable=True,
        )


def _patience(info: activity.Info) -> timedelta:
    """Return how long this attempt asks. The last attempt asks longer, because a deploy may take minutes."""
    attempts = info.retry_policy.maximum_attempts if info.retry_policy else 0
    if not attempts or info.attempt < attempts or info.start_to_close_timeout is None:
        return ASK_FOR
    return max(ASK_FOR, info.start_to_close_timeout * 0.9)
