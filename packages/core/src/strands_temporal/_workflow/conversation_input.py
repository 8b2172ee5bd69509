"""Turns what a client sends to a conversation into an agent's prompt."""

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from strands.types.content import ContentBlock

from .._errors import AgentTypeError, AgentValueError
from .._wire.failure_sizes import text_of
from .._wire.values import decode

InputModel = type[BaseModel] | Mapping[str, Any]

_BLOCKS = frozenset(ContentBlock.__annotations__) | {"interruptResponse"}
_TAKES = "a conversation takes text, a list of content blocks"


def input_schema(model: InputModel | None) -> dict[str, Any] | None:
    """Return the JSON schema of an `input_model`."""
    if model is None:
        return None
    return dict(model) if isinstance(model, Mapping) else model.model_json_schema()


def prompt_of(message: Any, model: InputModel | None) -> Any:
    """Return the prompt for a message: text, or a list of content blocks.

    Args:
        message: What the client sent: text, content blocks with encoded bytes, or typed data.
        model: The conversation's `input_model`.

    Raises:
        AgentTypeError: If the message is none of these, or typed data without an `input_model`.
        AgentValueError: If the message is empty, does not fit the `input_model`, or cannot be decoded.
    """
    try:
        return _prompt_of(message, model)
    except (AgentTypeError, AgentValueError):
        raise
    except Exception as error:  # damaged bytes, or whatever the user's input_model raises
        raise AgentValueError(f"send: the message cannot be read: {_cut(text_of(error))}") from error


def _prompt_of(message: Any, model: InputModel | None) -> Any:
    if isinstance(message, str):
        if not message.strip():
            raise AgentValueError("send: the message is empty. Send some text")
        return message
    if isinstance(message, list):
        return [_checked_block(block) for block in _nonempty(cast("list[Any]", message))]
    if not isinstance(message, Mapping):
        or_data = " or typed data (an object)" if model else ""
        raise AgentTypeError(f"send: {_shown(message)} is no message: {_TAKES}{or_data}")
    if model is None:
        raise AgentTypeError(
            f"send: {_shown(cast('Any', message))} is typed data, and this conversation has no input_model: "
            f"{_TAKES}. To take typed data, give the Conversation or the AgentDefinition input_model=..."
        )
    return _text_of(decode(message), model)


def answers_interrupts(message: Any) -> bool:
    """Tell whether a message answers a paused agent, and so is no text for the model."""
    blocks = cast("list[Any]", message) if isinstance(message, list) else []
    return any(isinstance(block, Mapping) and "interruptResponse" in block for block in blocks)


def blocks_of(prompt: Any) -> list[Any]:
    """Return a prompt as content blocks."""
    return [{"text": prompt}] if isinstance(prompt, str) else list(prompt)


def _nonempty(blocks: list[Any]) -> list[Any]:
    if not blocks:
        raise AgentValueError("send: the list of content blocks is empty. Send at least one")
    return blocks


def _checked_block(block: Any) -> Any:
    keys = set(cast("Mapping[str, Any]", block)) if isinstance(block, Mapping) else set[str]()
    if not keys & _BLOCKS:
        raise AgentTypeError(
            f"send: {_shown(cast('Any', block))} is not a content block of Strands. Write {{'text': '...'}}. "
            f"Known kinds: {', '.join(sorted(_BLOCKS))}"
        )
    return decode(block)


def _text_of(data: Any, model: InputModel) -> str:
    if not isinstance(model, Mapping):
        try:
            return model.model_validate(data).model_dump_json(by_alias=True)
        except ValidationError as error:
            raise AgentValueError(
                f"send: the data does not fit {model.__name__}: {_cut(str(error))}"
            ) from None
    import jsonschema  # Strands needs it too, when it first validates a tool

    try:
        jsonschema.validate(data, dict(model))
    except jsonschema.ValidationError as error:
        where = "/".join(map(str, error.absolute_path)) or "the data"
        raise AgentValueError(
            f"send: the data does not fit the input_model: {_cut(where)}: {_cut(error.message)}"
        ) from None
    return json.dumps(data, ensure_ascii=False)


def _shown(value: Any) -> str:
    return _cut(repr(value), 120)


def _cut(text: str, most: int = 2_000) -> str:
    """Return a text that may quote the message, cut: a refusal that is too large fails the workflow task."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
