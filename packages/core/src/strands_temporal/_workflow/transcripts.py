"""Remembers which conversations a run has sent to models, so that each message is sent once.

One `SentTranscripts` serves all agents of a run. It answers the query of a worker for the conversation of a
pending call, if the worker's cache lacks the conversation, or for values that are too large to send with the
call.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from temporalio import workflow

from .._errors import AgentValueError
from .._upstream.run_local import run_local
from .._wire.model_call import HELD, TRANSCRIPT_QUERY, Transcript
from .._wire.transcript_parts import part_to_wire
from .._wire.transcripts import (
    KEPT_BYTES,
    PAGE_BYTES,
    Frame,
    Items,
    all_of,
    canonical,
    delta,
    digest_of_all,
    digest_of_frame,
    held_digest,
    json_equal,
)
from .._wire.values import json_size
from .current_details import describe_query
from .gate import INLINE_BYTES
from .query_handlers import takes_json
from .transcript_pages import Pages

FOR_WORKERS = (
    "For workers: a worker asks with it for the conversation of a model call in progress. To read the "
    "conversation, use the query `conversation`"
)
"""Description of the query, and the answer to a person who calls it."""

NO_FRAME = digest_of_frame({})


_TOLD = 100
"""How many values a run remembers to have sent."""

_SEARCHES = 8
"""How often to look for a message at another place than the expected one: a conversation manager has removed
those between, or a hook has changed one. More of them are not shared."""


@dataclass
class AgentTranscript:
    """The values that the latest call of one agent sent.

    Attributes:
        agent: Number of the agent in its run.
        call: Number of the latest call; 0 before the first call.
        messages: The conversation.
        tools: The tool specs.
        frame: The `Frame`: system prompt, session id, output class.
        frame_digest: Digest of `frame`.
        answer: First digits of the digest of the call's answer, once it is known.
    """

    agent: int
    call: int = 0
    messages: Items = field(default_factory=Items)
    tools: Items = field(default_factory=Items)
    frame: Frame = field(default_factory=Frame)
    frame_digest: bytes = NO_FRAME
    answer: str = ""

    def share(self, messages: list[Any]) -> tuple[list[Any], list[int]]:
        """Return what the latest call sent for an agent's messages, and the messages that it did not send.

        A sent message has only a role and a content, which is all that Strands gives to a model.

        Returns:
            The messages for the next call, and the places of those that are the agent's own.
        """
        contents, roles = all_of("content", messages), all_of("role", messages)
        sent, shared, own = self.messages, list[Any](), list[int]()
        at = number = 0  # where the next message is expected, and its number
        searches = _SEARCHES
        while number < len(messages) and at < len(sent):
            same = sent.unchanged_contents(at, contents, roles, number)
            if not same and searches:
                searches -= 1
                found = _place(sent.contents, contents[number], at)
                same = sent.unchanged_contents(found, contents, roles, number)
                at = found if same else at
            if same:
                shared += sent.values[at : at + same]
            else:
                own.append(number)
                shared.append(messages[number])
            at += same
            number += same or 1
        own += range(number, len(messages))
        shared += messages[number:]
        return shared, own


class OutgoingTranscript(NamedTuple):
    """A call in progress.

    Attributes:
        transcript: The transcript that is sent.
        sent: The values that the call's agent has sent, including those of this call.
    """

    transcript: Transcript
    sent: AgentTranscript

    def record_answer(self, answer: str) -> None:
        """Remember the first digits of the answer's digest, so that the next call does not send it."""
        if self.sent.call == self.transcript.call:
            self.sent.answer = answer


class SentTranscripts:
    """The conversations that the agents of one run have sent, and the calls in progress."""

    def __init__(self) -> None:
        self._sent: WeakKeyDictionary[object, AgentTranscript] = WeakKeyDictionary()
        self._agents = 0
        self._values = 0
        self._told: dict[str, None] = {}  # digests of values that workers have got, oldest first
        self._under_way: dict[tuple[int, int], Pages] = {}

    @classmethod
    def of_this_run(cls) -> "SentTranscripts":
        """Return the object of this run. The first use creates it and registers its query handler.

        Raises:
            AgentValueError: If the workflow already has a query of that name.
        """
        transcripts = run_local(cls)
        handler = workflow.get_query_handler(TRANSCRIPT_QUERY)
        if handler is None:
            workflow.set_query_handler(TRANSCRIPT_QUERY, transcripts.page)
            describe_query(TRANSCRIPT_QUERY, FOR_WORKERS)
        elif handler != transcripts.page:
            raise AgentValueError(
                f"The workflow has a query handler {TRANSCRIPT_QUERY!r}: {handler!r}. Agents need that name; "
                "give yours another"
            )
        return transcripts

    @contextmanager
    def send(
        self, owner: object, messages: Sequence[Any], tools: Sequence[Any], frame: Frame
    ) -> "Generator[OutgoingTranscript]":
        """Yield the transcript of a call, and answer queries for it during the block.

        Args:
            owner: Owner of the conversation: the agent, or the handle if no agent calls.
            messages: Strands messages.
            tools: Strands tool specs.
            frame: The rest of the call: system prompt, session id, output class.

        Raises:
            TypeError: If a new item contains something that is neither JSON nor bytes.
        """
        sent = self._sent.get(owner)
        if sent is None:
            self._agents += 1
            sent = self._sent[owner] = AgentTranscript(self._agents)
        transcript, pages = _next(sent, messages, tools, frame)
        key = (transcript.agent, transcript.call)
        self._under_way[key] = pages
        try:
            yield OutgoingTranscript(transcript, sent)
        finally:
            del self._under_way[key]

    @contextmanager
    def hold(self, value: Any, *, kept: bool = False) -> "Generator[list[Any] | None]":
        """Hold an encoded value during the block if it need not be sent. A worker can ask for it.

        Args:
            value: The value.
            kept: Whether workers keep it. Then it need not be sent either if it was sent before in this run,
                with a call that has ended well: a worker had it.

        Yields:
            Number and digest with which the worker asks for the value; None if the value must be sent.
        """
        self._values += 1  # even if not held: a release with another limit must count the same
        size = json_size(value)
        digest = held_digest(value) if size > (KEPT_BYTES if kept else INLINE_BYTES) else None
        if digest is None or (size <= INLINE_BYTES and digest not in self._told):
            yield None
            if digest is not None:
                self._told[digest] = None
                if len(self._told) > _TOLD:
                    del self._told[next(iter(self._told))]
            return
        key = (HELD, self._values)
        self._under_way[key] = Pages(digest, lambda _: value)
        try:
            yield [key[1], digest]
        finally:
            del self._under_way[key]

    @takes_json
    def page(
        self,
        agent: Any = None,
        call: Any = None,
        number: Any = None,
        news: Any = None,
        page_bytes: Any = PAGE_BYTES,
        *_: Any,
    ) -> str:
        """Answer the query: return a page of a call's conversation, or "" if the call is not in progress.

        Workers pass integers. With any other arguments the answer is a sentence: a person called the query.
        """
        if not all(isinstance(each, int) for each in (agent, call, number, news, page_bytes)):
            return FOR_WORKERS
        pages = self._under_way.get((agent, call))
        return "" if pages is None else pages.page(number, news, page_bytes)


def _place(contents: list[Any], content: Any, start: int) -> int:
    """Return the place of a content from `start` on; behind the last one if it is not there."""
    try:
        return contents.index(content, start)
    except Exception:  # noqa: BLE001  # it is not there, or a user's object does not compare
        return len(contents)


def _next(
    sent: AgentTranscript, messages: Sequence[Any], tools: Sequence[Any], frame: Frame
) -> tuple[Transcript, Pages]:
    """Return the next call's transcript and its pages, and remember it as sent.

    A large delta is not sent, and the worker asks for it. The content of the delta is already in history, as
    the input or the result that brought it to the workflow.
    """
    new_messages = delta(sent.messages, messages, sent.answer, sent.call)
    new_tools = delta(sent.tools, tools)
    changed: dict[str, Any] = {}
    if not json_equal(sent.frame, frame):
        changed = {key: frame.get(key) for key in {**sent.frame, **frame}}
        changed = {key: value for key, value in changed.items() if not json_equal(sent.frame.get(key), value)}
        sent.frame, sent.frame_digest = frame, digest_of_frame(frame)
    digest = digest_of_all(
        new_messages.items.digests,
        new_tools.items.digests,
        sent.frame_digest,
    )
    unchanged_tools = sent.tools.digests == new_tools.items.digests
    sent.call += 1
    sent.messages, sent.tools, sent.answer = new_messages.items, new_tools.items, ""
    news = Transcript(
        sent.call,
        digest,
        sent.agent,
        list(map(part_to_wire, new_messages.parts)),
        None if unchanged_tools else list(map(part_to_wire, new_tools.parts)),
        changed,
    )
    pages = Pages.of_conversation(news, sent.messages, sent.tools, frame)
    if new_messages.size + new_tools.size + len(canonical(changed)) > INLINE_BYTES:
        return Transcript(sent.call, digest, sent.agent), pages
    return news, pages
