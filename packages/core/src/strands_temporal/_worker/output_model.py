"""The class that a model's answer must fit, on its way to the provider on the worker.

`output_schema` describes it in the workflow. `OutputModels` gives the provider on the worker a class that
asks the provider's API for the same; the answer is validated in the workflow, by the class itself.
"""

import copy
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, create_model
from strands.tools.structured_output.structured_output_utils import convert_pydantic_to_tool_spec
from strands.types.content import Message
from strands.types.exceptions import StructuredOutputException

from .._wire.model_call import OutputSchema
from .._wire.values import decode

T = TypeVar("T", bound=BaseModel)

_KEPT = 256


def output_schema(model: type[BaseModel]) -> OutputSchema:
    """Return what crosses for `model`. Runs in the workflow."""
    return OutputSchema(
        name=model.__name__,
        description=model.__doc__,
        schema=model.model_json_schema(),
        nested=[name for name, field in model.model_fields.items() if _is_model(field.annotation)],
    )


def dump(answer: BaseModel) -> Any:
    """Return a provider's object as JSON values from which the workflow's own class is built again."""
    return answer.model_dump(mode="json", by_alias=True, round_trip=True, exclude_unset=True)


def object_of(owner: str, output: Any, message: Message, output_model: type[T]) -> T:
    """Return the object that a model's own `structured_output` gave. Runs in the workflow.

    Args:
        owner: Whose call it is, for the error.
        output: What `dump` returned; None from a worker of a release that asked by a forced tool call.
        message: What the model said.
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


class OutputModels:
    """Classes by schema, on the worker. One schema is one class: Strands remembers what was refused."""

    def __init__(self) -> None:
        self._classes: dict[str, type[BaseModel]] = {}

    def get(self, schema: OutputSchema) -> type[BaseModel]:
        """Return a class with this name, docstring and JSON schema."""
        key = json.dumps([schema.name, schema.description, schema.schema, schema.nested])
        if key not in self._classes:
            while len(self._classes) >= _KEPT:
                del self._classes[next(iter(self._classes))]
            self._classes[key] = _made(schema)
        return self._classes[key]


class _Anything(BaseModel):
    """Base of classes made of a schema: keeps what the provider parsed; the workflow's class validates it."""

    model_config = ConfigDict(extra="allow")


def _made(schema: OutputSchema) -> type[BaseModel]:
    """Return a class that looks like the one of `schema` to Strands and to the providers' SDKs."""

    def model_json_schema(cls: type[BaseModel], *args: Any, **kwargs: Any) -> dict[str, Any]:
        return copy.deepcopy(schema.schema)

    base = type(schema.name, (_Anything,), {"model_json_schema": classmethod(model_json_schema)})
    required = schema.schema.get("required", ())
    fields: dict[str, Any] = {
        name: (nested, ... if name in required else None)
        for name in schema.nested
        if (nested := _made_nested(schema.schema, name)) is not None
    }
    # One base's `Any` hides that the result is a class of models.
    made: Any = create_model(schema.name, __base__=base, __doc__=schema.description, **fields)
    return made


def _made_nested(schema: dict[str, Any], field: str) -> type[BaseModel] | None:
    """Return a class for the definition that the property `field` refers to."""
    name = str(schema.get("properties", {}).get(field, {}).get("$ref", "")).rpartition("/")[2]
    definitions = schema.get("$defs", {})
    if name not in definitions:
        return None
    own = definitions[name]
    return _made(OutputSchema(name, own.get("description"), {**own, "$defs": definitions}))


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
