"""Reads the items of a workflow's stream in its workflow.

Anybody who may signal the workflow may publish to its stream. What no release of ours wrote must not end the
conversation, so it reads as nothing.
"""

import base64
from typing import Any

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter


def payload_of(item: Any) -> Payload:
    """Return the payload in an item of the log; an empty one if the item holds none."""
    try:
        return Payload.FromString(base64.b64decode(item.data))
    except (ValueError, TypeError, DecodeError):
        return Payload()


def value_of(payload: Payload, converter: PayloadConverter) -> Any:
    """Return the value in a payload; None if it cannot be decoded."""
    try:
        return converter.from_payload(payload)
    except Exception:  # noqa: BLE001  # a converter may raise anything
        return None


def metadata_text(payload: Payload, name: str) -> str:
    """Return a text in a payload's metadata; "" if there is none."""
    return payload.metadata.get(name, b"").decode("utf-8", "replace")


def metadata_number(payload: Payload, name: str) -> int | None:
    """Return a number in a payload's metadata; None if there is none."""
    text = metadata_text(payload, name)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
