"""Makes the spec, the input check and the result type of a client tool, from a schema or a stub."""

import copy
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast, get_type_hints

from pydantic import BaseModel
from strands.tools.decorator import FunctionToolMetadata
from strands.types.tools import ToolSpec
from temporalio.exceptions import TemporalError

from .._errors import AgentTypeError, AgentValueError
from .failures import construction_error
from .json_schemas import JsonSchema, checked_schema


def of_schema(name: str, description: str | None, schema: Any) -> tuple[ToolSpec, Callable[[Any], Any], Any]:
    owner = f"client_tool({name})"
    if not description:
        raise AgentValueError(f"{owner}: a model needs a description of the tool. Give description='...'")
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        schema = schema.model_json_schema()
    checked = checked_schema(f"{owner}: input_schema=", schema)
    if checked.setdefault("type", "object") != "object":
        raise AgentValueError(
            f"{owner}: input_schema= describes {checked['type']!r}; a tool's arguments are an object"
        )

    arguments = JsonSchema(checked)

    def validate(given: Any) -> Any:
        if why := arguments.misfit(given):
            raise ValueError(f"Validation failed for input parameters: {why}")
        return given

    # A copy: Strands completes the schema in place, and what it adds is for the model only.
    spec: ToolSpec = {
        "name": name,
        "description": description,
        "inputSchema": {"json": copy.deepcopy(checked)},
    }
    return spec, validate, None


def of_stub(
    stub: Callable[..., Any], name: str | None, description: str | None
) -> tuple[ToolSpec, Callable[[Any], Any], Any]:
    owner = f"client_tool({name or getattr(stub, '__name__', stub)})"
    try:
        signature = inspect.signature(stub)
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise AgentTypeError(f"{owner}: {parameter} has no name for the model. Name each parameter")
            if parameter.name in ("agent", "tool_context"):
                raise AgentTypeError(
                    f"{owner}: the parameter {parameter.name!r} cannot cross to a client. Name it otherwise"
                )
        metadata = FunctionToolMetadata(stub)
        spec = metadata.extract_metadata()
        returns = get_type_hints(stub).get("return", Any)
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error
    spec = cast(
        "ToolSpec", {**spec, "name": name or spec["name"], "description": description or spec["description"]}
    )
    return spec, metadata.validate_input, returns


def check_deadline(owner: str, deadline: object) -> None:
    if deadline is None:
        return
    if not isinstance(deadline, timedelta):
        raise AgentTypeError(
            f"{owner}: deadline={deadline!r} is not a timedelta. Write timedelta(minutes=...)"
        )
    if deadline <= timedelta(0):
        raise AgentValueError(f"{owner}: deadline={deadline!r} is not positive")
