"""An LRU cache, bounded in bytes, of each agent's latest conversation.

A rebuilt conversation must match the call's digest. On a mismatch or a miss the worker fetches the
conversation from the workflow by query.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, cast

from strands.event_loop.streaming import process_stream
from strands.types.content import Message, Messages, SystemContentBlock
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolSpec
from temporalio import activity

from .._wire.model_call import OutputSchema, Transcript
from .._wire.reading import FAULTS, read_as, reading
from .._wire.transcript_parts import part_from_wire
from .._wire.transcripts import (
    ANSWER_DIGITS,
    Frame,
    apply_delta,
    canonical,
    digest_of,
    digest_of_all,
    digest_of_frame,
    system_prompt_of,
)
from .._wire.values import decode, encode
from .byte_cache import ByteCache
from .transcript_queries import TranscriptQueries

DEFAULT_CACHE_BYTES = 64 * 1024 * 1024
"""Bytes of conversations that a worker keeps by default: enough for a few hundred long conversations."""


class ResolvedCall(NamedTuple):
    """The conversation of a model call, decoded. The caller may change it."""

    messages: Messages
    tool_specs: list[ToolSpec] | None
    system_prompt: str | None
    system_blocks: list[SystemContentBlock] | None
    session_id: str | None
    output: OutputSchema | None


class _Item(NamedTuple):
    """The JSON of a message or tool spec, and its digest."""

    data: bytes
    digest: bytes


@dataclass
class _CachedTranscript:
    """The latest conversation of one agent."""

    call: int
    digest: str
    messages: Sequence[_Item]
    tools: Sequence[_Item]
    frame: Frame
    answer: _Item | None = None

    @cached_property
    def size(self) -> int:
        """Bytes of JSON in this conversation."""
        items = [*self.messages, *self.tools, *([self.answer] if self.answer else [])]
        return sum(len(item.data) for item in items) + len(canonical(self.frame))


_Key = tuple[str, str, int]
_EMPTY = _CachedTranscript(0, "", (), (), {})


class KeptTranscripts:
    """The conversations of this worker's model calls. One object per plugin.

    Args:
        max_bytes: Largest number of bytes of JSON to keep.
    """

    def __init__(self, max_bytes: int) -> None:
        self._kept = ByteCache[_Key, _CachedTranscript](max_bytes, attrgetter("size"))
        self.queries = TranscriptQueries()

    @property
    def kept_bytes(self) -> int:
        """Bytes of JSON that are kept now."""
        return self._kept.kept_bytes

    async def resolve(self, transcript: Transcript) -> ResolvedCall:
        """Return the conversation of a call, from the cache or from the workflow. Runs in an activity.

        Raises:
            ApplicationError: If the workflow did not return the conversation (see `TranscriptQueries.ask`).
        """
        key = _key(transcript)
        before = self._kept.get(key)
        kept = put_together(before, transcript)
        if kept is None:
            _count("misses", "Conversations that a worker had to ask the workflow for")
            kept = await self._asked(before, transcript)
        elif kept is before and kept.answer is not None:
            kept = replace(kept, answer=None)  # another attempt of the same call
        self._kept.keep(key, kept)
        return _resolved(kept)

    async def store_answer(self, transcript: Transcript, events: Sequence[Any]) -> str:
        """Keep the answer to a call. Return the first digits of its digest, or "" if it makes no message.

        Args:
            transcript: The call's transcript.
            events: The answer's events, encoded.
        """
        message = await _message(events)
        if message is None:
            return ""
        answer = _item(encode(message))
        key = _key(transcript)
        kept = self._kept.get(key)
        if kept is not None and kept.call == transcript.call:
            self._kept.keep(key, replace(kept, answer=answer))
        return answer.digest.hex()[:ANSWER_DIGITS]

    def clear(self) -> None:
        """Drop all conversations. Called when the worker ends."""
        self._kept.clear()

    async def _asked(self, before: _CachedTranscript | None, transcript: Transcript) -> _CachedTranscript:
        """Ask the workflow for the conversation; only for the new items if that is enough."""
        kept = None
        if before is not None and transcript.messages is None and before.call == transcript.call - 1:
            kept = put_together(before, await self.queries.ask(transcript, news=True))
        if kept is None:
            whole = await self.queries.ask(transcript, news=False)
            with reading("The conversation of a model call"):
                kept = _rebuilt(_EMPTY, whole)
        if not _fits(kept.digest, transcript):
            # Content with a time or a random id differs after each replay. Use what the workflow has now.
            activity.logger.warning(
                "agent=<%s>, call=<%s> | the conversation changed in a replay; taking the current one",
                transcript.agent,
                transcript.call,
            )
            _count("differences", "Conversations that changed in a replay of their workflow")
        return kept


def put_together(before: _CachedTranscript | None, transcript: Transcript) -> _CachedTranscript | None:
    """Return the conversation of a call, or None if it cannot be rebuilt from the cached conversation."""
    if before is not None and before.call == transcript.call and _fits(before.digest, transcript):
        return before
    if transcript.messages is None:
        return None
    if before is None or transcript.call == 1:
        before = _EMPTY
    if before.call != transcript.call - 1:
        return None
    try:
        kept = _rebuilt(before, transcript)
        return kept if _fits(_digest(kept), transcript) else None
    except FAULTS:  # it refers to what is not here, or is damaged: the workflow has it all
        return None


def _fits(digest: str, transcript: Transcript) -> bool:
    """Tell whether a conversation's digest is that of a call, which may have only its first digits."""
    wanted = transcript.digest
    return digest[: len(wanted)] == wanted[: len(digest)]


def _rebuilt(before: _CachedTranscript, transcript: Transcript) -> _CachedTranscript:
    frame: dict[str, Any] = {**before.frame, **transcript.frame}
    tools = before.tools
    if transcript.tools is not None:
        tools = apply_delta(before.tools, map(part_from_wire, transcript.tools), None, _item)
    return _CachedTranscript(
        transcript.call,
        transcript.digest,
        apply_delta(before.messages, map(part_from_wire, transcript.messages or ()), before.answer, _item),
        tools,
        cast("Frame", {name: value for name, value in frame.items() if value is not None}),
    )


def _resolved(kept: _CachedTranscript) -> ResolvedCall:
    with reading("The conversation of a model call"):
        return _resolved_frame(kept)


def _resolved_frame(kept: _CachedTranscript) -> ResolvedCall:
    prompt, blocks = system_prompt_of(kept.frame)
    output = kept.frame.get("output")
    return ResolvedCall(
        cast("Messages", _decoded(kept.messages)),
        cast("list[ToolSpec]", _decoded(kept.tools)) or None,
        prompt,
        blocks,
        kept.frame.get("session_id"),
        None if output is None else read_as(OutputSchema, output),
    )


async def _message(events: Sequence[Any]) -> Message | None:
    """Return the message that Strands builds from an answer's encoded events, None if it builds none."""

    async def stream() -> AsyncGenerator[StreamEvent]:
        for event in events:
            yield cast("StreamEvent", decode(event))  # Strands changes the events it gets

    try:
        async for event in process_stream(stream()):
            if "stop" in event:
                return cast("Message", event["stop"][1])
    except Exception as error:  # noqa: BLE001  # the workflow gets the events too, and reports the error
        activity.logger.debug("error=<%r> | the answer makes no message", error)
    return None


def _item(encoded: Any) -> _Item:
    return _Item(json.dumps(encoded, ensure_ascii=False).encode(), digest_of(canonical(encoded)))


def _decoded(items: Sequence[_Item]) -> Any:
    return decode(json.loads(b"[" + b",".join(item.data for item in items) + b"]"))


def _digest(kept: _CachedTranscript) -> str:
    return digest_of_all(
        [item.digest for item in kept.messages],
        [item.digest for item in kept.tools],
        digest_of_frame(kept.frame),
    )


def _key(transcript: Transcript) -> _Key:
    info = activity.info()
    return info.namespace, info.workflow_run_id or "", transcript.agent


def _count(name: str, description: str) -> None:
    activity.metric_meter().create_counter(f"strands_temporal_transcript_{name}", description).add(1)
