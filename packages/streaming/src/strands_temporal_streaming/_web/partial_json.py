"""Completes JSON text that ends in the middle: the arguments of a tool call whose model call failed."""

import json

_LITERALS = ("true", "false", "null")


def completion(text: str) -> str:
    """Return what makes `text` a JSON document when it is appended; "" if it is one, or none can be made."""
    if not text.strip():
        return "{}"
    for ending in ("", *_endings(text)):
        if _is_json(text + ending):
            return ending
    return ""


def _endings(text: str) -> list[str]:
    closers, in_string, escape = "", False, ""
    for character in text:
        if in_string:
            if escape:
                escape = _after(escape, character)
            elif character == "\\":
                escape = "\\"
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "{[":
            closers = ("}" if character == "{" else "]") + closers
        elif character in "}]":
            closers = closers[1:]
    values = ['"'] if in_string else []
    if escape:
        values = ["n" + '"' if escape == "\\" else "0" * (6 - len(escape)) + '"']
    if not in_string:
        values = ["", "null", "0", *(word[i:] for word in _LITERALS for i in range(1, len(word)))]
    return [f"{value}{more}{closers}" for value in values for more in ("", ":null", '"":null')]


def _after(escape: str, character: str) -> str:
    """Return the escape sequence after one more character; "" if it is complete."""
    longer = escape + character
    return longer if longer[1] == "u" and len(longer) < 6 else ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
