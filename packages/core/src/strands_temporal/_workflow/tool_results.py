"""The value that Strands gets for a tool whose activity has answered."""

from typing import Any

from temporalio import workflow

from .._wire.tool_call import TOOL_ANSWER_VERSION, ToolAnswer
from .._wire.values import decode
from .._wire.versions import check_wire_version


def tool_value(answer: ToolAnswer) -> Any:
    """Return what the tool's function returns to Strands for an answer: a text or a whole tool result.

    Raises:
        ApplicationError: If a newer release made the answer.
    """
    check_wire_version("A tool's answer", answer.version, TOOL_ANSWER_VERSION, in_workflow=True)
    return decode(answer.result if answer.text is None else answer.text)


def bare_value(value: Any, hint: Any) -> Any:
    """Return the value of an activity on a worker without the plugin, of the type that it is declared to be.

    Strands words a Pydantic model otherwise than the dict it crosses as.
    """
    if hint is None or hint is Any:
        return value
    converter = workflow.payload_converter()
    return converter.from_payloads(converter.to_payloads([value]), [hint])[0]
