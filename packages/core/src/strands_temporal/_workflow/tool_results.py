"""The value that Strands gets for a tool whose activity has answered."""

from typing import Any

from temporalio import workflow

from .._wire.tool_call import TOOL_OUTCOME_VERSION, ToolOutcome
from .._wire.values import decode
from .._wire.versions import check_wire_version


def tool_value(answer: ToolOutcome) -> Any:
    """Return the value that a tool's function gives to Strands: a text or a whole tool result.

    Raises:
        ApplicationError: If a newer release made the answer.
    """
    check_wire_version("A tool's answer", answer.version, TOOL_OUTCOME_VERSION, in_workflow=True)
    return decode(answer.result if answer.text is None else answer.text)


def bare_value(value: Any, hint: Any) -> Any:
    """Convert the result of an activity on a worker without the plugin to its declared type.

    A Pydantic model crosses as a dict, and Strands turns a dict into a different text than the model.
    """
    if hint is None or hint is Any:
        return value
    converter = workflow.payload_converter()
    return converter.from_payloads(converter.to_payloads([value]), [hint])[0]
