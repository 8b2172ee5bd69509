"""Converts between AG-UI's messages and those of Strands."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ag_ui.core import (
    AssistantMessage,
    ContentPart,
    DataSource,
    DocumentPart,
    FunctionCall,
    ImagePart,
    Message,
    ReasoningMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    VideoPart,
)

from strands_temporal.extension import decode

from .errors import refuse

_SHOWN_BYTES = 256 * 1024
"""Bytes of an image or document that a history shows. Of a larger one it shows the kind and the size."""

_FORMATS = {
    "image": {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"},
    "document": {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "text/html": "html",
        "text/markdown": "md",
        "text/plain": "txt",
        "application/msword": "doc",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    },
    "video": {"video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "mkv"},
}
_PARTS = {"image": ImagePart, "document": DocumentPart, "video": VideoPart}


def prompt_of(messages: Sequence[UserMessage]) -> Any:
    """Return what a conversation takes for a person's messages: text, or Strands' content blocks.

    Raises:
        WebError: If a part of them cannot be sent to a model.
    """
    if len(messages) == 1 and isinstance(messages[0].content, str):
        return messages[0].content
    blocks: list[dict[str, Any]] = []
    for message in messages:
        parts = [TextPart(text=message.content)] if isinstance(message.content, str) else message.content
        blocks += [_block(part, len(blocks)) for part in parts]
    return blocks


def _block(part: ContentPart, number: int) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    kind, source = part.type, part.source
    if kind not in _FORMATS:
        refuse(f"messages: this server takes no {kind} part. Known: text, {', '.join(_FORMATS)}")
    if not isinstance(source, DataSource):
        refuse(f"messages: this server fetches nothing: send the {kind}'s bytes, with source.type 'data'")
    format_ = _FORMATS[kind].get(source.mime_type)
    if format_ is None:
        refuse(f"messages: {source.mime_type!r} is no {kind} type. Known: {', '.join(_FORMATS[kind])}")
    try:
        data = base64.b64decode(source.value, validate=True)
    except binascii.Error as error:
        refuse(f"messages: the {kind}'s bytes are not base64: {error}")
    name = {"name": f"document-{number + 1}"} if kind == "document" else {}
    return {kind: {"format": format_, **name, "source": {"bytes": data}}}


def tool_value(message: ToolMessage) -> Any:
    """Return the value of a front-end tool's result: JSON if its text is JSON, else the text.

    Raises:
        WebError: If it has parts that are not text.
    """
    content = message.content
    if not isinstance(content, str):
        if not all(isinstance(part, TextPart) for part in content):
            refuse("messages: the result of a front-end tool is text or JSON. Send other data by reference")
        content = "".join(cast("TextPart", part).text for part in content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def history_of(messages: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Return Strands' messages as AG-UI's. The same conversation always gives the same ids."""
    shown: list[Message] = []
    seen: dict[str, int] = {}
    for message in messages:
        digest = _digest(message)
        number = seen[digest] = seen.get(digest, 0) + 1
        id_ = f"h-{digest}" if number == 1 else f"h-{digest}-{number}"
        try:
            shown += _shown(message, id_)
        except (
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            RecursionError,
        ):  # damaged, or of a provider
            shown.append(AssistantMessage(id=id_, content="[a message that cannot be shown]"))
    return shown


def _digest(message: Any) -> str:
    try:
        text = json.dumps(message, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError):
        text = type(message).__name__
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sent_message(message: Any, id_: str) -> list[Message]:
    """Return the message that began a turn, as the stream tells it: text or content blocks."""
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    blocks = cast("list[Any]", decode(message)) if isinstance(message, list) else [{"text": text}]
    return _shown({"role": "user", "content": blocks}, id_)


def _shown(message: Mapping[str, Any], id_: str) -> list[Message]:
    content = cast("Sequence[Any]", message.get("content", ()))
    blocks = [cast("Mapping[str, Any]", block) for block in content if isinstance(block, Mapping)]
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    shown: list[Message] = [_result(result) for result in results]
    if message.get("role") == "assistant":
        reasoning = "".join(_reasoning(block) for block in blocks)
        if reasoning:
            shown.append(ReasoningMessage(id=f"{id_}-reasoning", content=reasoning))
        text = "".join(block["text"] for block in blocks if "text" in block)
        calls = [_tool_call(block["toolUse"]) for block in blocks if "toolUse" in block]
        if text or calls:
            shown.append(AssistantMessage(id=id_, content=text, tool_calls=calls or None))
        return shown
    parts = [part for block in blocks if (part := _part(block)) is not None]
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        shown.append(UserMessage(id=id_, content=parts[0].text))
    elif parts:
        shown.append(UserMessage(id=id_, content=parts))
    return shown


def _reasoning(block: Mapping[str, Any]) -> str:
    text = block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
    return text if isinstance(text, str) else ""


def _tool_call(use: Mapping[str, Any]) -> ToolCall:
    arguments = json.dumps(use.get("input"), ensure_ascii=False, default=str)
    return ToolCall(id=use["toolUseId"], function=FunctionCall(name=use["name"], arguments=arguments))


def _result(result: Mapping[str, Any]) -> ToolMessage:
    texts = [
        block["text"] if "text" in block else json.dumps(block, ensure_ascii=False, default=_bytes_text)
        for block in result.get("content", ())
    ]
    text = "\n".join(texts)
    failed = result.get("status") == "error"
    id_ = result["toolUseId"]
    return ToolMessage(id=f"{id_}:result", content=text, tool_call_id=id_, error=text if failed else None)


def _bytes_text(value: object) -> str:
    return f"<{len(value):,} bytes>" if isinstance(value, bytes) else str(value)


def _part(block: Mapping[str, Any]) -> Any:
    if "text" in block:
        return TextPart(text=block["text"])
    for kind, class_ in _PARTS.items():
        if kind in block:
            data = block[kind].get("source", {}).get("bytes")
            types = {format_: type_ for type_, format_ in _FORMATS[kind].items()}
            type_ = types.get(block[kind].get("format", ""))
            if not isinstance(data, bytes) or type_ is None or len(data) > _SHOWN_BYTES:
                size = f" of {len(data):,} bytes" if isinstance(data, bytes) else ""
                return TextPart(text=f"[{kind}{size}]")
            return class_(source=DataSource(value=base64.b64encode(data).decode(), mime_type=type_))
    return None
