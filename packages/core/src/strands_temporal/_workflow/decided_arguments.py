"""A call's arguments as people see and decide them."""

import json
from typing import Any, cast

from strands.types.tools import AgentTool

from .._wire.values import decode, encode_any, utf8_text

BACKGROUND_CHOICE = "_background_execution"
"""Argument with which a model asks for a background task. Strands removes it before the tool runs (1.62:
background_tasks/_background_tasks.py:38)."""


def as_shown(arguments: Any, tool: AgentTool | None) -> Any:
    """Return a call's arguments as people see them: JSON, without the choice of a background task."""
    try:
        value = decode(encode_any(arguments))
        if isinstance(value, dict) and BACKGROUND_CHOICE in value and not declares_background_choice(tool):
            value = {k: v for k, v in cast("dict[str, Any]", value).items() if k != BACKGROUND_CHOICE}
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):  # a hook has put something into them that is not JSON
        return utf8_text(str(arguments))
    return value


def declares_background_choice(tool: AgentTool | None) -> bool:
    """Tell whether a tool has an argument of that name itself."""
    schema: Any = tool.tool_spec["inputSchema"] if tool else {}
    return BACKGROUND_CHOICE in schema.get("json", {}).get("properties", {})
