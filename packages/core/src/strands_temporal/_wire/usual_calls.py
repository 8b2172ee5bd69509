"""The short form in which most model calls are sent: two fields in place of the parts of the conversation.

Most conversations are a range of the previous call's messages, the answer to that call, and one new message:

    {"call": 2, "digest": "f2a1c07b", "kept": [0, 1], "user": "And tomorrow?"}

The range is `kept`. The new message is `user` or `results` (see `transcript_parts.py`), or else `message`.
"""

from typing import Any

from .transcript_parts import Answer, Kept, New, part_from_wire


def usual_fields(parts: list[Any] | None, call: int) -> dict[str, Any] | None:
    """Return the two fields that are sent in place of usual parts, as they are sent; None for other parts.

    Args:
        parts: The parts, as `part_to_wire` returned them.
        call: Number of the call.
    """
    if parts is None or len(parts) != 3:
        return None
    kept, answer, new = map(part_from_wire, parts)
    if not isinstance(kept, Kept) or answer != Answer(call - 1) or not isinstance(new, New):
        return None
    short = len(parts[2]) == 1 and parts[2].keys() <= {"user", "results"}
    named = parts[2] if short else {"message": parts[2]}
    return {**parts[0], **named}


def parts_of_fields(fields: dict[str, Any], call: Any) -> list[Any] | None:
    """Return the parts, as `part_to_wire` returned them, in whose place `usual_fields` are sent."""
    if "kept" not in fields:
        return None
    short = next((name for name in ("user", "results") if name in fields), None)
    new = {short: fields[short]} if short else fields["message"]
    return [{"kept": fields["kept"]}, {"answer": call - 1}, new]
