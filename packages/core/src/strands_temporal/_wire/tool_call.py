"""The types of a tool call and its result, the activity types and the headers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, cast

from .._errors import AgentTypeError
from .model_call import WIRE_VERSION

TOOL_HEADER = "strands-temporal-tool"
"""Header of a tool call's activity: a JSON list of the idempotency key and the tool use id. It tells the
worker that the activity answers a tool call. Where it is needed, the list goes on with the tool's name,
if it differs from the activity type, and with a list of the number and the digest by which the worker asks
for the part of the context that the workflow holds."""


HOOK_HEADER = "strands-temporal-hook"
"""Header of a hook's activity. It tells the worker that an agent waits for the activity."""


PROGRESS_HEADER = "strands-temporal-progress"
"""Header of a tool call's activity if readers of the workflow's stream should get the tool's progress: a JSON
value of the streaming package."""


TOOL_HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""Heartbeat timeout of a tool's or a hook's activity if the user set none. The worker heartbeats
automatically. A cancellation arrives with the response to a heartbeat, and the SDK sends heartbeats at
intervals of at most 80 % of this timeout."""


TOOL_OUTCOME_VERSION = 1
"""Version of the layout of `ToolOutcome`. It increases when a field changes its meaning."""


TOOL_ARGUMENTS_VERSION = 2
"""Version of the layout of `ToolArguments`. It increases when a field changes its meaning: since 2 the
context has no `tool_use`."""


@dataclass(frozen=True)
class ToolArguments:
    """Arguments of a tool call's activity, as the model wrote them.

    They are sent as the list that `to_args` returns, in place of the activity's own arguments. The list never
    has as many items as the activity has parameters. Because these numbers differ, the SDK ignores the
    parameters' types and passes the JSON.

    Attributes:
        input: The model's JSON, encoded.
        context: The fields of the `ToolContext` that are not empty, without its `tool_use`, which is in the
            header and in `input`; None for an activity that takes no context.
        version: Layout of this value.
    """

    input: dict[str, Any]
    context: dict[str, Any] | None = None
    version: int = 1

    @classmethod
    def of(cls, input: dict[str, Any], context: dict[str, Any] | None) -> "ToolArguments":
        """Return the arguments in the oldest version that can hold them."""
        return cls(input, context, 1 if context is None else TOOL_ARGUMENTS_VERSION)

    def to_args(self, parameters: int) -> list[Any]:
        """Return the list to send to an activity with `parameters` parameters."""
        wire = {_ARGUMENTS_KEY: self.version, "input": self.input}
        if self.context is not None:
            wire["context"] = self.context
        return [wire, None] if parameters == 1 else [wire]

    @classmethod
    def from_args(cls, args: Sequence[Any]) -> "ToolArguments | None":
        """Return the arguments if they were sent in this form, or None for an activity's own arguments."""
        wire = cast("dict[str, Any]", args[0]) if args and isinstance(args[0], dict) else {}
        version = wire.get(_ARGUMENTS_KEY)
        if not isinstance(version, int) or not isinstance(wire.get("input"), dict):
            return None
        return cls(wire["input"], wire.get("context"), version)


_ARGUMENTS_KEY = "strands_arguments"


@dataclass(frozen=True)
class ToolOutcome:
    """The answer of a tool call's activity. The worker builds it from the real object that the tool returned.

    It is sent as the dict that `to_wire` returns, which has only the fields that are set: most answers are
    one text. A worker without the plugin sends the activity's bare value instead.

    Attributes:
        text: The whole result, if it is one text block with status "success".
        result: Otherwise the Strands `ToolResult` without its `toolUseId`, encoded.
        state: Changes by the activity. For the agent's state: new values by key, encoded, in "set", and
            removed keys in "delete". For the invocation state: a list of changes in "invocation_state". If a
            tool called `agent.cancel`: the arguments of that call in "cancel". If it was not the first
            attempt: its number in "attempt". That number has no field of its own, because an older release
            would treat an answer with an unknown field as a bare value.
        version: Layout of this value.
    """

    text: Any = None
    result: Any = None
    state: dict[str, Any] | None = None
    version: int = TOOL_OUTCOME_VERSION

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the workflow."""
        fields = {"text": self.text, "result": self.result, "state": self.state}
        return {_ANSWER_KEY: self.version, **{k: v for k, v in fields.items() if v is not None}}

    @property
    def attempt(self) -> int:
        """Temporal's number of the attempt that answered."""
        return (self.state or {}).get("attempt", 1)

    @classmethod
    def from_wire(cls, value: Any) -> "ToolOutcome | None":
        """Return the answer that was sent as `value`, or None for an activity's bare value.

        Raises:
            AgentTypeError: If its state is no object.
        """
        if not isinstance(value, dict):
            return None
        wire = cast("dict[str, Any]", value)
        version = wire.get(_ANSWER_KEY)
        if not isinstance(version, int) or not wire.keys() <= _ANSWER_FIELDS:
            return None
        state = wire.get("state")
        if not isinstance(state, (dict, type(None))):
            raise AgentTypeError(f"A tool's answer cannot be read: its state is a {type(state).__name__}")
        return cls(wire.get("text"), wire.get("result"), cast("dict[str, Any] | None", state), version)


_ANSWER_KEY = "strands_tool"


_ANSWER_FIELDS = {_ANSWER_KEY, "text", "result", "state"}


LIST_TOOLS_ACTIVITY = "list_hosted_tools"
"""Activity type that lists the tools hosted on a worker."""


INVOKE_TOOL_ACTIVITY = "invoke_tool"
"""Activity type that calls a tool hosted on a worker."""


TOOL_FACTORY_FAILED = "ToolFactoryFailed"


HOSTED_TOOL_RESULT = "strands_tool_result"
"""Key in the details of a failed `invoke_tool`. Its value is the error result that Strands made, encoded."""


@dataclass(frozen=True)
class HostedToolSpec:
    """One tool that a worker hosts.

    Attributes:
        hosted_as: Name in `StrandsPlugin(tools=...)`. One name may provide several tools.
        spec: Strands tool spec, encoded.
    """

    hosted_as: str
    spec: Any


@dataclass(frozen=True)
class HostedToolListing:
    """The tools behind a handle's names: the result of `list_hosted_tools`.

    Attributes:
        tools: The tools, in the order of the names.
        version: Layout of this value.
    """

    tools: list[HostedToolSpec]
    version: int = WIRE_VERSION


Changes: TypeAlias = Sequence[Sequence[Any]]
"""Changes by a tool, in order. Each is a list: "set" or "extend", the path of keys and the encoded value or
items; or "delete" and the path of keys."""
