"""JSON values with bytes in them.

JSON has no bytes. `encode` writes them as `{"$b64": "..."}`, and text that UTF-8 cannot encode (a lone
surrogate, as in a file name that is not UTF-8) as `{"$s64": "..."}`. A dict that only looks like one of these
is escaped. So `decode(encode(value)) == value` for every JSON value with bytes in it, with any converter.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache
from typing import Any, Literal, cast

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from .._errors import AgentValueError

_BYTES_KEY = "$b64"
_TEXT_KEY = "$s64"
_CANNOT_CROSS = "A {} cannot cross to an activity: only JSON values and bytes can"
_PLAIN = frozenset({str, int, float, bool, type(None)})
_LOOKS_TAGGED = re.compile(r"\$+[bs]64")


def encode(value: Any) -> Any:
    """Return `value` as plain JSON values. Tags bytes, and copies mappings and sequences.

    Raises:
        TypeError: If something in `value` is neither JSON nor bytes, or a key is not a string.
    """
    kind: Any = type(value)  # the usual types first: in a workflow's sandbox an `isinstance` is not cheap
    if kind is str:
        return _encoded_text(value)
    if kind is dict:
        return _encoded_mapping(value)
    if kind is list:
        return [encode(item) for item in value]
    if kind in _PLAIN:
        return value
    if isinstance(value, str):
        return _encoded_text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {_BYTES_KEY: _base64(bytes(cast("bytes", value)))}
    if isinstance(value, Mapping):
        return _encoded_mapping(cast("Mapping[Any, Any]", value))
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in cast("list[Any]", value)]
    raise TypeError(_CANNOT_CROSS.format(type(value).__name__))


def encode_any(value: Any) -> Any:
    """Encode `value` as `encode` does. Also converts other objects to JSON from which Pydantic restores them.

    Raises:
        TypeError: If something in `value` has no form in JSON.
    """
    try:
        return encode(value)
    except TypeError:
        return encode(plain_json(value))


def plain_json(value: Any) -> Any:
    """Return `value` as JSON values and bytes, from which Pydantic restores it with its type hint.

    Writes out the text of a secret, which Pydantic's own JSON replaces with asterisks.

    Raises:
        TypeError: If something in `value` has no form in JSON.
    """
    if value is None or type(value) in (str, int, float, bool, bytes):
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_plain_key(key): plain_json(item) for key, item in items}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_json(item) for item in cast("list[Any]", value)]
    if hasattr(value, "get_secret_value"):  # SecretStr, SecretBytes, Secret[...]
        return plain_json(value.get_secret_value())
    if isinstance(value, BaseModel):
        return plain_json(value.model_dump(by_alias=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    try:
        return to_jsonable_python(value)
    except ValueError:
        raise TypeError(_CANNOT_CROSS.format(type(value).__name__)) from None


def decode(value: Any) -> Any:
    """Return the value that `encode` encoded.

    Raises:
        AgentValueError: If bytes or text in it are damaged, or it is nested too deeply.
    """
    if type(value) in _PLAIN:  # the usual types first, as in `encode`
        return value
    try:
        return _decoded(value)
    except RecursionError:
        raise AgentValueError("A value cannot be read: it is nested too deeply") from None


def _decoded(value: Any) -> Any:
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if _looks_tagged(mapping):
            ((key, inner),) = mapping.items()
            return _untagged(key, inner)
        return {key: _decoded(item) for key, item in mapping.items()}
    if kind is list or isinstance(value, list):
        return [_decoded(item) for item in cast("list[Any]", value)]
    return value


def _untagged(key: str, inner: Any) -> Any:
    try:
        if key == _BYTES_KEY:
            return base64.b64decode(inner)
        if key == _TEXT_KEY:
            return base64.b64decode(inner).decode("utf-8", "surrogatepass")
    except (ValueError, TypeError) as error:
        raise AgentValueError(f"The bytes under {key!r} in a value are damaged: {error}") from error
    return {key[1:]: _decoded(inner)}


def is_json(value: Any) -> bool:
    """Tell whether `value` is JSON values and bytes, which an activity can get. Tuples count as lists."""
    try:
        json.dumps(encode(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def json_size(value: Any) -> int:
    """Return the size of a value's JSON in bytes, with non-ASCII escaped; 0 if JSON cannot hold the value.

    Neither Temporal's default converter nor the pydantic one writes more bytes. The same data always has the
    same size, with any converter, so decisions that depend on the size are the same at each replay.
    """
    try:
        return len(json.dumps(value, default=_shaped, skipkeys=True))
    except Exception:  # noqa: BLE001  # the user's own objects; a converter reports what is wrong with them
        return 0


def _shaped(value: Any) -> Any:
    """Return a JSON value that is about as large as the JSON of an object that `json` does not support."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "=" * (len(bytes(cast("bytes", value))) * 4 // 3)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    if isinstance(value, Collection):
        return list(cast("Collection[Any]", value))
    fields = getattr(value, "__dict__", None)
    return fields if isinstance(fields, dict) and not isinstance(value, type) else str(value)


def utf8_text(text: str, half_pairs: Literal["backslashreplace", "replace"] = "backslashreplace") -> str:
    r"""Return `text` without lone surrogates, which UTF-8 (so JSON, so Temporal) cannot hold.

    Args:
        text: Any text.
        half_pairs: How to write each lone surrogate: as its escape ("\ud83d"), or as "?".
    """
    return text.encode("utf-8", half_pairs).decode()


def _encoded_text(text: str) -> Any:
    return text if _is_utf8(text) else {_TEXT_KEY: _base64(text.encode("utf-8", "surrogatepass"))}


def _encoded_mapping(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    encoded = {_checked_key(key): encode(item) for key, item in mapping.items()}
    return _escaped(encoded) if _looks_tagged(encoded) else encoded


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_key(key: Any) -> str:
    """Return a mapping's key as JSON writes it: as text, or as the text of a number or a constant."""
    plain = plain_json(key)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _checked_key(key: Any) -> str:
    if not (type(key) is str or isinstance(key, str)) or not _is_utf8(key):
        raise TypeError(f"The key {key!r} cannot cross to an activity: JSON objects have UTF-8 string keys")
    return key


def _looks_tagged(mapping: Mapping[str, Any]) -> bool:
    if len(mapping) != 1:
        return False
    key = next(iter(mapping))
    return key[:1] == "$" and _LOOKS_TAGGED.fullmatch(key) is not None


def _escaped(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {f"${key}": item for key, item in mapping.items()}


def set_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a wire type that differ from their defaults. History then stores only these."""
    return {
        name: getattr(value, name)
        for name, default in _defaults(cast("type[object]", type(value))).items()
        if getattr(value, name) != default
    }


def known_fields(cls: type[Any], wire: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `wire` that this release knows. A newer release may have added more."""
    return {name: wire[name] for name in _defaults(cls) if name in wire}


@cache
def _defaults(cls: type[object]) -> dict[str, Any]:
    return {
        entry.name: entry.default if entry.default_factory is MISSING else entry.default_factory()
        for entry in fields(cast("Any", cls))
    }
