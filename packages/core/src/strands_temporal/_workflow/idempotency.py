"""The idempotency key of a tool call, and the headers of agents' activities.

The key comes from the message that asks for the call and the call's place in it. The provider's id alone is
not enough: some servers number the calls of each answer from the start. The message's `tracking_id` stays the
same over retries, a resume and continue-as-new, and over a reset thanks to `_upstream/answers.py`.
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from typing import Any, cast

from strands import Agent, ToolContext
from temporalio import worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from .._upstream.private_api import background_task
from .._upstream.run_local import run_local

_LENGTH = 32  # hex digits: 128 bits, as in a UUID

_NO_HEADERS: Mapping[str, Payload] = {}
_headers: ContextVar[Mapping[str, Payload]] = ContextVar("strands_temporal_headers", default=_NO_HEADERS)


def idempotency_key(context: "ToolContext[Any]", arguments: Mapping[str, Any]) -> str:
    """Return the key of the tool call. It is the same for all repetitions of this call, and unique to it.

    Args:
        context: The call, as Strands gives it to a tool.
        arguments: The validated arguments.
    """
    what = _digest([context.tool_use["name"], arguments])
    asked = _asked(context) or run_local(_DirectCalls).asked(context.tool_use["toolUseId"], what)
    return _digest([*run_local(Origin).of_calls(), *asked, what])[:_LENGTH]


class Origin:
    """Where the tool calls of a run come from: a workflow id and the first run of its chain.

    A child workflow that was started again with an answer goes on with the calls of the child that asked.
    """

    def __init__(self) -> None:
        self._taken_over: list[str] | None = None

    def of_calls(self) -> list[str]:
        """Return the workflow id and the first run's id that are parts of each key."""
        info = workflow.info()
        return self._taken_over or [info.workflow_id, info.first_execution_run_id]

    def take_over(self, origin: list[str]) -> None:
        """Go on with the calls of another workflow."""
        self._taken_over = list(origin)


def tool_header(
    key: str, context: "ToolContext[Any]", activity_type: str, held: list[Any] | None = None
) -> Payload:
    """Return the header of the activity that answers the call.

    The header is plain JSON, whatever converter the user has, because the worker reads it in an interceptor.

    Args:
        key: The idempotency key.
        context: The call.
        activity_type: The activity type.
        held: Number and digest of the part of the context that the workflow holds; None if it holds none.
    """
    use = context.tool_use
    name = [use["name"]] if use["name"] != activity_type else []
    return PayloadConverter.default.to_payload([key, use["toolUseId"], *name, *([held] if held else [])])


def hook_header() -> Payload:
    """Return the header of an activity that runs for a hook."""
    return PayloadConverter.default.to_payload(1)


@contextlib.contextmanager
def with_headers(headers: Mapping[str, Payload]) -> Generator[None]:
    """Add `headers` to the activities that the block starts. The block must not await."""
    token = _headers.set(headers)
    try:
        yield
    finally:
        _headers.reset(token)


class ActivityHeadersInterceptor(worker.WorkflowOutboundInterceptor):
    """Adds the headers of a tool call or a hook to its activity."""

    def start_activity(self, input: worker.StartActivityInput) -> "workflow.ActivityHandle[Any]":
        """See base class."""
        headers = _headers.get()
        if headers:
            input.headers = {**input.headers, **headers}
        return super().start_activity(input)


class _DirectCalls:
    """The calls of one run that no message asked for, such as `agent.tool_async.pay(...)`.

    Strands draws an id for each of these calls, but the id changes after a reset. So equal calls are
    numbered.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._made: Counter[str] = Counter()

    def asked(self, tool_use_id: str, what: str) -> list[Any]:
        """Return a value that identifies a call among all calls of this run and of the runs before it.

        Args:
            tool_use_id: The id that Strands drew. It stays the same if a hook repeats the call.
            what: Digest of the tool's name and the arguments.
        """
        if (tool_use_id, what) not in self._numbers:
            self._numbers[tool_use_id, what] = self._made[what]
            self._made[what] += 1
        return ["direct", workflow.info().continued_run_id, self._numbers[tool_use_id, what]]


def _asked(context: "ToolContext[Any]") -> list[Any] | None:
    """Return the origin of a call: a message and a place in it, or a background task; else return None.

    A background task may begin when the agent has different messages, so its own id identifies it.
    """
    task = background_task(context)
    if task is not None:
        return ["task", task]
    use: Any = context.tool_use
    for message in _asking_messages(context.agent):
        asked = [
            (place, block["toolUse"])
            for place, block in enumerate(message["content"])
            if "toolUse" in block and block["toolUse"]["toolUseId"] == use["toolUseId"]
        ]
        if asked:
            # A model that is not a `TemporalModel` may use the same id twice. The input then tells the calls
            # apart.
            places = [place for place, block in asked if block["input"] is use["input"]]
            return ["message", message.get("tracking_id"), (places or [asked[0][0]])[0]]
    return None


def _asking_messages(agent: Any) -> Generator[Any]:
    """Yield the messages that may have asked for a call.

    If the agent was resumed, the first one is the message whose tool calls it continues. The next one is the
    last message that asks for tools. Both are the same message, unless it was removed from the conversation
    in the meantime.
    """
    if isinstance(agent, Agent):
        state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
        if state.get("pending_tool_execution"):
            yield state["pending_tool_execution"]["assistant_message"]
    for message in reversed(cast("list[Any]", getattr(agent, "messages", []))):
        if message["role"] == "assistant" and any("toolUse" in block for block in message["content"]):
            yield message
            return


def _digest(value: Any) -> str:
    try:
        text = _text(value)
    except TypeError:  # a key that JSON cannot represent, or keys that cannot be sorted
        text = _text(_with_text_keys(value))
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return sorted([str(key), _text(_with_text_keys(item))] for key, item in items)
    if isinstance(value, (list, tuple)):
        return [_with_text_keys(item) for item in cast("list[Any]", value)]
    return value


def _plain(value: Any) -> Any:
    """Return a stand-in for an argument that is not JSON. Sort a set: its order differs between processes."""
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, cast("set[Any]", value)))
    return str(value)
