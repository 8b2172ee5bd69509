"""People's edits: a person changed the arguments of a call, and the call runs with those.

The edited arguments take the place of those that the model wrote, before all hooks, so that hooks and
policies judge them too. The model's message stays as it is, because providers sign and compare it. The result
of the call tells the model what ran.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.types.tools import AgentTool, ToolUse
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .._errors import did_you_mean
from .._upstream.run_local import run_local
from .decided_arguments import BACKGROUND_CHOICE, declares_background_choice
from .json_schemas import JsonSchema, checked_schema

EDIT_MISFITS = "strands-temporal-edit-misfits"
"""Prefix of patch ids, one per edited call that no longer fits its tool. A replay runs the calls that ran."""

_LONGEST_NOTE = 20_000  # characters of the arguments that a call's result quotes


@dataclass(frozen=True)
class Edit:
    """The arguments that a person wrote for a call.

    Attributes:
        arguments: All arguments of the call.
        reason: Why, as the person stated it.
    """

    arguments: dict[str, Any]
    reason: str = ""


class EditedCalls:
    """Applies edits to the calls of one agent, and tells its model. The agent's hooks call it."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}

    def begin(self, event: BeforeToolCallEvent[Any], edit: Edit | None) -> None:
        """Give a call its edited arguments, before all other hooks."""
        use, tool = event.tool_use, event.selected_tool
        self._begun.pop(use["toolUseId"], None)
        if edit is not None:
            event.tool_use = edited_use(use, edit, tool)
            self._begun[use["toolUseId"]] = _Begun(edit, use, tool, edit.arguments)

    def check(self, event: BeforeToolCallEvent[Any], tool_use_id: str) -> str | None:
        """Cancel a call whose edited arguments do not fit its tool as it is now, after all other hooks.

        Args:
            event: The call.
            tool_use_id: The call's id in its message.

        Returns:
            Why they do not fit; None if they do, or if the call is not edited.
        """
        begun = self._begun.get(tool_use_id)
        if begun is None or event.cancel_tool:
            return None
        tool, name = event.selected_tool, event.tool_use["name"]
        if tool is begun.tool and name != begun.use["name"]:  # a hook renamed it
            tool = event.agent.tool_registry.registry.get(name)
        run_local(_Edits).checked += 1
        schema, edit = schema_of(tool), begun.edit
        why = arguments_misfit(schema, edit.arguments, begun.use["input"]) if schema else None
        if why is None or not workflow.patched(f"{EDIT_MISFITS}-{run_local(_Edits).checked}"):
            return None
        event.cancel_tool = f"{_note(edit)} The call did not run, because they do not fit the tool now: {why}"
        return why

    def end(self, event: AfterToolCallEvent[Any], tool_use_id: str) -> None:
        """Add to the result of an edited call which arguments it ran with. Not to a delegate's."""
        begun = self._begun.pop(tool_use_id, None)
        if begun is None or event.cancel_message or getattr(event.selected_tool, "delegate", False):
            return
        text = _note(begun.edit)
        if not _is_same(begun.ran, begun.edit.arguments):
            text += f" It ran with {_quoted(begun.ran)}."
        event.result = {**event.result, "content": [*event.result["content"], {"text": text}]}

    def runs(self, tool_use_id: str, arguments: Any) -> None:
        """Note the arguments with which a call runs. Hooks may have changed the edited ones since."""
        begun = self._begun.get(tool_use_id)
        if begun is not None:
            self._begun[tool_use_id] = replace(begun, ran=arguments)

    def forget(self, tool_use_id: str) -> None:
        """Forget a call that does not run."""
        self._begun.pop(tool_use_id, None)


@dataclass(frozen=True)
class _Begun:
    edit: Edit
    use: ToolUse
    tool: AgentTool | None
    ran: Any


class _Edits:
    """How many edited calls were checked in a run, counting each attempt."""

    def __init__(self) -> None:
        self.checked = 0


def edited_use(use: ToolUse, edit: Edit, tool: AgentTool | None) -> ToolUse:
    """Return a call with its edited arguments. The model's choice of a background task stays."""
    arguments, asked = copy.deepcopy(edit.arguments), use["input"]  # hooks and tools may change them in place
    if isinstance(asked, dict) and BACKGROUND_CHOICE in asked and not declares_background_choice(tool):
        arguments[BACKGROUND_CHOICE] = asked[BACKGROUND_CHOICE]
    return {**use, "input": arguments}


def schema_of(tool: AgentTool | None) -> dict[str, Any] | None:
    """Return the JSON schema of a tool's arguments; None if it has no valid one."""
    if tool is None:
        return None
    spec: Any = tool.tool_spec.get("inputSchema")
    schema: Any = cast("dict[str, Any]", spec).get("json") if isinstance(spec, dict) else None
    try:
        return json.loads(json.dumps(checked_schema("", schema), allow_nan=False))
    except (ApplicationError, TypeError, ValueError, RecursionError):
        return None


def arguments_misfit(schema: dict[str, Any], arguments: Mapping[str, Any], asked: Any = None) -> str | None:
    """Return why arguments do not fit a tool's schema, and which it knows; None if they fit.

    A name that the schema does not list is a misfit too, unless the schema says that others are welcome, or
    the call that was asked about has it: most tools ignore such an argument, and a person would not know. An
    argument that the person left as it was fits, and so does null where it is the default.

    Args:
        schema: The tool's schema, as `schema_of` returned it.
        arguments: The edited arguments.
        asked: The arguments of the call that was asked about.
    """
    try:
        why = _unknown(schema, schema, arguments, asked, "$")
        why = why or JsonSchema(schema).misfit(arguments, excused=_excused(schema, arguments, asked))
    except RecursionError:
        why = "they are nested too deeply"
    except Exception as error:  # noqa: BLE001  # the error for a reference into nowhere is not public
        why = f"the tool's input schema cannot be applied ({_text_of(error)})"
    return f"{why}. The tool's arguments: {_known(schema)}" if why else None


def _text_of(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except RecursionError:  # the text of a schema's error shows the schema, which is nested too deeply
        return type(error).__name__


def _excused(schema: dict[str, Any], arguments: Mapping[str, Any], asked: Any) -> list[str]:
    """Return the names of arguments that are as they were, or null where that is the default.

    The schema that Strands makes of a function does not allow null for an optional argument.
    """
    before = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
    properties: Any = schema.get("properties")
    known = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
    defaults = [name for name in known if _resolved(schema, known[name]).get("default", "") is None]
    same = [name for name in arguments if name in before and _is_same(before[name], arguments[name])]
    return [*same, *(name for name in defaults if arguments.get(name, "") is None)]


def _is_same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _unknown(root: dict[str, Any], schema: Any, value: Any, asked: Any, path: str) -> str | None:
    """Return which name in `value` the schema does not list; None if it lists all."""
    schema = _resolved(root, schema)
    if isinstance(value, list):
        items, before = cast("list[Any]", value), cast("list[Any]", asked) if isinstance(asked, list) else []
        of = schema.get("items", {})
        found = (
            _unknown(root, of, each, before[i] if i < len(before) else None, f"{path}[{i}]")
            for i, each in enumerate(items)
        )
        return next(filter(None, found), None)
    if not isinstance(value, dict) or not isinstance(schema.get("properties"), dict):
        return None
    given, known = cast("dict[str, Any]", value), cast("dict[str, Any]", schema["properties"])
    before = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
    is_open = not _OPEN.isdisjoint(schema)
    for name, one in given.items():
        if name in known:
            if why := _unknown(root, known[name], one, before.get(name), f"{path}.{name}"):
                return why
        elif not is_open and name not in before:
            return f"{path}: unknown argument {name!r}.{did_you_mean(name, known)}"
    return None


_OPEN = frozenset(
    ["additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "if"]
)
"""Keys of a schema that themselves say which further names are welcome: the validator applies them."""

_DEEPEST_REFERENCE = 20


def _resolved(root: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Return a schema, or the one below `$defs` that it refers to."""
    for _ in range(_DEEPEST_REFERENCE):
        if not isinstance(schema, dict):
            return {}
        found = cast("dict[str, Any]", schema)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        kind, _, name = reference.removeprefix("#/").partition("/")
        of = root.get(kind)
        schema = cast("dict[str, Any]", of).get(name) if isinstance(of, dict) else None
    return {}


def _known(schema: dict[str, Any]) -> str:
    properties: Any = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return "none" if properties == {} else "any"
    required: Any = schema.get("required")
    needed: list[Any] = cast("list[Any]", required) if isinstance(required, list) else []
    names = cast("dict[str, Any]", properties)
    return ", ".join(_one_known(name, _resolved(schema, of), name in needed) for name, of in names.items())


def _one_known(name: str, schema: dict[str, Any], is_required: bool) -> str:
    type_: Any = schema.get("type")
    parts = [type_] if isinstance(type_, str) else []
    parts += [] if is_required else ["optional"]
    return f"{name!r} ({', '.join(parts)})" if parts else repr(name)


def _note(edit: Edit) -> str:
    """Return what the model reads of an edit."""
    why = f" The reason: {edit.reason.rstrip('.')}." if edit.reason else ""
    return f"A person changed the arguments of this call to {_quoted(edit.arguments)}.{why}"


def _quoted(arguments: Any) -> str:
    text = json.dumps(arguments, ensure_ascii=False)
    if len(text) <= _LONGEST_NOTE:
        return text
    return f"{text[:_LONGEST_NOTE]}... (the beginning of {len(text):,} characters)"
