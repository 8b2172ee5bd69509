"""JSON schemas of client tools and of a conversation's typed data: checked when given, applied to values."""

import copy
from collections.abc import Collection
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.validators import validator_for
from pydantic import TypeAdapter

from .._errors import AgentTypeError, AgentValueError

_LONGEST_TEXT = 2_000
"""Most characters of a misfit, which quotes the value. A larger refusal fails the workflow task."""


class JsonSchema:
    """A JSON schema that was checked before, ready to be applied to many values.

    Args:
        schema: The schema, as `checked_schema` returned it.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator: Any = validator_for(schema, default=Draft202012Validator)(schema)

    def misfit(self, value: Any, *, excused: Collection[str] = ()) -> str | None:
        """Return why a JSON value does not fit the schema, and where; None if it does.

        Args:
            value: The value.
            excused: Names of an object whose values are not looked at.
        """
        errors = self._validator.iter_errors(value)
        counted = (one for one in errors if not (one.path and one.path[0] in excused))
        error = cast("Any", best_match(counted))
        if error is None:
            return None
        text = f"{error.json_path}: {error.message}" if error.path else str(error.message)
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def output_schema_of(owner: str, given: Any) -> dict[str, Any] | None:
    """Return the JSON schema of a tool's results; None if any JSON value will do.

    Args:
        owner: Name of the tool, for messages.
        given: A JSON schema, or a type.

    Raises:
        AgentTypeError: If the type has no schema.
        AgentValueError: If the schema is not valid.
    """
    if given is None or given is Any:
        return None
    if not isinstance(given, dict):
        try:
            given = TypeAdapter(given).json_schema()
        except Exception as error:
            raise AgentTypeError(
                f"{owner}: the type of the result, {given!r}, has no JSON schema. Give "
                "output_schema={...}, or leave out the return type"
            ) from error
    return checked_schema(f"{owner}: output_schema=", given) or None


def checked_schema(what: str, schema: Any) -> dict[str, Any]:
    """Return a copy of a JSON schema.

    Args:
        what: Where it was given, for messages.
        schema: The schema.

    Raises:
        AgentTypeError: If it is not a dict.
        AgentValueError: If it is not valid, or refers to another document.
    """
    if not isinstance(schema, dict):
        raise AgentTypeError(f"{what}{schema!r} is not a JSON schema. Give a dict, or a Pydantic model")
    copied = copy.deepcopy(cast("dict[str, Any]", schema))
    try:
        validator_for(copied, default=Draft202012Validator).check_schema(copied)
    except SchemaError as error:
        raise AgentValueError(f"{what} is not a valid JSON schema: {error.message}") from error
    if (reference := _outer_reference(copied)) is not None:
        raise AgentValueError(
            f"{what} refers to {reference!r}. A workflow loads no schemas: put it under $defs"
        )
    return copied


_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
"""Keys of references. jsonschema (4.26) loads what a reference out of the schema names, in a workflow too."""


def _outer_reference(schema: Any) -> str | None:
    """Return a reference out of the schema, if there is one."""
    if isinstance(schema, list):
        return next(filter(None, map(_outer_reference, cast("list[Any]", schema))), None)
    if not isinstance(schema, dict):
        return None
    inner = cast("dict[str, Any]", schema)
    for key in _REFERENCES:
        reference = inner.get(key)
        if isinstance(reference, str) and not reference.startswith("#"):
            return reference
    return next(filter(None, map(_outer_reference, inner.values())), None)
