"""Client tools: what a workflow and the clients that run its calls exchange.

All values are JSON. Bytes in arguments and results are written as `{"$b64": "..."}` (`values.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .reading import read_as

CLIENT_TOOL = "strands-temporal-client-tool"
"""Name of the interrupt that the call of a client tool raises. A retry adds a space and its number."""

RESULT_UPDATE = "client_tool_result"
"""Update with the outcome of a call: `{"id", "result"}`, any JSON value, or `{"id", "error"}`, a text.
Returns the call's record: `id`, `tool`, `outcome`, `at`, `by`."""

REFUSED_UPDATE = "client_tool_refused"
"""Update with which a client declines a call: `{"id": ..., "reason": text}`. Returns the call's record."""

CLAIM_UPDATE = "client_tool_claim"
"""Update with which a client takes a call, so that no other client runs it: `{"id", "by", "seconds"}`. Zero
seconds give the call back. Returns `id`, `by` and `until`."""

CALLS_QUERY = "client_tool_calls"
"""Query for the open calls, each a `ClientCall` as a JSON object, oldest first. With the id of a call: that
call alone and whole; an empty list if it is not open."""

SIGNAL = "client_tool_by_signal"
"""Signal for a run that has no room for another update: `{"update": name, "value": ..., "request": id}`."""

ANSWER_QUERY = "client_tool_answer"
"""Query that takes the request id of a `SIGNAL`. Returns `{"answer"}` or `{"refused", "type"}`, and an empty
object while there is neither."""

UNKNOWN_CALL = "UnknownClientCall"
ALREADY_ENDED = "ClientCallEnded"
PAST_DEADLINE = "ClientCallPastDeadline"
CLAIMED = "ClientCallClaimed"
MALFORMED = "MalformedClientMessage"
DOES_NOT_FIT = "ClientResultDoesNotFit"


@dataclass(frozen=True)
class ClientCall:
    """A call of a client tool that waits for a client.

    Attributes:
        id: Id of the call, which its result names.
        tool: Name of the tool.
        arguments: The call's arguments, validated, as JSON values. None if `cut`, as the schema then is.
        agent: Name of the agent that calls.
        asked_at: When the call began to wait (ISO 8601, the workflow's time).
        deadline: When the model gets an error instead; None without a deadline.
        output_schema: JSON schema of the result; None if any JSON value will do.
        claimed_by: The client that runs the call now.
        claimed_until: When another client may take the call.
        cut: Whether arguments and schema were left out, because smaller calls fill the query's answer. The
            query with the call's id has them.
    """

    id: str
    tool: str
    arguments: Any = None
    agent: str = ""
    asked_at: str = ""
    deadline: str | None = None
    output_schema: Any = None
    claimed_by: str | None = None
    claimed_until: str | None = None
    cut: bool = False

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> "ClientCall":
        """Return the call in an answer to `CALLS_QUERY`."""
        return read_as(cls, value)
