"""The value that Strands gets for a tool whose activity has answered."""

from typing import Any

from strands import ToolContext
from temporalio import workflow

from .._wire.reading import reading
from .._wire.tool_call import TOOL_OUTCOME_VERSION, ToolOutcome
from .._wire.values import decode
from .._wire.versions import check_wire_version
from .tool_context import apply_state


def tool_value(answer: ToolOutcome, context: "ToolContext[Any]") -> Any:
    """Apply a tool's changes of state, and return the value for Strands: a string or a tool result.

    Raises:
        ApplicationError: If a newer release made the answer.
        AgentValueError: If the answer is damaged.
    """
    check_wire_version("A tool's answer", answer.version, TOOL_OUTCOME_VERSION, in_workflow=True)
    with reading("A tool's answer"):
        value = decode(answer.result if answer.text is None else answer.text)
        if answer.state:
            apply_state(context, answer.state)
    return value


def bare_value(value: Any, hint: Any) -> Any:
    """Convert the result of an activity on a worker without the plugin to its declared type.

    A Pydantic model arrives as a dict. Strands' text for a dict differs from its text for the model.
    """
    if hint is None or hint is Any:
        return value
    converter = workflow.payload_converter()
    return converter.from_payloads(converter.to_payloads([value]), [hint])[0]
