"""Turns what a client sends to a conversation into an agent's prompt."""

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from strands.types.content import ContentBlock

from .._errors import AgentTypeError, AgentValueError
from .._wire.failure_sizes import text_of
from .._wire.values import decode
from .json_schemas import JsonSchema, checked_schema

InputModel = type[BaseModel] | Mapping[str, Any]

_BLOCKS = frozenset(ContentBlock.__annotations__) | {"interruptResponse"}
_TAKES = "a conversation takes text, a list of content blocks"


def checked_input_model(owner: str, model: object) -> InputModel | None:
    """Return an `input_model`: a pydantic model's class, or a copy of a JSON schema.

    Args:
        owner: The user's code that has the option, for messages: "Conversation".
        model: What was given.

    Raises:
        AgentTypeError: If it is neither.
        AgentValueError: If the schema is not valid, or refers to another document.
    """
    if model is None or (isinstance(model, type) and issubclass(model, BaseModel)):
        return model
    if not isinstance(model, Mapping):
        raise AgentTypeError(
            f"{owner}: input_model={model!r} is neither a pydantic model's class nor a JSON schema (a dict)"
        )
    return checked_schema(f"{owner}: input_model=", dict(cast("Mapping[str, Any]", model)))


def input_schema(model: InputModel | None) -> dict[str, Any] | None:
    """Return the JSON schema of an `input_model`."""
    if model is None:
        return None
    return dict(model) if isinstance(model, Mapping) else model.model_json_schema()


class PromptReader:
    """Reads the messages of one conversation.

    Args:
        model: The conversation's `input_model`, as `checked_input_model` returned it.
    """

    def __init__(self, model: InputModel | None = None) -> None:
        self._model = model
        self._schema = JsonSchema(dict(model)) if isinstance(model, Mapping) else None

    def prompt_of(self, message: Any) -> Any:
        """Return the prompt for a message: text, or a list of content blocks.

        Args:
            message: What the client sent: text, content blocks with encoded bytes, or typed data.

        Raises:
            AgentTypeError: If the message is none of these, or typed data without an `input_model`.
            AgentValueError: If the message is empty, does not fit the `input_model`, or cannot be decoded.
        """
        try:
            return self._prompt_of(message)
        except (AgentTypeError, AgentValueError):
            raise
        except Exception as error:  # damaged bytes, or whatever the user's input_model raises
            raise AgentValueError(f"send: the message cannot be read: {cut(text_of(error))}") from error

    def blocks_of(self, message: Any) -> list[Any]:
        """Return a message as content blocks. See `prompt_of`."""
        prompt = self.prompt_of(message)
        return [{"text": prompt}] if isinstance(prompt, str) else list(prompt)

    def _prompt_of(self, message: Any) -> Any:
        if isinstance(message, str):
            if not message.strip():
                raise AgentValueError("send: the message is empty. Send some text")
            return message
        if isinstance(message, list):
            return [_checked_block(block) for block in _nonempty(cast("list[Any]", message))]
        if not isinstance(message, Mapping):
            or_data = " or typed data (an object)" if self._model else ""
            raise AgentTypeError(f"send: {_shown(message)} is no message: {_TAKES}{or_data}")
        if self._model is None:
            raise AgentTypeError(
                f"send: {_shown(cast('Any', message))} is typed data, and this conversation has no "
                f"input_model: {_TAKES}. To take typed data, give the Conversation or the AgentDefinition "
                "input_model=..."
            )
        return self._text_of(decode(message), self._model)

    def _text_of(self, data: Any, model: InputModel) -> str:
        if not isinstance(model, Mapping):
            try:
                return model.model_validate(data).model_dump_json(by_alias=True)
            except ValidationError as error:
                raise AgentValueError(
                    f"send: the data does not fit {model.__name__}: {cut(str(error))}"
                ) from None
        if self._schema is not None and (why := self._schema.misfit(data)):
            raise AgentValueError(f"send: the data does not fit the input_model: {why}")
        return json.dumps(data, ensure_ascii=False)


def answers_interrupts(message: Any) -> bool:
    """Tell whether a message answers a paused agent, and so is no text for the model."""
    blocks = cast("list[Any]", message) if isinstance(message, list) else []
    return any(isinstance(block, Mapping) and "interruptResponse" in block for block in blocks)


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


def _shown(value: Any) -> str:
    return cut(repr(value), 120)


def cut(text: str, most: int = 2_000) -> str:
    """Return a text that may quote the message, cut: a refusal that is too large fails the workflow task."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
