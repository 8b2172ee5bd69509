"""`TemporalTools`: tools hosted on the worker. Each call is an activity."""

from collections.abc import Sequence
from typing import Any, cast

from strands import ToolContext
from strands.interrupt import InterruptException
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolGenerator, ToolResult, ToolSpec, ToolUse
from temporalio.exceptions import ActivityError, ApplicationError
from typing_extensions import Unpack, override

from .._errors import AgentCancelledError, AgentTypeError, AgentValueError
from .._wire.event_forms import checked_tool_result
from .._wire.tool_call import (
    HOSTED_TOOL_RESULT,
    INVOKE_TOOL_ACTIVITY,
    LIST_TOOLS_ACTIVITY,
    HostedToolListing,
    HostedToolSpec,
    ToolOutcome,
)
from .._wire.values import decode
from .invocation_state import user_invocation_state
from .options import HEARTBEATING_TOOL_DEFAULTS, ActivityOptions, merge_options
from .remote_tools import RemoteTool, RemoteTools
from .tool_calls import call_tool_activity
from .tool_context import context_of_call
from .tool_results import tool_value


class TemporalTools(RemoteTools):
    """Tools hosted on a worker, for agents in a workflow: any Strands tool that does I/O, without a wrapper.

    Give it to a `TemporalAgent` in `tools=`, or to a plain `strands.Agent` in `hooks=`. The agent gets the
    tools when it is first invoked; history records the list. Each call is an activity `invoke_tool`. If the
    tool raises, `retry_policy` applies, except for a ValueError, which is about the arguments. After the last
    attempt the model reads the error in Strands' words. The handle's counterpart on the worker is
    `StrandsPlugin(tools={name: factory})`.

    On the worker a tool gets an agent with a copy of the calling agent's state (changes travel back), the
    caller's invocation state, answers to its interrupts, a cancel signal, and `tool_context()` of
    `strands_temporal.activity`. The agent on the worker has neither the conversation nor a model.

    Args:
        *names: Names in `StrandsPlugin(tools=...)`, or patterns for them (`"files_*"`).
        **options: Activity options of the listing and of every call: the keys of
            `temporalio.workflow.ActivityConfig` without `activity_id`. By default each may take 1 minute,
            has a heartbeat timeout of 15 seconds, and is tried 3 times. A call's summary is the name of its
            tool. If tools need different options, give the agent another `TemporalTools`.

    Raises:
        AgentTypeError: If a name is not a string, or an option is unknown or of a wrong type.
        AgentValueError: If there is no name, one is empty, or an option has a value that cannot work.
    """

    def __init__(self, *names: str, **options: Unpack[ActivityOptions]) -> None:
        _check(names)
        super().__init__()
        self.names = names
        self.options: ActivityOptions = merge_options(repr(self), HEARTBEATING_TOOL_DEFAULTS, options)
        self.warned: set[str] = set()

    def __repr__(self) -> str:
        return f"TemporalTools({', '.join(map(repr, self.names))})"

    @property
    @override
    def owner(self) -> str:
        """Display name of the tools' owner, for error messages."""
        return f"{self!r}, hosted on the worker,"

    @property
    @override
    def clash_hint(self) -> str:
        """Advice for the error that a tool's name is taken."""
        return "Leave one of them out, or give one another name on the worker: make_shell(name='...')"

    @override
    async def list_tools(self, known: bool) -> Sequence[AgentTool] | None:
        """List the tools with an activity.

        Raises:
            AgentValueError: If no worker hosts tools.
            ApplicationError: Type "ValueError" if no hosted tool matches a name.
        """
        listing = await self.listing(
            LIST_TOOLS_ACTIVITY,
            list(self.names),
            self.options,
            HostedToolListing,
            f"No worker hosts tools for {self!r}. Register them on the worker, in "
            "StrandsPlugin(tools={name: factory}).",
            listed=", ".join(self.names),
        )
        return [_HostedTool(self, tool) for tool in listing.tools]


class _HostedTool(RemoteTool):
    """One tool hosted on the worker."""

    def __init__(self, provider: TemporalTools, listed: HostedToolSpec) -> None:
        super().__init__(provider, cast("ToolSpec", decode(listed.spec)))
        self._handle = provider
        self._hosted_as = listed.hosted_as

    @override
    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        """Call the tool in an activity and yield its result."""
        context = context_of_call(tool_use, invocation_state, kwargs)
        try:
            yield ToolResultEvent(_with_id(await self._call(context), tool_use))
        except AgentCancelledError as error:
            yield ToolResultEvent(_error_result(tool_use, str(error)))
        except InterruptException:
            raise
        except Exception as error:  # noqa: BLE001  # as Strands' own tools do: the model sees the error
            result = _worded(error) or _error_result(tool_use, f"Error: {type(error).__name__} - {error}")
            yield ToolResultEvent(_with_id(result, tool_use), exception=error)

    async def _call(self, context: "ToolContext[Any]") -> ToolResult:
        use = context.tool_use
        handle = self._handle
        state = user_invocation_state(repr(handle), context.invocation_state, handle.warned)
        given: Any = use["input"]
        arguments: dict[str, Any] = given if isinstance(given, dict) else {"input": given}
        value = await call_tool_activity(
            INVOKE_TOOL_ACTIVITY,
            context,
            arguments,
            lambda payload: [self._hosted_as, payload],
            handle.options,
            state=state,
        )
        return _result(value, context)


def _success(text: str) -> ToolResult:
    return {"toolUseId": "", "status": "success", "content": [{"text": text}]}


def _result(value: Any, context: "ToolContext[Any]") -> ToolResult:
    """Apply the activity's state changes, and return its result for Strands."""
    answered = ToolOutcome.from_wire(value)
    if answered is None:
        return checked_tool_result("A hosted tool's answer", decode(value))
    result = tool_value(answered, context)
    return (
        _success(result) if isinstance(result, str) else checked_tool_result("A hosted tool's answer", result)
    )


def _with_id(result: ToolResult, tool_use: ToolUse) -> ToolResult:
    return {**result, "toolUseId": tool_use["toolUseId"]}


def _worded(error: Exception) -> ToolResult | None:
    """Return the error result that Strands made on the worker, if the tool itself failed."""
    cause = error.__cause__.cause if isinstance(error.__cause__, ActivityError) else None
    details: Any = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else None
    if not isinstance(details, dict) or HOSTED_TOOL_RESULT not in details:
        return None
    return checked_tool_result(
        "A hosted tool's error", decode(cast("dict[str, Any]", details)[HOSTED_TOOL_RESULT])
    )


def _error_result(tool_use: ToolUse, text: str) -> ToolResult:
    return {"toolUseId": tool_use["toolUseId"], "status": "error", "content": [{"text": text}]}


def _check(names: Sequence[object]) -> None:
    hint = "Give names in StrandsPlugin(tools=...) on the worker, or patterns of them"
    if not names:
        raise AgentValueError(f"TemporalTools(): no name. {hint}")
    for name in names:
        if not isinstance(name, str):
            raise AgentTypeError(f"TemporalTools: the name {name!r} is not a string. {hint}")
        if not name:
            raise AgentValueError(f"TemporalTools: a name is empty. {hint}")
