"""Transports the arguments of a tool's activity from the workflow to the activity's function.

If all parameters have JSON types, the activity gets each argument as an argument of its own, as any activity
does. Otherwise, and for an activity with a tool context, one `ToolArguments` holds all arguments: the JSON
that the model wrote and Strands validated in the workflow. The worker validates this JSON again, with
Strands' own code against the activity's signature, and gets the same values. So the payload converter does
not have to support a Decimal, a secret or a lone surrogate.
"""

import functools
import inspect
import json
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter
from strands.tools.decorator import FunctionToolMetadata
from temporalio import workflow

from .tool_call import TOOL_ARGUMENTS_VERSION, ToolArguments
from .tool_context import CONTEXT_PARAMETER, ToolContext
from .values import decode, encode_any, plain_json
from .versions import check_wire_version

_BOUND_ON_THE_WORKER = ("self", "cls")
_JSON_SCALARS = (str, int, float, bool, types.NoneType)
_UNIONS = (Union, types.UnionType)


class ActivityParameters:
    """The parameters of an activity's function, as the workflow fills them.

    Args:
        function: The function.
        elsewhere: Whether calls of the activity go to another task queue. The workers there may lack the
            plugin, so they get separate arguments if the payload converter knows the types.
    """

    def __init__(self, function: Callable[..., Any], *, elsewhere: bool) -> None:
        hints = get_type_hints(function)
        self._names = [
            name for name in inspect.signature(function).parameters if name not in _BOUND_ON_THE_WORKER
        ]
        self._typed = {
            name: hints[name]
            for name in self._names
            if name in hints and name != CONTEXT_PARAMETER and not _is_json_type(hints[name])
        }
        self._elsewhere = elsewhere

    def arguments(
        self, given: Mapping[str, Any], validated: Mapping[str, Any], context: dict[str, Any] | None
    ) -> list[Any]:
        """Return the activity's arguments for one call. Runs in the workflow.

        Args:
            given: The model's JSON.
            validated: The arguments as Strands validated them, with defaults.
            context: The tool context as it is sent; None for an activity that takes no context.

        Raises:
            TypeError: If a direct call has an argument that JSON cannot represent.
        """
        in_place = self._in_place(given, validated, context is not None)
        if in_place is None:
            return ToolArguments.of(encode_any(given), _without_use(context)).to_args(len(self._names))
        return [context if name == CONTEXT_PARAMETER else in_place[name] for name in self._names]

    def _in_place(
        self, given: Mapping[str, Any], validated: Mapping[str, Any], with_context: bool
    ) -> Mapping[str, Any] | None:
        """Return the arguments to send separately, or None if a `ToolArguments` must hold them."""
        if self._elsewhere:
            as_given = {name: plain_json(given.get(name, validated[name])) for name in self._typed}
            if not all(_converts(value, self._typed[name]) for name, value in as_given.items()):
                return None
            validated = {**validated, **as_given}
        elif self._typed or with_context:
            return None
        values = list(validated.values())
        looks_packed = ToolArguments.from_args(values) is not None
        return validated if all(map(_is_plain, values)) and not looks_packed else None


def given_arguments(
    function: Callable[..., Any], args: Sequence[Any], tool_use: Mapping[str, Any]
) -> Sequence[Any]:
    """Return the arguments for an activity's function, in the types that the function declares.

    Runs on the worker.

    Args:
        function: The function, method or object that the worker calls.
        args: The arguments as they arrived. `ToolArguments` are validated against the function. Any other
            list is returned unchanged.
        tool_use: Id and name of the call, for its context.

    Raises:
        ApplicationError: If a newer release sent the arguments.
        ValueError: If the arguments do not fit the function, because the workflow has another version of it.
    """
    crossed = ToolArguments.from_args(args)
    if crossed is None:
        return args
    check_wire_version("A tool call", crossed.version, TOOL_ARGUMENTS_VERSION)
    function = function_of(function)
    names, model = _declared(getattr(function, "__func__", function))
    values: dict[str, Any] = vars(model(**decode(crossed.input)))
    if crossed.context is not None:
        use = {**tool_use, **crossed.context.get("tool_use", {}), "input": crossed.input}
        values = {**values, CONTEXT_PARAMETER: ToolContext(**{**crossed.context, "tool_use": use})}
    return [values[name] for name in names]


def function_of(activity: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind an activity that is a class or an object with `__call__`."""
    if inspect.isfunction(activity) or inspect.ismethod(activity):
        return activity
    return activity.__call__


@functools.lru_cache(maxsize=256)
def _declared(function: Callable[..., Any]) -> tuple[Sequence[str], type[BaseModel]]:
    """Return a function's parameters and the Pydantic model with which Strands validates their values."""
    metadata = FunctionToolMetadata(function, CONTEXT_PARAMETER)
    names = [name for name in metadata.signature.parameters if name not in _BOUND_ON_THE_WORKER]
    return names, metadata.input_model


def _without_use(context: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the context without its call: the header has its id and name, and the input is sent anyway."""
    return None if context is None else {key: value for key, value in context.items() if key != "tool_use"}


def _is_plain(value: Any) -> bool:
    """Tell whether a value is JSON that every payload converter leaves unchanged."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _converts(value: Any, hint: Any) -> bool:
    """Tell whether the payload converter decodes JSON to the same value as Pydantic. Runs in the workflow."""
    converter = workflow.payload_converter()
    try:
        (made,) = converter.from_payloads(converter.to_payloads([value]), [hint])
    except Exception:  # noqa: BLE001  # whatever a user's converter raises means no
        return False
    return made == TypeAdapter(hint).validate_python(value)


def _is_json_type(hint: Any) -> bool:
    """Tell whether JSON preserves each value of a type, with any payload converter at both ends."""
    if hint is Any or hint in _JSON_SCALARS or hint in (list, dict):
        return True
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return all(type(value) in _JSON_SCALARS for value in inner)
    if origin is dict:
        return inner[0] is str and _is_json_type(inner[1])
    return origin in (list, *_UNIONS) and all(map(_is_json_type, inner))
