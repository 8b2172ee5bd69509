"""The types of a tool call and its result, activity types and headers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, cast

from .model_call import WIRE_VERSION

TOOL_HEADER = "strands-temporal-tool"
"""Header of the activity behind a tool call: a JSON list of the idempotency key, the tool use id and, where
it is not the activity type, the tool's name. It tells the worker that the activity answers a tool call."""


HOOK_HEADER = "strands-temporal-hook"
"""Header of the activity that runs in a hook's place. It tells the worker that an agent waits for it."""


HELD_HEADER = "strands-temporal-held"
"""Header of the activity behind a tool call whose context is not all there: a JSON list of the number and the
digest by which the worker asks for the rest."""


TOOL_HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""Heartbeat time-out of the activity of a tool or a hook where the user chose none. The worker heartbeats by
itself; a cancel arrives with a heartbeat, which the SDK passes on after at most 80 % of this."""


TOOL_ANSWER_VERSION = 1
"""Version of the layout of `ToolAnswer`; raised when a field changes its meaning."""


TOOL_ARGUMENTS_VERSION = 1
"""Version of the layout of `ToolArguments`; raised when a field changes its meaning."""


@dataclass(frozen=True)
class ToolArguments:
    """Arguments of the activity behind a tool call, as the model wrote them.

    They cross as the list of `to_args`, in place of the activity's own arguments. It never has as many items
    as the activity has parameters: only then does the SDK leave the parameters' types alone and hand over the
    JSON.

    Attributes:
        input: The model's JSON, encoded.
        context: What a `ToolContext` is made of, without its input; None for an activity that takes none.
        version: Layout of this value.
    """

    input: dict[str, Any]
    context: dict[str, Any] | None = None
    version: int = TOOL_ARGUMENTS_VERSION

    def to_args(self, parameters: int) -> list[Any]:
        """Return what crosses to an activity with that many parameters."""
        wire = {_ARGUMENTS_KEY: self.version, "input": self.input}
        if self.context is not None:
            wire["context"] = self.context
        return [wire, None] if parameters == 1 else [wire]

    @classmethod
    def from_args(cls, args: Sequence[Any]) -> "ToolArguments | None":
        """Return the arguments that crossed so, or None for an activity's own arguments."""
        wire = cast("dict[str, Any]", args[0]) if args and isinstance(args[0], dict) else {}
        version = wire.get(_ARGUMENTS_KEY)
        if not isinstance(version, int) or not isinstance(wire.get("input"), dict):
            return None
        return cls(wire["input"], wire.get("context"), version)


_ARGUMENTS_KEY = "strands_arguments"


@dataclass(frozen=True)
class ToolAnswer:
    """What the activity behind a tool call answered: made on the worker, with the real object in hand.

    It crosses as the dict of `to_wire`, only what is set, as most answers are one text. A worker without the
    plugin answers with the activity's bare value instead.

    Attributes:
        text: The whole result, where it is one text block with status "success".
        result: Else the Strands `ToolResult` without its `toolUseId`, encoded.
        state: What the activity changed in the agent's state: new values by key, encoded, in "set", removed
            keys in "delete"; in the invocation state: a list of changes in "invocation_state"; and the
            arguments of `agent.cancel` in "cancel", where a tool called it.
        version: Layout of this value.
    """

    text: Any = None
    result: Any = None
    state: dict[str, Any] | None = None
    version: int = TOOL_ANSWER_VERSION

    def to_wire(self) -> dict[str, Any]:
        """Return what crosses to the workflow."""
        fields = {"text": self.text, "result": self.result, "state": self.state}
        return {_ANSWER_KEY: self.version, **{k: v for k, v in fields.items() if v is not None}}

    @classmethod
    def from_wire(cls, value: Any) -> "ToolAnswer | None":
        """Return the answer that `value` is, or None for an activity's bare value."""
        if not isinstance(value, dict):
            return None
        wire = cast("dict[str, Any]", value)
        version = wire.get(_ANSWER_KEY)
        if not isinstance(version, int) or not wire.keys() <= _ANSWER_FIELDS:
            return None
        return cls(wire.get("text"), wire.get("result"), wire.get("state"), version)


_ANSWER_KEY = "strands_tool"


_ANSWER_FIELDS = {_ANSWER_KEY, "text", "result", "state"}


LIST_TOOLS_ACTIVITY = "list_hosted_tools"
"""Activity type of a listing of the tools that a worker hosts."""


INVOKE_TOOL_ACTIVITY = "invoke_tool"
"""Activity type of a call of a tool that a worker hosts."""


TOOL_FACTORY_FAILED = "ToolFactoryFailed"


HOSTED_TOOL_RESULT = "strands_tool_result"
"""Key, in the details of a failed `invoke_tool`, of the error result that Strands worded, encoded."""


@dataclass(frozen=True)
class HostedToolSpec:
    """One tool that a worker hosts.

    Attributes:
        hosted_as: Name in `StrandsPlugin(tools=...)`; one name may stand for several tools.
        spec: Strands tool spec, encoded.
    """

    hosted_as: str
    spec: Any


@dataclass(frozen=True)
class HostedToolListing:
    """The tools that a handle's names stand for: the result of `list_hosted_tools`.

    Attributes:
        tools: The tools, in the order of the names.
        version: Layout of this value.
    """

    tools: list[HostedToolSpec]
    version: int = WIRE_VERSION


Changes: TypeAlias = Sequence[Sequence[Any]]
"""What a tool changed, in order: "set", "extend" or "delete", the keys on the way there, and the value or
items, encoded."""
