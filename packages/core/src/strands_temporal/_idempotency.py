"""The idempotency key of a tool call, and the headers of agents' activities. Workflow side.

The key is made of what stays the same when the call is made again: over an activity's retries and a worker's
restarts by the history, over a reset and continue-as-new because neither changes the workflow id, the first
run of the chain, the conversation or the arguments.
"""

import contextlib
import hashlib
import json
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from typing import Any, cast

from strands import ToolContext
from temporalio import worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

_LENGTH = 32  # hex digits: 128 bits, as in a UUID

_NO_HEADERS: Mapping[str, Payload] = {}
_headers: ContextVar[Mapping[str, Payload]] = ContextVar("strands_temporal_headers", default=_NO_HEADERS)


def idempotency_key(context: "ToolContext[Any]", arguments: Mapping[str, Any]) -> str:
    """Return the key of the tool call: the same each time this call is made, another for another call.

    Args:
        context: The call, as Strands gives it to a tool.
        arguments: The validated arguments.
    """
    info = workflow.info()
    use = context.tool_use
    parts: list[Any] = [info.workflow_id, info.first_execution_run_id, use["toolUseId"], use["name"]]
    parts.append(arguments)
    repeated = _times_used(context.agent, use["toolUseId"])
    if repeated:
        parts.append(repeated)
    text = json.dumps(parts, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def tool_header(key: str, context: "ToolContext[Any]", activity_type: str) -> Payload:
    """Return the header of the activity that answers the call.

    Always plain JSON, whatever converter the user has: the worker reads it in an interceptor.
    """
    use = context.tool_use
    value = [key, use["toolUseId"]] + ([use["name"]] if use["name"] != activity_type else [])
    return PayloadConverter.default.to_payload(value)


def hook_header() -> Payload:
    """Return the header of an activity that runs in a hook's place."""
    return PayloadConverter.default.to_payload(1)


@contextlib.contextmanager
def with_headers(headers: Mapping[str, Payload]) -> Generator[None]:
    """Give `headers` to the activities that are started in the block; nothing may be awaited in it."""
    token = _headers.set(headers)
    try:
        yield
    finally:
        _headers.reset(token)


class ActivityHeaders(worker.WorkflowOutboundInterceptor):
    """Adds the headers of a tool call or a hook to the activity that is started for it."""

    def start_activity(self, input: worker.StartActivityInput) -> "workflow.ActivityHandle[Any]":
        """See base class."""
        headers = _headers.get()
        if headers:
            input.headers = {**input.headers, **headers}
        return super().start_activity(input)


def _times_used(agent: Any, tool_use_id: str) -> int:
    """Return how often the conversation used this id before the message that asks for tools now.

    Zero with the ids of nearly all providers. Some servers that imitate a provider number the calls of each
    answer anew ("call_0"): without this, the second of two equal calls would pass for the first.
    """
    messages = cast("list[Any]", getattr(agent, "messages", []))
    return sum(
        block["toolUse"]["toolUseId"] == tool_use_id
        for message in messages[:-1]
        for block in message["content"]
        if "toolUse" in block
    )


def _plain(value: Any) -> Any:
    """Return a stand-in for an argument that is not JSON; a set's order differs from process to process."""
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, cast("set[Any]", value)))
    return str(value)
