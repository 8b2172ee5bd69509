"""Tools that are declared safe in code: approval policies let their calls run."""

from typing import Any, TypeVar

from strands.types.tools import AgentTool

from .._errors import AgentTypeError

T = TypeVar("T", bound=AgentTool)

_SAFE = "strands_temporal_declared_safe"


def declare_safe(tool: T) -> T:
    """Declare that each call of a tool is safe, whatever its arguments, and return the tool.

    Approval policies (`strands_temporal_hitl.ApprovalPolicy`) then let its calls run, unless they deny them
    or have `declared_safe=False`. It belongs to this tool object, wherever an agent or a sub-agent of the
    workflow uses it.

        @declare_safe
        @tool
        def today() -> str: ...

    Args:
        tool: A tool: what `strands.tool` or `activity_as_tool` returned.

    Raises:
        AgentTypeError: If it is no tool object.
    """
    given: Any = tool
    if not isinstance(given, AgentTool):
        raise AgentTypeError(
            f"declare_safe: {given!r} is not a tool. Decorate the function with @tool first, or write "
            "declare_safe(activity_as_tool(activity))"
        )
    setattr(given, _SAFE, True)
    return tool


def is_declared_safe(tool: object) -> bool:
    """Tell whether a tool is declared safe."""
    return getattr(tool, _SAFE, False) is True
