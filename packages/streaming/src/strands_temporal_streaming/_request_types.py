"""The events of a conversation's requests: which request a turn belongs to, and how it ended."""

from dataclasses import dataclass, field
from typing import Any

from ._types import LifeEvent


@dataclass(frozen=True, kw_only=True)
class RequestStarted(LifeEvent):
    """A message of a `Conversation` begins its turn, or joins the turn that runs (`while_busy="steer"`).

    The events up to its `RequestEnded` are those of its turn. A turn goes on under its request after a
    question, in whichever run of the workflow.

    Attributes:
        request: Id of the request: of the update that brought the message.
        message: The message as it was sent, in JSON values; if `truncated`, the beginning of its JSON text.
        index: How many messages the agent had before: the index of this one in the conversation.
        state: The agent's state (`agent.state`), in JSON values; None if it is too large.
        truncated: Whether `message` is only the beginning.
    """

    request: str = ""
    message: Any = None
    index: int = 0
    state: dict[str, Any] | None = None
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class RequestEnded(LifeEvent):
    """The turn of a request has ended, and the request has its answer.

    Attributes:
        request: Id of the request.
        stop_reason: Strands' stop reason; None if the turn failed.
        error_type: Class name of the error; empty if the turn did not fail.
        error: The error's message; its beginning if it is long.
        structured_output: The structured output, in JSON values; None if there is none, or if it is too
            large.
        usage: Tokens of the turn, sub-agents included, as in `TurnResult`.
        state: The agent's state now, in JSON values; None if it is too large.
    """

    request: str = ""
    stop_reason: str | None = None
    error_type: str = ""
    error: str = ""
    structured_output: Any = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    state: dict[str, Any] | None = None


REQUESTS_QUERY = "strands_temporal_stream_requests"
"""Query of a conversation with a stream, for `StreamRequests` as a JSON object."""


@dataclass(frozen=True)
class StreamRequest:
    """Where the events of a request begin.

    Attributes:
        request: Id of the request.
        turn: Number of its turn.
        offset: Offset of its `RequestStarted`.
        ended: Whether the turn has ended.
        title: The beginning of the conversation's first message, in the oldest of the requests that are
            kept; else empty.
    """

    request: str
    turn: int
    offset: int
    ended: bool = False
    title: str = ""


@dataclass(frozen=True)
class StreamRequests:
    """The latest requests of a conversation, and the end of its stream.

    Attributes:
        offset: Offset of the next event.
        topic: Topic of the stream.
        requests: The requests, oldest first.
    """

    offset: int = 0
    topic: str = ""
    requests: list[StreamRequest] = field(default_factory=list[StreamRequest])
