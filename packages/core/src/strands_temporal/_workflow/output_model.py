"""Converts an output class to a schema, and the model's answer to an object of that class."""

from typing import Any, TypeVar

from pydantic import BaseModel
from strands.tools.structured_output.structured_output_utils import convert_pydantic_to_tool_spec
from strands.types.content import Message
from strands.types.exceptions import StructuredOutputException

from .._wire.model_call import OutputSchema
from .._wire.values import decode

T = TypeVar("T", bound=BaseModel)


def output_schema(model: type[BaseModel]) -> OutputSchema:
    """Return the schema of `model` to send to the worker."""
    return OutputSchema(
        name=model.__name__,
        description=model.__doc__,
        schema=model.model_json_schema(),
        nested=[name for name, field in model.model_fields.items() if _is_model(field.annotation)],
    )


def object_of(owner: str, output: Any, message: Message, output_model: type[T]) -> T:
    """Return the object that a model's own `structured_output` returned.

    Args:
        owner: Name of the caller, for the error.
        output: The value that `dump` returned; None from a worker of an older release, which forces a tool
            call instead.
        message: The model's message.
        output_model: The class of the object.

    Raises:
        ValidationError: If the answer does not fit the class.
        StructuredOutputException: If there is no object.
    """
    if output is not None:
        return output_model.model_validate(decode(output))
    name = convert_pydantic_to_tool_spec(output_model)["name"]
    for block in message["content"]:
        if "toolUse" in block and block["toolUse"]["name"] == name:
            return output_model(**block["toolUse"]["input"])
    raise StructuredOutputException(f"{owner} gave no {name!r}: there is no structured output")


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
