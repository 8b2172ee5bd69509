"""`client_tool`: a tool that an attached client runs. Its call pauses the agent with an interrupt."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast, overload

from pydantic import BaseModel
from strands import Agent, ToolContext
from strands.interrupt import InterruptException
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolGenerator, ToolResultContent, ToolSpec, ToolUse
from typing_extensions import override

from .._errors import AgentTypeError, AgentValueError, ClientToolError
from .._upstream.private_api import tool_interrupt_event
from .._upstream.sub_agents import sub_agents
from .._wire.client_tools import CLIENT_TOOL
from .._wire.values import decode, encode_any
from .client_tool_specs import check_deadline, of_schema, of_stub
from .json_schemas import output_schema_of
from .tool_context import context_of_call

CLIENT_TOOL_VERSION = 1
"""Version of the layout of an interrupt's reason."""

_CYCLE = "event_loop_cycle_id"
"""Key of the invocation state under which Strands keeps the id of the agent's cycle. A retried call has the
same cycle as the call before; a resumed call has another."""


_RESULT_BLOCKS = frozenset(ToolResultContent.__annotations__)


class ClientTool(AgentTool):
    """A tool without a body on the worker. Make it with `client_tool`."""

    def __init__(
        self,
        spec: ToolSpec,
        validate: Callable[[Any], Any],
        deadline: timedelta | None,
        output_schema: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        self._spec = spec
        self._validate = validate
        self._deadline = deadline
        self._output_schema = output_schema

    @property
    @override
    def tool_name(self) -> str:
        """The tool's name for the model."""
        return self._spec["name"]

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """Name, description and input schema."""
        return self._spec

    @property
    @override
    def tool_type(self) -> str:
        """The kind of tool."""
        return "client"

    @override
    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        """Ask the clients for a result, or yield the result that a client sent."""
        context = context_of_call(tool_use, invocation_state, kwargs)
        try:
            asked: dict[str, Any] = {
                "tool": self.tool_name,
                "arguments": encode_any(self._validate(tool_use["input"])),
                "agent": str(getattr(invocation_state["agent"], "name", "")),
                "version": CLIENT_TOOL_VERSION,
            }
        except ValueError as error:
            yield _result(tool_use, {"error": str(error)}, error)
            return
        if self._deadline is not None:
            asked["deadline"] = self._deadline.total_seconds()
        if self._output_schema is not None:
            asked["output_schema"] = self._output_schema
        try:
            answer = _answered(context, asked, str(invocation_state.get(_CYCLE)))
        except InterruptException as error:
            yield tool_interrupt_event(tool_use, [error.interrupt])
            return
        yield _result(tool_use, answer)


@overload
def client_tool(
    stub: Callable[..., Any],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    deadline: timedelta | None = None,
    output_schema: Any = None,
) -> AgentTool: ...


@overload
def client_tool(
    name: str,
    /,
    description: str,
    input_schema: "dict[str, Any] | type[BaseModel]",
    *,
    deadline: timedelta | None = None,
    output_schema: Any = None,
) -> AgentTool: ...


@overload
def client_tool(
    *,
    name: str | None = None,
    description: str | None = None,
    deadline: timedelta | None = None,
    output_schema: Any = None,
) -> Callable[[Callable[..., Any]], AgentTool]: ...


def client_tool(
    stub_or_name: Any = None,
    /,
    description: str | None = None,
    input_schema: Any = None,
    *,
    name: str | None = None,
    deadline: timedelta | None = None,
    output_schema: Any = None,
) -> Any:
    """Return a tool that a client runs: `ClientTools` on the user's machine, or a front end.

    With a function, or as a decorator. Name, description, parameters and the type of the result come from the
    function as with `strands.tool`; its body never runs:

        @client_tool
        def read_file(path: str) -> str:
            \"\"\"Read a file on the user's machine.\"\"\"

    Or with a name, a description and a schema: `client_tool("read_file", "Read a file", {...})`.

    The call pauses the agent with an interrupt. `ClientCalls.run`, a `Conversation` and `Approvals.run` wait
    for its result, and any client of the workflow may send it.

    Args:
        stub_or_name: A function with hints and a docstring, or the tool's name.
        description: Description for the model, instead of the docstring's.
        input_schema: JSON schema of the arguments (an object), or a Pydantic model. Needed with a name.
        name: The tool's name, instead of the function's.
        deadline: How long a call waits for a client. Then the model gets an error. None waits as long as the
            workflow runs.
        output_schema: JSON schema of the result, or a type. By default the function's return type. A result
            that does not fit is refused. None accepts any JSON value.

    Raises:
        AgentTypeError: If a value has a wrong type, or a parameter of the function cannot be filled.
        AgentValueError: If a name, a schema or a deadline cannot work.
    """
    if stub_or_name is None:
        return lambda stub: client_tool(  # pyright: ignore[reportUnknownLambdaType]
            cast("Any", stub),
            name=name,
            description=description,
            deadline=deadline,
            output_schema=output_schema,
        )
    if isinstance(stub_or_name, str):
        if name is not None:
            raise AgentTypeError(
                f"client_tool({stub_or_name!r}, ...): the name is given twice (name={name!r})"
            )
        spec, validate, returns = of_schema(stub_or_name, description, input_schema)
    elif callable(stub_or_name):
        if input_schema is not None:
            raise AgentTypeError(
                "client_tool: a function's parameters are its schema. Leave out input_schema=, or give a "
                "name, a description and a schema"
            )
        spec, validate, returns = of_stub(stub_or_name, name, description)
    else:
        raise AgentTypeError(
            f"client_tool: {stub_or_name!r} is neither a function nor a name. Give a function with hints and "
            "a docstring, or a name, a description and a schema: client_tool('read_file', 'Read it', {...})"
        )
    owner = f"client_tool({spec['name']})"
    if not re.fullmatch(r"[a-zA-Z0-9_\-]{1,64}", spec["name"]):
        raise AgentValueError(f"{owner}: a tool's name has 1 to 64 letters, digits, '_' and '-'")
    check_deadline(owner, deadline)
    schema = output_schema_of(owner, returns if output_schema is None else output_schema)
    return ClientTool(spec, validate, deadline, schema)


def client_tool_names(agent: Agent) -> list[str]:
    """Return the names of the tools that a client has to run, of an agent and its sub-agents at any depth.

    A sub-agent in a child workflow is not looked into.
    """
    names: dict[str, None] = {}
    seen: list[Agent] = []

    def look(at: Agent) -> None:
        if any(at is each for each in seen):
            return
        seen.append(at)
        names.update(
            (name, None) for name, tool in at.tool_registry.registry.items() if isinstance(tool, ClientTool)
        )
        for inner in sub_agents(at).values():
            look(inner)

    look(agent)
    return list(names)


def _answered(context: "ToolContext[Any]", asked: dict[str, Any], cycle: str) -> Any:
    """Return the answer to a call.

    A call that a hook retries (`AfterToolCallEvent.retry`) is a new call for the clients. Strands keeps the
    answer of the call before, so that answer notes in which cycle it was used.

    Raises:
        InterruptException: If there is no answer yet.
    """
    number = 1
    while True:
        answer = context.interrupt(CLIENT_TOOL if number == 1 else f"{CLIENT_TOOL} {number}", reason=asked)
        if not isinstance(answer, dict):
            return {"result": answer}
        kept = cast("dict[str, Any]", answer)
        if not kept.keys() & {"result", "error"}:
            return {"result": kept}
        if kept.get("used_in") == cycle:
            kept["retried"] = True
        if not kept.get("retried"):
            kept["used_in"] = cycle
            return kept
        number += 1


def _result(use: ToolUse, answer: Mapping[str, Any], error: Exception | None = None) -> ToolResultEvent:
    """Return the tool's result, as `strands.tool` makes it of a function's value or exception."""
    id_ = use["toolUseId"]
    if "error" in answer:
        text = str(answer["error"])
        return ToolResultEvent(
            {"toolUseId": id_, "status": "error", "content": [{"text": f"Error: {text}"}]},
            exception=error or ClientToolError(text),
        )
    value: Any = decode(answer["result"])
    if _is_tool_result(value):
        return ToolResultEvent(cast("Any", {**value, "toolUseId": id_}))
    text = value if isinstance(value, str) else _as_text(value)
    return ToolResultEvent({"toolUseId": id_, "status": "success", "content": [{"text": text}]})


def _is_tool_result(value: Any) -> bool:
    """Tell whether a client sent a tool result of Strands. An HTTP answer with the same keys is data.

    As a tool result, `{"status": 200, "content": "..."}` would fail each later model call.
    """
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    content: Any = given.get("content")
    if given.get("status") not in ("success", "error"):
        return False
    return isinstance(content, list) and all(
        isinstance(block, dict) and cast("dict[str, Any]", block).keys() & _RESULT_BLOCKS
        for block in cast("list[Any]", content)
    )


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # bytes
        return str(value)
