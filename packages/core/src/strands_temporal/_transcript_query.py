"""The query by which a worker gets a whole conversation: the workflow's pages, and how a worker asks.

A query leaves no trace in history. A worker asks where it kept nothing (it is new, or the conversation was
evicted), and where what is new is too large to go with the call.
"""

import asyncio
import base64
import dataclasses
import json
import math
import struct
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import QueryRejectCondition
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ._transcripts import WHOLE_DIGITS, Frame, Item
from ._types import (
    TRANSCRIPT_GONE,
    TRANSCRIPT_QUERY,
    TRANSCRIPT_UNAVAILABLE,
    Transcript,
    known_fields,
    set_fields,
)
from ._wire import encode

PAGE_BYTES = 360 * 1024
"""Compressed bytes of one page, which crosses as base64, as not every converter of a user knows bytes. The
server warns of results above 512 KiB and fails those above 2 MiB."""

LARGEST_PAGE_BYTES = 4 * PAGE_BYTES
"""Where pages do not fit together, because the run is replayed for each and holds a clock or a random id."""

ASK_FOR = timedelta(seconds=20)
"""How long one attempt of a call goes on asking: after a worker was killed the server tries its sticky queue
for 10 seconds first. The last attempt asks for nearly as long as it may take."""

RPC_TIMEOUT = timedelta(seconds=3)
"""Time of the first query. Doubled when it was too short: a long history may take longer to replay."""

_LONGEST_RPC_TIMEOUT = timedelta(seconds=30)
_LONGEST_DELAY = timedelta(minutes=1)
_PAUSE = 0.2  # seconds between two queries
_TIMED_OUT = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_HEADER = struct.Struct(f">I{WHOLE_DIGITS}s")  # how many pages there are, and the conversation's digest


class Pages:
    """A conversation that a call is about, for as long as the call is under way. Lives in the workflow.

    Serialised and compressed only when a worker asks.

    Args:
        news: The conversation against the one of the call before.
        messages: All messages.
        tools: All tool specs.
        frame: The whole frame.
    """

    def __init__(
        self, news: Transcript, messages: Sequence[Item], tools: Sequence[Item], frame: Frame
    ) -> None:
        self._news = news
        self._content = (messages, tools, frame)
        self._packed: dict[bool, bytes] = {}

    def page(self, number: int, news: bool, page_bytes: int) -> str:
        """Return page `number`, from 0: a header and a part of the compressed JSON, as base64.

        Args:
            number: The page.
            news: Give what is new, for a worker that kept the conversation of the call before.
            page_bytes: Compressed bytes of a page.
        """
        packed = self._packed.get(news)
        if packed is None:
            # The fastest level: a workflow may take two seconds for all it does at once.
            # Keys in their order: a provider's prompt cache takes another order for another prompt.
            told = json.dumps(set_fields(self._told(news)), separators=(",", ":"), ensure_ascii=False)
            packed = self._packed[news] = zlib.compress(told.encode(), 1)
        pages = math.ceil(len(packed) / page_bytes)
        chunk = packed[number * page_bytes : (number + 1) * page_bytes]
        return base64.b64encode(_HEADER.pack(pages, self._news.digest.encode()) + chunk).decode()

    def _told(self, news: bool) -> Transcript:
        if news:
            return self._news
        messages, tools, frame = self._content
        return dataclasses.replace(
            self._news,
            messages=[encode(message.value) for message in messages],
            tools=[encode(tool.value) for tool in tools],
            frame=cast("dict[str, Any]", frame),
        )


class TranscriptQueries:
    """Asks workflows for conversations. Lives on the worker.

    One query at a time per run: without the cache each replays the run, and most of many at once get lost.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    async def ask(self, transcript: Transcript, news: bool) -> Transcript:
        """Return the conversation of the call that this activity serves, as the workflow has it now.

        Args:
            transcript: What the call brought of it.
            news: Ask for it against the conversation of the call before, else against nothing.

        Raises:
            ApplicationError: Type TRANSCRIPT_GONE, not retryable, if the workflow no longer waits for the
                call; TRANSCRIPT_UNAVAILABLE if no worker of the workflow answered.
        """
        run_id = activity.info().workflow_run_id
        key = (asyncio.get_running_loop(), run_id)
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            return await _Asking(transcript, news).all_pages()


class _Asking:
    """One activity's questions."""

    def __init__(self, transcript: Transcript, news: bool) -> None:
        info = activity.info()
        client = activity.client()
        self._transcript = transcript
        self._news = news
        self._page_bytes = PAGE_BYTES
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(
            cast("str", info.workflow_id), run_id=info.workflow_run_id
        )
        self._doublings = min(info.attempt, 10)
        self._rpc_timeout = min(RPC_TIMEOUT * 2 ** (self._doublings - 1), _LONGEST_RPC_TIMEOUT)
        self._until = asyncio.get_running_loop().time() + _patience(info).total_seconds()

    async def all_pages(self) -> Transcript:
        """Return what all pages say; begin anew, with larger ones, if it changes from one to the next."""
        while (packed := await self._matching_pages()) is None:
            self._check_time("the run is replayed for each query, and its content differs after each replay")
            self._page_bytes = min(self._page_bytes * 2, LARGEST_PAGE_BYTES)
        told = json.loads(zlib.decompress(packed))
        return Transcript(**known_fields(Transcript, told))

    async def _matching_pages(self) -> bytes | None:
        """Return what all pages hold; None if they are not of one conversation."""
        header, data = await self._page(0)
        pages, _ = _HEADER.unpack(header)
        chunks = [data]
        while len(chunks) < pages:
            next_header, data = await self._page(len(chunks))
            if next_header != header:
                return None
            chunks.append(data)
        return b"".join(chunks)

    async def _page(self, number: int) -> tuple[bytes, bytes]:
        arguments = [self._transcript.agent, self._transcript.call, number, self._news, self._page_bytes]
        page = None
        while page is None:
            page = await self._answer(arguments)
        if not page:
            raise self._gone()
        data = base64.b64decode(page)
        return data[: _HEADER.size], data[_HEADER.size :]

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
            # The SDK tells a time-out of its own as cancelled.
            if isinstance(error, RPCError) and error.status in _TIMED_OUT:
                self._rpc_timeout = min(self._rpc_timeout * 2, _LONGEST_RPC_TIMEOUT)
            await asyncio.sleep(_PAUSE)
            return None

    def _check_time(self, why: object) -> None:
        """Give this attempt up if it has asked long enough."""
        if asyncio.get_running_loop().time() > self._until:
            raise ApplicationError(
                f"The workflow gave no answer to the query {TRANSCRIPT_QUERY!r} for its conversation: {why}. "
                "The call is tried again",
                type=TRANSCRIPT_UNAVAILABLE,
                next_retry_delay=min(timedelta(seconds=2**self._doublings), _LONGEST_DELAY),
            ) from (why if isinstance(why, Exception) else None)
        activity.logger.debug("reason=<%s> | asking the workflow for its conversation again", why)

    def _gone(self) -> ApplicationError:
        return ApplicationError(
            f"The workflow no longer waits for call {self._transcript.call} of agent "
            f"{self._transcript.agent}: it has ended the call, or was reset",
            type=TRANSCRIPT_GONE,
            non_retryable=True,
        )


def _patience(info: activity.Info) -> timedelta:
    """Return how long this attempt asks; the last one as long as it may, as a deploy may last."""
    attempts = info.retry_policy.maximum_attempts if info.retry_policy else 0
    if not attempts or info.attempt < attempts or info.start_to_close_timeout is None:
        return ASK_FOR
    return max(ASK_FOR, info.start_to_close_timeout * 0.9)
