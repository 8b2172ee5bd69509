"""Builds pydantic classes from JSON schemas, for providers that ask their API for structured output.

The workflow validates the answer with the user's own class (`_workflow/output_model.py`).
"""

import copy
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, create_model

from .._wire.model_call import OutputSchema

T = TypeVar("T", bound=BaseModel)

_KEPT = 256


def dump(answer: BaseModel) -> Any:
    """Return a provider's object as JSON values, from which the workflow rebuilds it with its own class."""
    return answer.model_dump(mode="json", by_alias=True, round_trip=True, exclude_unset=True)


class OutputModels:
    """Classes by schema, on the worker.

    Each schema has one class, because Strands remembers by class which schemas a provider rejected.
    """

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
    """Base of classes built from a schema. Keeps all that the provider parsed; the workflow validates it."""

    model_config = ConfigDict(extra="allow")


def _made(schema: OutputSchema) -> type[BaseModel]:
    """Return a class that Strands and the providers' SDKs treat like the original class of `schema`."""

    def model_json_schema(cls: type[BaseModel], *args: Any, **kwargs: Any) -> dict[str, Any]:
        return copy.deepcopy(schema.schema)

    base = type(schema.name, (_Anything,), {"model_json_schema": classmethod(model_json_schema)})
    required = schema.schema.get("required", ())
    fields: dict[str, Any] = {
        name: (nested, ... if name in required else None)
        for name in schema.nested
        if (nested := _made_nested(schema.schema, name)) is not None
    }
    # The `Any` in a base hides that the result is a model class.
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
