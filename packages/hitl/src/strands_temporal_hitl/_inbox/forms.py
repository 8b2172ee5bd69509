"""The form that edits arguments: fields by the tool's input schema, and JSON for what is not simple."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from strands_temporal.extension import arguments_misfit

from .._allowed import LARGEST_EDIT
from .._types import PendingApproval
from .._values import KEPT, is_too_deep, wire_fault
from .._visible import is_visible
from .errors import PageError
from .values import readable_json

_PREFIX = "argument:"
_ALL = "arguments"
_MOST_FIELDS = 100
_LONG = 60  # characters of a text that gets a field of several lines
_NOT_GIVEN = ""
_NUMBERS = ("number", "integer")


@dataclass
class ArgumentField:
    """A field of the form.

    Attributes:
        name: Name of the argument.
        kind: "text", "lines", "number", "integer", "boolean", "choice" or "json".
        value: What is in the field.
        is_given: Whether the call has the argument.
        is_required: Whether the tool needs it.
        description: The schema's description.
        choices: Values and labels of a choice.
        error: What is wrong with it.
    """

    name: str
    kind: str
    value: str = ""
    is_given: bool = True
    is_required: bool = False
    description: str = ""
    choices: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    error: str = ""

    @property
    def field_name(self) -> str:
        """Name of the form's field."""
        return _PREFIX + self.name


@dataclass
class Edit:
    """What a person entered.

    Attributes:
        fields: The fields with what is in them.
        json: All arguments as JSON text.
        arguments: The arguments; None if there are errors.
        error: What is wrong with the whole.
        as_json: Whether the person edited the JSON text.
    """

    fields: list[ArgumentField]
    json: str
    arguments: dict[str, Any] | None = None
    error: str = ""
    as_json: bool = False


def blank_edit(pending: PendingApproval) -> Edit:
    """Return the form as it is first shown: with the arguments of the call.

    Raises:
        PageError: If the question takes no edit, or the arguments are too large, or nested too deeply, for a
            form.
    """
    if "edit" not in pending.allowed_decisions or not pending.digest:
        raise PageError("No edit", "This question takes no other arguments.", 409)
    if not isinstance(pending.arguments, dict):
        text = "The arguments are too large for a form. Use `strands-temporal approvals edit`."
        raise PageError("Too large to edit here", text, 409)
    arguments = cast("dict[str, Any]", pending.arguments)
    if is_too_deep(arguments):
        text = f"No edit could be kept: {KEPT}. Approve or reject the call as it is."
        raise PageError("Too deep to edit", text, 409)
    return Edit(_fields(pending, arguments), readable_json(arguments))


def read_edit(pending: PendingApproval, form: Mapping[str, str]) -> Edit:
    """Return what a person entered, with its errors beside it.

    Raises:
        PageError: As for `blank_edit`.
    """
    edit = blank_edit(pending)
    edit.as_json = _ALL in form
    if edit.as_json:
        edit.json = form[_ALL]
        edit.arguments, edit.error = _json_object(form[_ALL])
    else:
        edit.arguments = _of_fields(edit.fields, form)
        if edit.arguments is not None:
            edit.json = readable_json(edit.arguments)
    if edit.arguments is not None:
        edit.error = _fault(pending, edit.arguments)
        if edit.error:
            edit.arguments = None
    elif not edit.error:
        edit.error = "Some fields have an error."
    return edit


def checked_arguments(pending: PendingApproval, text: str) -> dict[str, Any]:
    """Return the arguments that a person confirmed.

    Raises:
        PageError: If they do not fit.
    """
    arguments, error = _json_object(text)
    error = error or _fault(pending, arguments or {})
    if arguments is None or error:
        raise PageError("The arguments do not fit", error, 422)
    return arguments


def _fault(pending: PendingApproval, arguments: dict[str, Any]) -> str:
    if wire_fault(arguments) or is_too_deep(arguments):
        return f"The arguments cannot be kept: {KEPT}"
    size = len(json.dumps(arguments, ensure_ascii=False).encode())
    if size > LARGEST_EDIT:
        return f"The arguments have {size:,} bytes, and may have {LARGEST_EDIT:,}"
    if pending.input_schema is None:
        return ""
    return arguments_misfit(pending.input_schema, arguments, pending.arguments) or ""


def _json_object(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        value: Any = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return None, f"This is not JSON: {error}"
    if not isinstance(value, dict):
        return None, 'This is no JSON object. Write {"name": value, ...}'
    return cast("dict[str, Any]", value), ""


def _fields(pending: PendingApproval, arguments: Mapping[str, Any]) -> list[ArgumentField]:
    schema: Any = pending.input_schema or {}
    properties: Any = schema.get("properties")
    properties = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
    required: Any = schema.get("required")
    required = cast("list[Any]", required) if isinstance(required, list) else []
    names = [*properties, *(name for name in arguments if name not in properties)]
    if len(names) > _MOST_FIELDS:
        return []
    return [_field(name, properties.get(name), arguments, is_required=name in required) for name in names]


def _field(name: str, schema: Any, arguments: Mapping[str, Any], *, is_required: bool) -> ArgumentField:
    of = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    is_given = name in arguments
    value = arguments.get(name)
    about = of.get("description")
    made = ArgumentField(
        name, _kind(of, value, is_given=is_given), is_given=is_given, is_required=is_required
    )
    made.description = about if isinstance(about, str) else ""
    if made.kind == "choice":
        made.choices = [(readable_json(each, indent=None), str(each)) for each in of["enum"]]
    if is_given:
        as_text = made.kind in ("text", "lines")
        made.value = value if as_text and isinstance(value, str) else readable_json(value)
    return made


def _kind(schema: Mapping[str, Any], value: Any, *, is_given: bool) -> str:
    """Return the kind of field for an argument. One whose value does not fit a simple field is JSON."""
    choices = schema.get("enum")
    if (
        isinstance(choices, list)
        and choices
        and all(isinstance(c, (str, int)) for c in cast("list[Any]", choices))
    ):
        return "choice" if not is_given or value in choices else "json"
    kind = schema.get("type")
    if kind == "string" and (not is_given or isinstance(value, str)):
        text = value or ""
        if not all(c == "\n" or is_visible(c) for c in text):
            return "json"  # whose escapes show what is there
        return "lines" if len(text) > _LONG or "\n" in text else "text"
    if kind == "boolean" and (not is_given or isinstance(value, bool)):
        return "boolean"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(kind) if kind in _NUMBERS and (not is_given or is_number) else "json"


def _of_fields(fields: list[ArgumentField], form: Mapping[str, str]) -> dict[str, Any] | None:
    arguments: dict[str, Any] = {}
    for one in fields:
        text = form.get(one.field_name)
        if text is None:
            one.error = "The form was sent without this field."
            continue
        one.value = text
        if text == _NOT_GIVEN and not (one.kind in ("text", "lines") and (one.is_given or one.is_required)):
            if one.is_required:
                one.error = "The tool needs it."
            continue
        try:
            arguments[one.name] = _value(one, text)
        except (ValueError, RecursionError) as error:
            one.error = str(error)
    return None if any(one.error for one in fields) else arguments


def _value(one: ArgumentField, text: str) -> Any:
    if one.kind in ("text", "lines"):
        return text
    try:
        value: Any = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        if one.kind in _NUMBERS:
            raise ValueError(f"{text[:50]!r} is not a number.") from None
        raise ValueError("This is not JSON. Text needs quotation marks.") from None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if one.kind in _NUMBERS and not is_number:
        raise ValueError(f"{text[:50]!r} is not a number.")
    if one.kind == "integer" and not isinstance(value, int):
        raise ValueError(f"{text[:50]!r} is not a whole number.")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
