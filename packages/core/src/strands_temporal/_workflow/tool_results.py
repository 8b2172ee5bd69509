"""The value that Strands gets for a tool whose activity has answered."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .._wire.model_call import WIRE_VERSION_UNKNOWN
from .._wire.tool_call import TOOL_ANSWER_VERSION, ToolAnswer
from .._wire.values import decode


def tool_value(answer: ToolAnswer) -> Any:
    """Return what the tool's function returns to Strands for an answer: a text or a whole tool result.

    Raises:
        ApplicationError: If a newer release made the answer.
    """
    if answer.version > TOOL_ANSWER_VERSION:
        raise ApplicationError(
            f"A tool's answer of wire version {answer.version} reached a workflow that knows "
            f"{TOOL_ANSWER_VERSION}: a newer strands-temporal ran the activity. Upgrade this worker",
            type=WIRE_VERSION_UNKNOWN,
            non_retryable=True,
        )
    return decode(answer.result if answer.text is None else answer.text)


def bare_value(value: Any, hint: Any) -> Any:
    """Return the value of an activity on a worker without the plugin, of the type that it is declared to be.

    Strands words a Pydantic model otherwise than the dict it crosses as.
    """
    if hint is None or hint is Any:
        return value
    converter = workflow.payload_converter()
    return converter.from_payloads(converter.to_payloads([value]), [hint])[0]
